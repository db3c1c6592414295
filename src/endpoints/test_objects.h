#pragma once

#include <fmt/core.h>

#include <map>
#include <memory>
#include <string>

#include "endpoints/plan.h"

/// For tests: objects in few words.
namespace weft::endpoints::test {

inline kube::Service make_service(const std::string& name = "web") {
  kube::Service out;
  out.metadata.name = name;
  out.metadata.namespace_ = "a";
  out.metadata.uid = name + "-uid";
  out.metadata.creationTimestamp = "2026-01-01T00:00:00Z";
  out.spec.clusterIP = "10.96.0.7";
  out.spec.ipFamilies = {"IPv4"};
  out.spec.selector = {{"app", name}};
  auto& port = out.spec.ports.emplace_back();
  port.name = "http";
  port.protocol = "TCP";
  port.port = 80;
  port.targetPort.value = 8080;
  return out;
}

inline kube::Pod make_pod(int n, const std::string& app = "web") {
  kube::Pod out;
  out.metadata.name = fmt::format("pod-{:04}", n);
  out.metadata.namespace_ = "a";
  out.metadata.uid = fmt::format("pod-uid-{}", n);
  out.metadata.labels = {{"app", app}};
  out.spec.nodeName = "node-1";
  out.status.phase = "Running";
  out.status.podIP = fmt::format("10.244.{}.{}", n / 250, n % 250 + 1);
  out.status.podIPs.emplace_back().ip = out.status.podIP;
  out.status.podIPs.emplace_back().ip = fmt::format("fd00:244::{:x}", n + 1);
  auto& ready = out.status.conditions.emplace_back();
  ready.type = "Ready";
  ready.status = "True";
  ready.lastTransitionTime = "2026-01-01T00:01:00Z";
  return out;
}

inline kube::Node make_node(const std::string& name, const std::string& zone) {
  kube::Node out;
  out.metadata.name = name;
  if (!zone.empty()) out.metadata.labels["topology.kubernetes.io/zone"] = zone;
  return out;
}

/// A Service with its pods, nodes and slices, to which plans are applied as the API server would.
struct World {
  kube::Service service = make_service();
  std::map<std::string, kube::Pod> pods;
  std::map<std::string, kube::Node> nodes{{"node-1", make_node("node-1", "zone-a")}};
  std::map<std::string, kube::EndpointSlice> slices;
  kube::Time trigger_time;
  ZoneShares zone_shares;
  size_t most_per_slice = 100;
  int names = 0;

  kube::Pod& add_pod(int n) {
    auto pod = make_pod(n);
    return pods[pod.metadata.name] = pod;
  }
  void add_pods(int from, int to) {
    for (int n = from; n < to; ++n) add_pod(n);
  }

  Plan plan() const {
    PlanInput input{.service = service,
                    .pods = {},
                    .node =
                        [this](const std::string& name) {
                          auto it = nodes.find(name);
                          return it == nodes.end() ? nullptr : &it->second;
                        },
                    .slices = {},
                    .trigger_time = trigger_time,
                    .zone_shares = zone_shares,
                    .most_per_slice = most_per_slice};
    for (const auto& [name, pod] : pods) input.pods.push_back(std::make_shared<const kube::Pod>(pod));
    for (const auto& [name, slice] : slices)
      input.slices.push_back(std::make_shared<const kube::EndpointSlice>(slice));
    return plan_slices(input);
  }

  Plan apply() {
    auto plan_now = plan();
    for (auto slice : plan_now.create) {
      slice.metadata.name = fmt::format("{}{:04}", slice.metadata.generateName, names++);
      slices[slice.metadata.name] = slice;
    }
    for (const auto& slice : plan_now.update) slices.at(slice.metadata.name) = slice;
    for (const auto& slice : plan_now.remove) slices.erase(slice->metadata.name);
    return plan_now;
  }

  /// How many endpoints each slice has, by the slice's name.
  std::vector<size_t> sizes() const {
    std::vector<size_t> out;
    for (const auto& [name, slice] : slices) out.push_back(slice.endpoints.size());
    return out;
  }
  /// A slice that is there already, with these pods as they are now.
  kube::EndpointSlice& existing(const std::string& name, int from, int to) {
    World other;
    other.service = service;
    other.most_per_slice = 1000;
    other.nodes = nodes;
    for (int n = from; n < to; ++n)
      other.pods[make_pod(n).metadata.name] = pods.at(make_pod(n).metadata.name);
    other.apply();
    auto slice = other.slices.begin()->second;
    slice.metadata.name = name;
    return slices[name] = slice;
  }
};

/// "creates updates removes".
inline std::string writes(const SliceChanges& plan) {
  return fmt::format("{} {} {}", plan.create.size(), plan.update.size(), plan.remove.size());
}

}  // namespace weft::endpoints::test
