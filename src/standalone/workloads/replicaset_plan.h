#pragma once

#include "standalone/workloads/common.h"

namespace weft::standalone {

struct ReplicaSetPlan : PodChanges {
  kube::ReplicaSetStatus status;
};

/// `pods`: those the ReplicaSet controls, finished and terminating ones too. `failure`: why the last attempt
/// to create or delete a pod failed, "" when it did not.
ReplicaSetPlan plan_replica_set(const kube::ReplicaSet& set, const PodList& pods, const PlanContext& context,
                                const std::string& failure = {});

/// Orders pods so that those to be deleted first come first: as kube-controller-manager does, from "never
/// started" to "ready for the longest time".
void sort_for_deletion(PodList& pods);

}  // namespace weft::standalone
