#include "policy/recent.h"

#include <chrono>
#include <utility>

namespace weft::policy {

void RecentDecisions::add(Decision decision, kube::TimePoint wall, uint64_t monotonic_ns) {
  auto age = std::chrono::nanoseconds(static_cast<int64_t>(monotonic_ns - decision.time_ns));
  auto when = wall - std::chrono::duration_cast<std::chrono::microseconds>(age);
  if (entries_.size() == kMost) entries_.pop_front();
  entries_.push_back({when, std::move(decision)});
}

json::object RecentDecisions::to_json() const {
  json::array list;
  for (const auto& [when, decision] : entries_) {
    auto item = decision.to_json();
    item["time"] = kube::format_micro_time(when);
    list.push_back(std::move(item));
  }
  return {{"decisions", std::move(list)}};
}

}  // namespace weft::policy
