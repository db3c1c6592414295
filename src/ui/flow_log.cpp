#include "ui/flow_log.h"

#include <algorithm>
#include <utility>

namespace weft::ui {

void FlowLog::add(std::vector<json::value> flows) {
  std::scoped_lock lock(mutex_);
  for (auto& flow : flows) {
    flows_.push_back(std::make_shared<const json::value>(std::move(flow)));
    if (flows_.size() > kMost) flows_.pop_front();
    ++next_;
  }
}

void FlowLog::set_problem(std::string problem) {
  std::scoped_lock lock(mutex_);
  problem_ = std::move(problem);
}

std::string FlowLog::problem() const {
  std::scoped_lock lock(mutex_);
  return problem_;
}

FlowLog::News FlowLog::since(uint64_t after) const {
  std::scoped_lock lock(mutex_);
  const uint64_t first = next_ - flows_.size();
  News out{.flows = {}, .next = next_};
  const auto skip = static_cast<std::ptrdiff_t>(std::clamp(after, first, next_) - first);
  out.flows.assign(flows_.begin() + skip, flows_.end());
  return out;
}

std::vector<FlowPtr> FlowLog::from(const std::string& time) const {
  std::scoped_lock lock(mutex_);
  std::vector<FlowPtr> out;
  std::ranges::copy_if(flows_, std::back_inserter(out),
                       [&](const FlowPtr& flow) { return kube::string_at(*flow, "time") >= time; });
  return out;
}

}  // namespace weft::ui
