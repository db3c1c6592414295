#include "standalone/workloads/node_lifecycle_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/toleration.h"

namespace weft::standalone {
namespace {

constexpr const char* kHeartbeatConditions[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};

std::string ready_status(const std::vector<kube::NodeCondition>& conditions) {
  auto it = std::ranges::find(conditions, "Ready", &kube::NodeCondition::type);
  return it == conditions.end() ? "" : it->status;
}

void become_unknown(std::vector<kube::NodeCondition>& conditions, const std::string& now) {
  for (const char* type : kHeartbeatConditions) {
    auto it = std::ranges::find(conditions, type, &kube::NodeCondition::type);
    if (it != conditions.end() && it->status == "Unknown") continue;
    bool never = it == conditions.end();
    if (never) it = conditions.insert(conditions.end(), kube::NodeCondition());
    it->type = type;
    it->status = "Unknown";
    it->reason = never ? "NodeStatusNeverUpdated" : "NodeStatusUnknown";
    it->message = never ? "Kubelet never posted node status." : "Kubelet stopped posting node status.";
    it->lastTransitionTime = now;
  }
}

/// Adds or removes; one that is there already keeps its time.
void set_taint(std::vector<kube::Taint>& taints, const char* key, const char* effect, bool wanted,
               const std::string& now) {
  auto is_it = [&](const kube::Taint& taint) { return taint.key == key && taint.effect == effect; };
  if (!wanted) {
    std::erase_if(taints, is_it);
  } else if (std::ranges::none_of(taints, is_it)) {
    kube::Taint taint;
    taint.key = key;
    taint.effect = effect;
    taint.timeAdded = now;
    taints.push_back(std::move(taint));
  }
}

/// When the pod has to go because of the node's NoExecute taints; nothing: never.
std::optional<Seconds> eviction_time(const kube::Pod& pod, const std::vector<kube::Taint>& taints,
                                     Seconds now) {
  std::optional<Seconds> at;
  for (const auto& taint : taints) {
    if (taint.effect != "NoExecute") continue;
    bool tolerated = false;
    std::optional<Seconds> patience;
    for (const auto& toleration : pod.spec.tolerations) {
      if (!kube::tolerates(toleration, taint)) continue;
      tolerated = true;
      if (toleration.tolerationSeconds) sooner(patience, std::max<Seconds>(0, *toleration.tolerationSeconds));
    }
    auto since = taint.timeAdded ? parse_time(*taint.timeAdded).value_or(now) : now;
    if (!tolerated) sooner(at, now);
    if (patience) sooner(at, since + *patience);
  }
  return at;
}

}  // namespace

NodeLifecyclePlan plan_node_lifecycle(const kube::Node& node, bool heard, const PodList& pods, Seconds now) {
  NodeLifecyclePlan plan{.conditions = node.status.conditions, .taints = node.spec.taints};
  const auto time = format_time(now);
  if (!heard) become_unknown(plan.conditions, time);
  const auto before = ready_status(node.status.conditions), ready = ready_status(plan.conditions);
  const bool unknown = ready == "Unknown", not_ready = ready == "False";
  for (const char* effect : {"NoSchedule", "NoExecute"}) {
    set_taint(plan.taints, kUnreachableTaint, effect, unknown, time);
    set_taint(plan.taints, kNotReadyTaint, effect, not_ready, time);
  }
  set_taint(plan.taints, kUnschedulableTaint, "NoSchedule", node.spec.unschedulable, time);
  if (before == "True" && ready != "True") {
    plan.notes.push_back(
        {"Normal", "NodeNotReady", fmt::format("Node {} status is now: NodeNotReady", node.metadata.name)});
  }
  for (const auto& pod : pods) {
    // A node that is heard again tells about its pods itself, before it has told about itself.
    if ((not_ready || (unknown && !heard)) && is_ready(*pod)) plan.unready.push_back(pod);
    if (pod->metadata.deletionTimestamp) continue;
    auto at = eviction_time(*pod, plan.taints, now);
    if (!at) continue;
    if (*at <= now) {
      plan.evict.push_back(pod);
    } else {
      sooner(plan.look_again, *at);
    }
  }
  return plan;
}

}  // namespace weft::standalone
