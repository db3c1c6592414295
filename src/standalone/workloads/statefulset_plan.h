#pragma once

#include "standalone/workloads/common.h"
#include "standalone/workloads/revisions.h"

namespace weft::standalone {

struct StatefulSetPlan : PodChanges {
  kube::StatefulSetStatus status;
  RevisionPlan revision;
  RevisionList remove_revisions;
};

/// One step of a StatefulSet. `pods` and `revisions`: those it controls. Under OrderedReady a step creates or
/// deletes at most one pod; the next one follows when that is ready or gone.
StatefulSetPlan plan_stateful_set(const kube::StatefulSet& set, const PodList& pods,
                                  const RevisionList& revisions, const PlanContext& context);

/// The ordinal in "NAME-3", or -1.
int ordinal_of(const std::string& set_name, const std::string& pod_name);

}  // namespace weft::standalone
