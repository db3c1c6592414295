#pragma once

#include <string>

#include "base/error.h"
#include "standalone/cluster_options.h"

namespace weft::standalone {

/// Makes a simulated node's network namespace with its uplink eth0, a veth pair whose other end is in the
/// machine's namespace and carries the gateway's addresses. Forwarding is switched on inside the node; the
/// machine, which plays the outside world, keeps all its settings. clean_cluster() takes it down.
Expected<void> create_node_network(const ClusterLayout& cluster, const NodeLayout& node);

}  // namespace weft::standalone
