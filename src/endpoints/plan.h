#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "endpoints/packing.h"
#include "endpoints/topology.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/service.h"

/// EndpointSlices for one Service: which to write so that its pods are in them, with as few writes as can be.
/// Follows the reconciler of Kubernetes' own controller (KEP-752), so that either may take over from the
/// other without a write.
namespace weft::endpoints {

inline constexpr const char* kHeadless = "service.kubernetes.io/headless";
inline constexpr const char* kController = "endpointslice-controller.k8s.io";

using PodPtr = std::shared_ptr<const kube::Pod>;

struct PlanInput {
  const kube::Service& service;
  std::vector<PodPtr> pods;  ///< all that the selector matches, in any order
  /// The node of that name, or nullptr.
  std::function<const kube::Node*(const std::string&)> node;
  /// All that carry the Service's name and kController, without those being deleted.
  std::vector<SlicePtr> slices;
  /// For the annotation kTriggerTime of whatever is written; "" takes it away.
  kube::Time trigger_time;
  ZoneShares zone_shares;  ///< for Services with `topology-mode: Auto`
  size_t most_per_slice = 100;
};

/// A pod that the selector matches and that is in no slice, and why.
struct LeftOut {
  PodPtr pod;
  std::string why;
};

/// The changes to make. Every endpoint names the pod it comes from in its targetRef.
struct Plan : SliceChanges {
  std::vector<LeftOut> left_out;
  /// Of a Service with `topology-mode: Auto`: why it gets no hints, by family.
  std::map<std::string, std::string> without_hints;
};

/// The Service's slices are ours to keep: it has a selector and is no ExternalName.
bool has_slices(const kube::Service& service);

Plan plan_slices(const PlanInput& input);

}  // namespace weft::endpoints
