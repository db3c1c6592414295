#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>

#include "kube/node.h"
#include "standalone/workloads/common.h"

/// Objects for the tests of the workload plans. Time is counted in seconds from kStart.
namespace weft::standalone::test {

inline constexpr Seconds kStart = 1'800'000'000;

inline PlanContext context(Seconds now = kStart) {
  return {.now = now, .suffix = [n = 0]() mutable { return fmt::format("{:05}", n++); }};
}

inline kube::PodTemplateSpec make_template(const std::string& image = "v1") {
  kube::PodTemplateSpec tmpl;
  tmpl.metadata.labels = {{"app", "web"}};
  tmpl.spec.containers.emplace_back();
  tmpl.spec.containers[0].name = "main";
  tmpl.spec.containers[0].image = image;
  return tmpl;
}

template <class T>
T make_owner(const std::string& name, int replicas = 0) {
  T owner;
  owner.metadata.name = name;
  owner.metadata.namespace_ = "shop";
  owner.metadata.uid = "uid-" + name;
  owner.metadata.generation = 1;
  owner.spec.selector = kube::LabelSelector{};
  owner.spec.selector->matchLabels = {{"app", "web"}};
  owner.spec.template_ = make_template();
  if constexpr (requires { owner.spec.replicas; }) owner.spec.replicas = replicas;
  return owner;
}

inline void set_ready(kube::Pod& pod, bool ready = true, Seconds since = kStart) {
  pod.status.phase = "Running";
  pod.status.conditions.resize(1);
  pod.status.conditions[0].type = "Ready";
  pod.status.conditions[0].status = ready ? "True" : "False";
  pod.status.conditions[0].lastTransitionTime = format_time(since);
}

inline kube::Pod make_pod(const std::string& name, const std::string& node = "node-1") {
  kube::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "shop";
  pod.metadata.uid = "uid-" + name;
  pod.metadata.labels = {{"app", "web"}};
  pod.metadata.creationTimestamp = format_time(kStart);
  pod.spec.nodeName = node;
  pod.status.phase = "Pending";
  return pod;
}

inline kube::Pod ready_pod(const std::string& name, const std::string& node = "node-1",
                           Seconds since = kStart) {
  kube::Pod pod = make_pod(name, node);
  set_ready(pod, true, since);
  return pod;
}

inline PodPtr share(kube::Pod pod) { return std::make_shared<const kube::Pod>(std::move(pod)); }

inline std::vector<std::string> names_of(const PodList& pods) {
  std::vector<std::string> out;
  for (const auto& pod : pods) out.push_back(pod->metadata.name);
  return out;
}
inline std::vector<std::string> names_of(const std::vector<kube::Pod>& pods) {
  std::vector<std::string> out;
  for (const auto& pod : pods) out.push_back(pod.metadata.name);
  return out;
}

}  // namespace weft::standalone::test
