#include "endpoints/trigger_time.h"

namespace weft::endpoints {

namespace {

/// When it last became ready or not; times of the API compare as text, they are all in UTC.
kube::Time trigger_of(const kube::Pod& pod) {
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == "Ready") return condition.lastTransitionTime;
  }
  return {};
}

}  // namespace

kube::Time TriggerTimes::compute(const std::string& key, const kube::Service& service,
                                 const std::vector<PodPtr>& pods) {
  auto [it, is_new] = services_.try_emplace(key);
  auto& known = it->second;
  kube::Time oldest;
  auto consider = [&](const kube::Time& time, const kube::Time& before) {
    if (time > before && (oldest.empty() || time < oldest)) oldest = time;
  };
  std::unordered_map<std::string, kube::Time> times;
  for (const auto& pod : pods) {
    auto time = trigger_of(*pod);
    if (time.empty()) continue;
    auto before = known.pods.find(pod->metadata.name);
    consider(time, before == known.pods.end() ? kube::Time() : before->second);
    times[pod->metadata.name] = std::move(time);
  }
  consider(service.metadata.creationTimestamp, known.service);
  known.pods = std::move(times);
  known.service = service.metadata.creationTimestamp;
  return is_new ? service.metadata.creationTimestamp : oldest;
}

}  // namespace weft::endpoints
