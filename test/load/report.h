#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weft::load {

using Clock = std::chrono::steady_clock;

/// What became of the exchanges of one run.
class Report {
 public:
  explicit Report(Clock::time_point start) : start_(start), last_answer_(start) {}

  void succeeded(Clock::duration took);
  /// `kind`: "refused", "reset", "timeout", …
  void failed(const std::string& kind, Clock::time_point begun);
  /// How late an exchange began; lateness is this program's, not the network's.
  void began(Clock::duration late) { behind_ = std::max(behind_, late); }
  bool good() const { return failures_.empty() && !took_.empty(); }
  /// One line of JSON. Latencies are of exchanges that succeeded, in microseconds; the longest gap is between
  /// two answers, in milliseconds. `failed_by_second`: when those that failed had begun.
  std::string json();

 private:
  Clock::time_point start_, last_answer_;
  Clock::duration behind_{0}, gap_{0};
  std::map<std::string, uint64_t> failures_;
  std::vector<uint64_t> failed_by_second_;
  std::vector<uint32_t> took_;  ///< microseconds
};

}  // namespace weft::load
