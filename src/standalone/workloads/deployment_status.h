#pragma once

#include "standalone/workloads/deployment_plan.h"

namespace weft::standalone {

/// spec.replicas and spec.strategy in plain numbers.
struct RolloutLimits {
  int desired = 1;
  int max_surge = 0;
  int max_unavailable = 0;
};
RolloutLimits rollout_limits(const kube::Deployment& deployment);

/// What `kubectl rollout status` reads: counts, and the conditions Available and Progressing. `present` is
/// null while the present template's ReplicaSet is only about to be made (`created`).
kube::DeploymentStatus deployment_status(const kube::Deployment& deployment, const ReplicaSetList& sets,
                                         const ReplicaSetPtr& present,
                                         const std::optional<kube::ReplicaSet>& created,
                                         const RolloutLimits& limits, Seconds now,
                                         std::optional<Seconds>& look_again);

bool rollout_complete(const kube::Deployment& deployment, const kube::DeploymentStatus& status);

}  // namespace weft::standalone
