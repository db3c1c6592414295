#pragma once

#include "base/error.h"
#include "standalone/cluster_options.h"

namespace weft::standalone {

/// The Ethernet segment that the cluster's nodes share: a bridge in the calling thread's namespace, which has
/// the gateway addresses on it. Marked by its alias, as all links are that `weft down` removes.
Expected<void> create_segment(const ClusterLayout& cluster);

/// The node's namespace with an uplink "eth0" on the segment, addresses and default routes. Must be called in
/// the namespace that has the segment.
Expected<void> create_node_network(const ClusterLayout& cluster, const NodeLayout& node);

/// Pulls the node's cable out of the segment, or plugs it in again.
Expected<void> plug_node(const ClusterLayout& cluster, const NodeLayout& node, bool in);

}  // namespace weft::standalone
