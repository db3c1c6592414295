#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weft::dns {

/// A number that one thread counts and others read.
class Count {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/// Where questions of a record type are counted (`Counters::requests`), and what the type is called there.
size_t type_slot(uint16_t type);
const char* type_slot_name(size_t slot);

/// What one DNS thread has done. Metrics add those of all threads up when they are asked for.
struct Counters {
  /// Upper ends of the duration buckets in microseconds; a last bucket has what took longer.
  static constexpr std::array<uint32_t, 12> kBuckets{
      50, 100, 250, 500, 1'000, 2'500, 10'000, 50'000, 250'000, 1'000'000, 2'500'000, 8'000'000};
  /// Of questions: by transport (UDP, TCP), family of the client (4, 6) and type (see `type_slot`).
  static constexpr size_t kTypes = 12;  ///< slots of types, the last for all others
  std::array<std::array<std::array<Count, kTypes>, 2>, 2> requests;
  /// Of answers, by code; the last has all above 22.
  std::array<Count, 24> responses;
  /// Of answers: how long they took, their sum in microseconds.
  std::array<Count, kBuckets.size() + 1> durations;
  Count duration_us;
  Count dropped;         ///< packets that are no question
  Count client_limited;  ///< questions of clients that ask too much
  Count overflowed;      ///< datagrams that the kernel dropped, a socket's buffer being full
  Count search_path;     ///< walks that were answered at once
  Count rebind_refused;  ///< answers that pointed into the cluster
  struct Cache {
    Count requests, hits_positive, hits_negative, served_stale, prefetches, evictions;
    Count entries_positive, entries_negative;
  } cache;
  Count forward_coalesced;   ///< questions that waited for the answer to an equal one
  Count forward_overloaded;  ///< that were not asked as too many were in flight
  Count forward_loops;       ///< questions of our own that came back through other servers
};

/// What one DNS thread has done with one upstream.
struct UpstreamCounters {
  Count requests;    ///< tries, over whatever transport
  Count unanswered;  ///< that ended without an answer: silence, or refused by the network
  /// Answers by code, and how long they took, as above.
  std::array<Count, 24> responses;
  std::array<Count, Counters::kBuckets.size() + 1> durations;
  Count duration_us;
  Count connections;    ///< TCP and TLS, opened
  Count probes_failed;  ///< health checks without an answer
  Count down;           ///< 1 while it counts as down, else 0
};

}  // namespace weft::dns
