#pragma once

#include <algorithm>
#include <chrono>

namespace weft::standalone::sandbox {

/// The delay before a container that ended is started again, as kubelet has it: none the first time, then
/// 10 s doubling to 5 min; a container that ran for 10 min starts over.
class RestartBackoff {
 public:
  using Duration = std::chrono::milliseconds;
  static constexpr Duration kFirst = std::chrono::seconds(10);
  static constexpr Duration kLongest = std::chrono::minutes(5);
  static constexpr Duration kReset = std::chrono::minutes(10);

  /// The container ended after it ran for `ran`; how long to wait now.
  Duration next(Duration ran) {
    if (ran >= kReset) delay_ = Duration::zero();
    Duration wait = delay_;
    delay_ = delay_ == Duration::zero() ? kFirst : std::min(delay_ * 2, kLongest);
    return wait;
  }

 private:
  Duration delay_ = Duration::zero();
};

}  // namespace weft::standalone::sandbox
