#pragma once

#include "standalone/workloads/common.h"

namespace weft::standalone {

using ReplicaSetPtr = std::shared_ptr<const kube::ReplicaSet>;
using ReplicaSetList = std::vector<ReplicaSetPtr>;

struct DeploymentPlan {
  std::optional<kube::ReplicaSet> create;
  std::vector<kube::ReplicaSet> update;  ///< whole, with the resourceVersion that was read
  ReplicaSetList remove;                 ///< beyond revisionHistoryLimit
  std::string revision;                  ///< for the Deployment's own annotation
  kube::DeploymentStatus status;
  std::vector<Note> notes;
  std::optional<Seconds> look_again;
};

inline constexpr const char* kRevisionAnnotation = "deployment.kubernetes.io/revision";
inline constexpr const char* kTemplateHashLabel = "pod-template-hash";

/// One step of a rollout. `sets`: the ReplicaSets that the Deployment controls. `old_pods_left`: pods of
/// ReplicaSets that are not of the present template still exist (Recreate waits for them; asked only then).
DeploymentPlan plan_deployment(const kube::Deployment& deployment, const ReplicaSetList& sets,
                               const std::function<bool(const ReplicaSetPtr& present)>& old_pods_left,
                               const PlanContext& context);

/// The ReplicaSet of the Deployment's present template, or null.
ReplicaSetPtr find_new_replica_set(const kube::Deployment& deployment, const ReplicaSetList& sets);

}  // namespace weft::standalone
