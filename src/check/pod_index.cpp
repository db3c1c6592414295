#include "check/pod_index.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <set>

namespace weft::check {
namespace {

const Pods kNone;

std::string label_key(const std::string& ns, const std::string& key, const std::string& value) {
  return fmt::format("{}/{}={}", ns, key, value);
}

bool has_all(const kube::StringMap& labels, const kube::StringMap& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& label) {
    auto at = labels.find(label.first);
    return at != labels.end() && at->second == label.second;
  });
}

const Pods& pods_at(const auto& map, const std::string& key) {
  auto at = map.find(key);
  return at == map.end() ? kNone : at->second;
}

}  // namespace

PodIndex::PodIndex(const trace::World& world) : world_(world) {
  std::set<std::string> owners;
  for (const auto& [key, pod] : world.pods) {
    auto ref = world.origins.find("Pod", key);
    if (ref.file.empty()) continue;
    const auto& ns = pod->metadata.namespace_;
    pods_[ns].push_back(pod);
    if (ref.origin.empty() || owners.insert(ref.origin).second) kinds_[ns].push_back(pod);
    for (const auto& [label, value] : pod->metadata.labels)
      labelled_[label_key(ns, label, value)].push_back(pod);
  }
  for (const auto& [key, service] : world.services) {
    for (const auto& pod : selected(service->metadata.namespace_, service->spec.selector))
      services_[pod.get()].push_back(service);
  }
}

const Pods& PodIndex::in(const std::string& ns) const { return pods_at(pods_, ns); }

const Pods& PodIndex::kinds_in(const std::string& ns) const { return pods_at(kinds_, ns); }

Pods PodIndex::selected(const std::string& ns, const kube::StringMap& selector) const {
  const Pods* fewest = nullptr;
  for (const auto& [label, value] : selector) {
    const auto& pods = pods_at(labelled_, label_key(ns, label, value));
    if (!fewest || pods.size() < fewest->size()) fewest = &pods;
  }
  Pods out;
  if (!fewest) return out;
  std::ranges::copy_if(*fewest, std::back_inserter(out),
                       [&](const auto& pod) { return has_all(pod->metadata.labels, selector); });
  return out;
}

const std::vector<trace::Ptr<kube::Service>>& PodIndex::services_of(const kube::Pod& pod) const {
  static const std::vector<trace::Ptr<kube::Service>> kNobody;
  auto at = services_.find(&pod);
  return at == services_.end() ? kNobody : at->second;
}

std::string PodIndex::owner_of(const kube::Pod& pod) const {
  auto key = trace::key_of(pod.metadata.namespace_, pod.metadata.name);
  auto ref = world_.origins.find("Pod", key);
  return ref.origin.empty() ? "Pod " + key : ref.origin;
}

}  // namespace weft::check
