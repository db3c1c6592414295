#include "report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace weft::load {
namespace {

template <class Unit>
int64_t in(Clock::duration time) {
  return std::chrono::duration_cast<Unit>(time).count();
}

}  // namespace

void Report::succeeded(Clock::duration took) {
  auto now = Clock::now();
  gap_ = std::max(gap_, now - last_answer_);
  last_answer_ = now;
  took_.push_back(static_cast<uint32_t>(in<std::chrono::microseconds>(took)));
}

void Report::failed(const std::string& kind, Clock::time_point begun) {
  auto second = static_cast<size_t>(in<std::chrono::seconds>(begun - start_));
  if (failed_by_second_.size() <= second) failed_by_second_.resize(second + 1);
  ++failed_by_second_[second];
  ++failures_[kind];
}

std::string Report::json() {
  using Milliseconds = std::chrono::milliseconds;
  uint64_t failed = 0;
  std::string kinds;
  for (const auto& [kind, count] : failures_) {
    failed += count;
    kinds += fmt::format("{}\"{}\":{}", kinds.empty() ? "" : ",", kind, count);
  }
  std::ranges::sort(took_);
  auto part = [&](double share) {
    return took_.empty() ? 0
                         : took_[std::min(took_.size() - 1,
                                          static_cast<size_t>(share * static_cast<double>(took_.size())))];
  };
  double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  auto line = fmt::format(
      R"({{"attempts":{},"failed":{},"kinds":{{{}}},"rate":{:.0f},"p50_us":{},"p99_us":{},"max_us":{},)"
      R"("longest_gap_ms":{},"behind_ms":{})",
      took_.size() + failed, failed, kinds, static_cast<double>(took_.size()) / seconds, part(0.5),
      part(0.99), part(1), in<Milliseconds>(gap_), in<Milliseconds>(behind_));
  if (failed > 0) line += fmt::format(R"(,"failed_by_second":[{}])", fmt::join(failed_by_second_, ","));
  return line + "}";
}

}  // namespace weft::load
