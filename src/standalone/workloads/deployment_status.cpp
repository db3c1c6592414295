#include "standalone/workloads/deployment_status.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::standalone {
namespace {

kube::DeploymentCondition* find(kube::DeploymentStatus& status, std::string_view type) {
  auto it = std::ranges::find(status.conditions, type, &kube::DeploymentCondition::type);
  return it == status.conditions.end() ? nullptr : &*it;
}

/// Times move only with what they are about: the transition with the status, the update with the reason.
void set_condition(kube::DeploymentStatus& status, Seconds now, std::string_view type, std::string_view value,
                   std::string_view reason, std::string message, bool progress = false) {
  auto* condition = find(status, type);
  if (!condition) {
    condition = &status.conditions.emplace_back();
    condition->type = type;
  }
  if (condition->status != value) condition->lastTransitionTime = format_time(now);
  if (condition->status != value || condition->reason != reason || progress)
    condition->lastUpdateTime = format_time(now);
  condition->status = value;
  condition->reason = reason;
  condition->message = std::move(message);
}

void set_progress(const kube::Deployment& deployment, kube::DeploymentStatus& status,
                  const ReplicaSetPtr& present, const std::optional<kube::ReplicaSet>& created, Seconds now,
                  std::optional<Seconds>& look_again) {
  const kube::DeploymentStatus& before = deployment.status;
  auto* condition = find(status, "Progressing");
  if (deployment.spec.paused) {
    return set_condition(status, now, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
  }
  const std::string subject = present   ? fmt::format("ReplicaSet \"{}\"", present->metadata.name)
                              : created ? fmt::format("ReplicaSet \"{}\"", created->metadata.name)
                                        : fmt::format("Deployment \"{}\"", deployment.metadata.name);
  if (created) {
    return set_condition(status, now, "Progressing", "True", "NewReplicaSetCreated",
                         fmt::format("Created new replica set \"{}\"", created->metadata.name));
  }
  if (rollout_complete(deployment, status)) {
    return set_condition(status, now, "Progressing", "True", "NewReplicaSetAvailable",
                         subject + " has successfully progressed.");
  }
  if (condition && condition->reason == "DeploymentPaused") {
    return set_condition(status, now, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
  }
  // Losing pods after a finished rollout is no new rollout.
  if (condition && condition->reason == "NewReplicaSetAvailable" && status.replicas == status.updatedReplicas)
    return;
  bool progress = status.updatedReplicas > before.updatedReplicas ||
                  status.readyReplicas > before.readyReplicas ||
                  status.availableReplicas > before.availableReplicas ||
                  status.replicas - status.updatedReplicas < before.replicas - before.updatedReplicas;
  if (progress || !condition) {
    return set_condition(status, now, "Progressing", "True", "ReplicaSetUpdated",
                         subject + " is progressing.", true);
  }
  const int deadline = deployment.spec.progressDeadlineSeconds.value_or(600);
  if (condition->reason == "ProgressDeadlineExceeded" || deadline == INT32_MAX) return;
  Seconds until = parse_time(condition->lastUpdateTime).value_or(now) + deadline;
  if (until < now) {
    set_condition(status, now, "Progressing", "False", "ProgressDeadlineExceeded",
                  subject + " has timed out progressing.");
  } else {
    sooner(look_again, until + 1);
  }
}

}  // namespace

RolloutLimits rollout_limits(const kube::Deployment& deployment) {
  RolloutLimits limits;
  limits.desired = std::max(0, deployment.spec.replicas.value_or(1));
  if (deployment.spec.strategy.type == "Recreate") return limits;
  kube::IntOrString surge{"25%"}, unavailable{"25%"};
  if (const auto& rolling = deployment.spec.strategy.rollingUpdate) {
    surge = rolling->maxSurge.value_or(surge);
    unavailable = rolling->maxUnavailable.value_or(unavailable);
  }
  limits.max_surge = resolve_percent(surge, limits.desired, true);
  limits.max_unavailable = std::min(resolve_percent(unavailable, limits.desired, false), limits.desired);
  // Both 0 would never move: percentages can come to that.
  if (limits.max_surge == 0 && limits.max_unavailable == 0) limits.max_unavailable = 1;
  return limits;
}

bool rollout_complete(const kube::Deployment& deployment, const kube::DeploymentStatus& status) {
  const int desired = deployment.spec.replicas.value_or(1);
  return status.updatedReplicas == desired && status.replicas == desired &&
         status.availableReplicas == desired && status.observedGeneration >= deployment.metadata.generation;
}

kube::DeploymentStatus deployment_status(const kube::Deployment& deployment, const ReplicaSetList& sets,
                                         const ReplicaSetPtr& present,
                                         const std::optional<kube::ReplicaSet>& created,
                                         const RolloutLimits& limits, Seconds now,
                                         std::optional<Seconds>& look_again) {
  kube::DeploymentStatus status = deployment.status;
  status.observedGeneration = deployment.metadata.generation;
  status.replicas = status.readyReplicas = status.availableReplicas = 0;
  int wanted = 0;
  for (const auto& set : sets) {
    status.replicas += set->status.replicas;
    status.readyReplicas += set->status.readyReplicas;
    status.availableReplicas += set->status.availableReplicas;
    wanted += set->spec.replicas.value_or(1);
  }
  status.updatedReplicas = present ? present->status.replicas : 0;
  status.unavailableReplicas = std::max(0, wanted - status.availableReplicas);
  if (status.availableReplicas >= limits.desired - limits.max_unavailable) {
    set_condition(status, now, "Available", "True", "MinimumReplicasAvailable",
                  "Deployment has minimum availability.");
  } else {
    set_condition(status, now, "Available", "False", "MinimumReplicasUnavailable",
                  "Deployment does not have minimum availability.");
  }
  set_progress(deployment, status, present, created, now, look_again);
  return status;
}

}  // namespace weft::standalone
