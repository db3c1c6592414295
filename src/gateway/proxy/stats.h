#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "gateway/proxy/flag.h"

namespace weft::gateway {

/// A number that one thread counts and any may read.
class Counter {
 public:
  void add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void sub(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// Upper bounds of the buckets of durations, in milliseconds; one more bucket is above the last.
inline constexpr std::array<uint64_t, 10> kDurationBounds = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000};

/// What a worker counts of a listener.
struct ListenerCounters {
  std::array<Counter, 6> requests;  ///< by the first digit of the status; [0]: no answer was sent whole
  std::array<Counter, kDurationBounds.size() + 1> durations;
  Counter duration_ms;
  Counter bytes_in, bytes_out;  ///< of bodies
  Counter active;
  Counter streams, streams_active;  ///< connections that are passed on, and sessions of UDP
  Counter stream_bytes_in, stream_bytes_out;
  std::array<Counter, kFlagNames.size()> flags;  ///< of requests and streams; [0] is not counted

  void count(Flag flag) {
    if (flag != Flag::none) flags[static_cast<size_t>(flag)].add(1);
  }
};

/// The same as numbers, of all workers.
struct ListenerStats {
  std::array<uint64_t, 6> requests{};
  std::array<uint64_t, kDurationBounds.size() + 1> durations{};
  uint64_t duration_ms = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  uint64_t active = 0;
  uint64_t streams = 0, streams_active = 0;
  uint64_t stream_bytes_in = 0, stream_bytes_out = 0;
  std::array<uint64_t, kFlagNames.size()> flags{};

  void add(const ListenerCounters& counters) {
    for (size_t i = 0; i < requests.size(); ++i) requests[i] += counters.requests[i].value();
    for (size_t i = 0; i < durations.size(); ++i) durations[i] += counters.durations[i].value();
    duration_ms += counters.duration_ms.value();
    bytes_in += counters.bytes_in.value();
    bytes_out += counters.bytes_out.value();
    active += counters.active.value();
    streams += counters.streams.value();
    streams_active += counters.streams_active.value();
    stream_bytes_in += counters.stream_bytes_in.value();
    stream_bytes_out += counters.stream_bytes_out.value();
    for (size_t i = 0; i < flags.size(); ++i) flags[i] += counters.flags[i].value();
  }
};

/// What the proxy has counted since it started.
struct Stats {
  uint64_t connections = 0;        ///< open ones
  uint64_t connections_total = 0;  ///< accepted
  uint64_t refused = 0;            ///< answered with 503 because there were too many
  std::map<std::string, ListenerStats>
      listeners;  ///< by "gateway's namespace/gateway/listener"; "" is for none
};

}  // namespace weft::gateway
