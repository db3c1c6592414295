#include "reach/pods.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "policy/rules.h"
#include "trace/hints.h"

namespace weft::reach {
namespace {

constexpr const char* kTemplateHash = "pod-template-hash";

/// "Deployment shop/web" of "Deployment/shop/web".
std::string shown(const std::string& workload) {
  auto slash = workload.find('/');
  return workload.substr(0, slash) + " " + workload.substr(slash + 1);
}

/// By pod. Of a ReplicaSet and its Deployment it is the latter, and of a Job and its CronJob; where only the
/// ReplicaSet is known, its name has the Deployment's and the hash of the template.
std::map<std::string, std::string> owners_of(const trace::World& world) {
  std::map<std::string, std::string> out;
  for (const auto& [workload, pods] : world.workloads) {
    bool replica_set = workload.starts_with("ReplicaSet/");
    for (const auto& key : pods) {
      auto pod = world.pods.find(key);
      if (pod == world.pods.end()) continue;
      auto name = shown(workload);
      const auto& labels = pod->second->metadata.labels;
      if (auto hash = labels.find(kTemplateHash);
          replica_set && hash != labels.end() && name.ends_with("-" + hash->second))
        name = "Deployment" +
               name.substr(std::string_view("ReplicaSet").size(),
                           name.size() - hash->second.size() - 1 - std::string_view("ReplicaSet").size());
      auto [at, is_new] = out.emplace(key, name);
      if (!is_new && !replica_set && !workload.starts_with("Job/")) at->second = name;
    }
  }
  return out;
}

std::vector<PortNumber> declared_ports(const kube::Pod& pod) {
  std::vector<PortNumber> out;
  for (const auto& container : pod.spec.containers) {
    for (const auto& port : container.ports) {
      auto protocol = policy::protocol_number(port.protocol.empty() ? "TCP" : port.protocol);
      if (protocol) out.push_back({*protocol, static_cast<uint16_t>(port.containerPort)});
    }
  }
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

std::optional<PodKind> kind_of(const trace::World& world, const std::string& key, const kube::Pod& pod) {
  auto addresses = world.policies.addresses_of(key);
  if (addresses.empty() || pod.status.phase == "Succeeded" || pod.status.phase == "Failed") return {};
  PodKind out{.identities = {}, .host = {}, .ports = declared_ports(pod), .owner = {}};
  if (auto entry = world.policies.entry_of(key)) out.subject = entry->subject;
  if (pod.spec.hostNetwork) out.host = pod.spec.nodeName;
  for (const auto& address : addresses) {
    auto& identity = out.identities[address.is_v6()];
    if (!identity) identity = world.policies.identity_of(address);
  }
  return out;
}

}  // namespace

std::string PortNumber::str() const { return fmt::format("{}/{}", port, trace::protocol_text(protocol)); }

Pods group_pods(const trace::World& world) {
  Pods out;
  std::map<PodKind, size_t> known;
  auto owners = owners_of(world);
  for (const auto& [key, pod] : world.pods) {
    auto kind = kind_of(world, key, *pod);
    if (!kind) continue;
    if (auto owner = owners.find(key); owner != owners.end()) kind->owner = owner->second;
    // Pods without an owner are of one kind only where people gave them one.
    auto by = *kind;
    if (by.owner.empty()) by.owner = "/" + pod->metadata.namespace_;
    auto [at, is_new] = known.emplace(std::move(by), out.kinds.size());
    if (is_new) out.kinds.push_back({.kind = std::move(*kind), .nodes = {}, .pods = {}});
    auto& members = out.kinds[at->second];
    members.nodes.insert(pod->spec.nodeName);
    members.pods.push_back(key);
    out.kind_of.emplace(key, at->second);
  }
  std::map<std::string, Workload> workloads;
  for (size_t i = 0; i < out.kinds.size(); ++i) {
    const auto& members = out.kinds[i];
    bool owned = !members.kind.owner.empty();
    auto name = owned ? members.kind.owner : "Pod " + members.pods.front();
    if (!owned && members.pods.size() > 1) name += fmt::format(" and {} like it", members.pods.size() - 1);
    auto& workload = workloads[name];
    workload.name = name;
    workload.owned = owned;
    workload.kinds.push_back(i);
    workload.pods.insert(workload.pods.end(), members.pods.begin(), members.pods.end());
  }
  for (auto& [name, workload] : workloads) {
    std::ranges::sort(workload.pods);
    for (size_t kind : workload.kinds) out.kinds[kind].workload = out.workloads.size();
    out.workloads.push_back(std::move(workload));
  }
  return out;
}

}  // namespace weft::reach
