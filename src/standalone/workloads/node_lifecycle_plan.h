#pragma once

#include "kube/node.h"
#include "standalone/workloads/common.h"

namespace weft::standalone {

using NodePtr = std::shared_ptr<const kube::Node>;

/// What is to be done about one node and its pods.
struct NodeLifecyclePlan {
  std::vector<kube::NodeCondition> conditions;  ///< of its status
  std::vector<kube::Taint> taints;
  PodList unready;          ///< whose Ready condition is to become False
  PodList evict;            ///< to be deleted
  std::vector<Note> notes;  ///< about the node
  /// When a pod's toleration ends.
  std::optional<Seconds> look_again;
};

inline constexpr const char* kNotReadyTaint = "node.kubernetes.io/not-ready";
inline constexpr const char* kUnreachableTaint = "node.kubernetes.io/unreachable";
inline constexpr const char* kUnschedulableTaint = "node.kubernetes.io/unschedulable";

/// As Kubernetes' node lifecycle and taint eviction controllers: a node that is not `heard` of (its Lease is
/// not renewed) has Unknown conditions; one that is not Ready is tainted, its pods are no endpoints, and
/// those that do not tolerate its NoExecute taints (any longer) are evicted. `pods`: those bound to it. Time
/// is counted from the taints' timeAdded, so that a restart forgets nothing.
NodeLifecyclePlan plan_node_lifecycle(const kube::Node& node, bool heard, const PodList& pods, Seconds now);

}  // namespace weft::standalone
