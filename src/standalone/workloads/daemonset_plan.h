#pragma once

#include "kube/node.h"
#include "standalone/workloads/common.h"
#include "standalone/workloads/revisions.h"

namespace weft::standalone {

using NodePtr = std::shared_ptr<const kube::Node>;

struct DaemonSetPlan : PodChanges {
  kube::DaemonSetStatus status;
  RevisionPlan revision;
  RevisionList remove_revisions;
};

/// One pod on every node that its node selector and tolerations allow. `pods` and `revisions`: those it
/// controls.
DaemonSetPlan plan_daemon_set(const kube::DaemonSet& set, const std::vector<NodePtr>& nodes,
                              const PodList& pods, const RevisionList& revisions, const PlanContext& context);

}  // namespace weft::standalone
