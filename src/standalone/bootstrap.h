#pragma once

#include <vector>

#include "kube/json.h"
#include "standalone/cluster_options.h"

namespace weft::standalone {

/// The objects a fresh cluster starts with beyond what the API server makes itself: the DNS Service on its
/// fixed addresses, and its EndpointSlices, one a family, that point to `weft dns` on each node (it listens
/// on the node's own addresses).
std::vector<json::object> bootstrap_objects(const ClusterLayout& layout);

}  // namespace weft::standalone
