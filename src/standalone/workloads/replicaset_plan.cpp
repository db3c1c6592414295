#include "standalone/workloads/replicaset_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

namespace weft::standalone {
namespace {

constexpr size_t kBurst = 500;  // pods in one go; the rest follow when these have been seen

int deletion_cost(const kube::Pod& pod) {
  auto it = pod.metadata.annotations.find("controller.kubernetes.io/pod-deletion-cost");
  int cost = 0;
  if (it != pod.metadata.annotations.end()) {
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), cost);
  }
  return cost;
}

int phase_rank(const kube::Pod& pod) {
  if (pod.status.phase == "Running") return 2;
  return pod.status.phase == "Unknown" ? 1 : 0;
}

std::string ready_time(const kube::Pod& pod) {
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == "Ready" && condition.status == "True") return condition.lastTransitionTime;
  }
  return {};
}

int restarts(const kube::Pod& pod) {
  int most = 0;
  for (const auto& status : pod.status.containerStatuses) most = std::max(most, status.restartCount);
  return most;
}

void set_failure_condition(kube::ReplicaSetStatus& status, const std::string& failure, Seconds now) {
  auto it = std::ranges::find(status.conditions, "ReplicaFailure", &kube::ReplicaSetCondition::type);
  if (failure.empty()) {
    if (it != status.conditions.end()) status.conditions.erase(it);
    return;
  }
  if (it == status.conditions.end()) {
    it = status.conditions.insert(it, kube::ReplicaSetCondition{});
    it->type = "ReplicaFailure";
    it->lastTransitionTime = format_time(now);
  }
  it->status = "True";
  it->reason = "FailedCreate";
  it->message = failure;
}

}  // namespace

void sort_for_deletion(PodList& pods) {
  std::map<std::string, int> on_node;
  for (const auto& pod : pods) ++on_node[pod->spec.nodeName];
  // Smaller goes first. Times are negated by comparing them the other way round (see `newer`).
  auto rank = [&](const kube::Pod& pod) {
    return std::tuple(!pod.spec.nodeName.empty(), phase_rank(pod), is_ready(pod), deletion_cost(pod),
                      -on_node[pod.spec.nodeName]);
  };
  std::ranges::sort(pods, [&](const PodPtr& a, const PodPtr& b) {
    auto left = rank(*a), right = rank(*b);
    if (left != right) return left < right;
    auto newer = [](const kube::Pod& pod) {
      return std::tuple(ready_time(pod), restarts(pod), pod.metadata.creationTimestamp, pod.metadata.name);
    };
    return newer(*a) > newer(*b);
  });
}

ReplicaSetPlan plan_replica_set(const kube::ReplicaSet& set, const PodList& pods, const PlanContext& context,
                                const std::string& failure) {
  ReplicaSetPlan plan;
  PodList active;
  std::ranges::copy_if(pods, std::back_inserter(active), [](const PodPtr& pod) { return is_active(*pod); });

  plan.status = set.status;
  plan.status.observedGeneration = set.metadata.generation;
  plan.status.replicas = static_cast<int>(active.size());
  plan.status.fullyLabeledReplicas = plan.status.readyReplicas = plan.status.availableReplicas = 0;
  const auto template_labels = kube::Selector::from(set.spec.template_.metadata.labels);
  for (const auto& pod : active) {
    plan.status.fullyLabeledReplicas += template_labels.matches(pod->metadata.labels);
    plan.status.readyReplicas += is_ready(*pod);
    plan.status.availableReplicas +=
        is_available(*pod, set.spec.minReadySeconds, context.now, plan.look_again);
  }
  set_failure_condition(plan.status, failure, context.now);
  if (set.metadata.deletionTimestamp) return plan;

  const auto desired = static_cast<size_t>(std::max(0, set.spec.replicas.value_or(1)));
  if (active.size() > desired) {
    sort_for_deletion(active);
    active.resize(std::min(active.size() - desired, kBurst));
    plan.remove = std::move(active);
    for (const auto& pod : plan.remove) {
      plan.notes.push_back(
          {"Normal", "SuccessfulDelete", fmt::format("Deleted pod: {}", pod->metadata.name)});
    }
    return plan;
  }
  auto owner = controller_reference("apps/v1", "ReplicaSet", set.metadata);
  for (size_t i = std::min(desired - active.size(), kBurst); i > 0; --i) {
    kube::Pod pod = pod_of(set.spec.template_, set.metadata.namespace_, owner);
    pod.metadata.generateName = set.metadata.name + "-";
    pod.metadata.name = pod.metadata.generateName + context.suffix();
    plan.notes.push_back({"Normal", "SuccessfulCreate", fmt::format("Created pod: {}", pod.metadata.name)});
    plan.create.push_back(std::move(pod));
  }
  return plan;
}

}  // namespace weft::standalone
