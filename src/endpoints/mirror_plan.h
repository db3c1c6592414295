#pragma once

#include <string>
#include <vector>

#include "endpoints/packing.h"
#include "kube/service.h"

/// EndpointSlices for Endpoints that somebody keeps by hand or with a program of his own, as they are for
/// Services without a selector: consumers need to know slices only. Follows Kubernetes' own mirroring
/// controller (KEP-752), so that either may take over from the other without a write.
namespace weft::endpoints {

inline constexpr const char* kSkipMirror = "endpointslice.kubernetes.io/skip-mirror";
inline constexpr const char* kMirrorController = "endpointslicemirroring-controller.k8s.io";
/// On Endpoints that are no addresses but the lock of an old leader election.
inline constexpr const char* kLeaderAnnotation = "control-plane.alpha.kubernetes.io/leader";

struct MirrorInput {
  const kube::Endpoints* endpoints = nullptr;  ///< nullptr: there are none
  const kube::Service* service = nullptr;      ///< of the same name; nullptr: there is none
  /// All that carry the name and kMirrorController, without those being deleted.
  std::vector<SlicePtr> slices;
  size_t most_per_subset = 1000;  ///< addresses of both families; the ready ones come first
};

struct MirrorPlan : SliceChanges {
  std::string why_not;    ///< not mirrored, so that no slice may be there; "" if mirrored
  size_t invalid = 0;     ///< addresses that are none
  size_t over_limit = 0;  ///< addresses beyond most_per_subset
};

/// Why these Endpoints have no slices of ours; "" if they do.
std::string why_not_mirrored(const kube::Endpoints* endpoints, const kube::Service* service);

MirrorPlan plan_mirror(const MirrorInput& input);

}  // namespace weft::endpoints
