#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft::bench {

/// What became of questions that were sent at an even pace, whatever the answers took.
struct DnsLoad {
  uint64_t sent = 0, answered = 0, wrong = 0;
  uint64_t send_ns = 0;             ///< in calls that send: the way there, and all that is done on it
  std::vector<uint32_t> latencies;  ///< nanoseconds, sorted
  double p99_us() const;
};

/// Who is asked, and from where.
struct DnsTarget {
  uint16_t port;
  const char* address = "127.0.0.1";
  int netns = -1;  ///< the thread's own
};

/// Asks for A records of the Services 1 to `services` - 1, chosen at random.
DnsLoad ask_evenly(const DnsTarget& target, int services, int rate, std::chrono::milliseconds time);

/// The first A record of a name; "" when there is none, nothing without an answer in time.
std::optional<std::string> ask_one(uint16_t port, const std::string& name,
                                   std::chrono::milliseconds patience = std::chrono::milliseconds(100));

}  // namespace weft::bench
