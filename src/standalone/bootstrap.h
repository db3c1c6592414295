#pragma once

#include <vector>

#include "kube/json.h"
#include "kube/resource.h"
#include "standalone/cluster_options.h"

namespace weft::standalone {

struct BootstrapObject {
  const kube::ResourceInfo& resource;
  json::object object;
};

/// The objects a cluster starts with beyond what the API server makes itself: the DNS Service on its fixed
/// addresses; its EndpointSlices, one a family, that point to `weft dns` on each node (it listens on the
/// node's own addresses); an AddressPool of the nodes' segment, so that load balancers have addresses that
/// the machine reaches; a GatewayClass and an IngressClass `weft`, the latter for Ingresses without a class.
std::vector<BootstrapObject> bootstrap_objects(const ClusterLayout& layout);

}  // namespace weft::standalone
