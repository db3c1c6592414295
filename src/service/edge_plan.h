#pragma once

#include <span>
#include <string>
#include <vector>

#include "datapath/node_edge.h"
#include "kube/node.h"

namespace weft::service {

/// What the edge of a node has to know besides the Services.
struct EdgePlan {
  weft_edge settings{};
  std::vector<datapath::EdgePrefix> prefixes;
};

/// This node, as its edge sees it.
struct EdgeFacts {
  std::vector<IpAddr> addresses;
  std::vector<IpPrefix> pods;
  /// Nodes reach each other's pods through a tunnel: then what the node sends to them in the name of others
  /// has the first address of its pods' range, which no pod has, so that answers come back through the
  /// tunnel.
  bool overlay = false;
  bool masquerade = true;  ///< pods' packets to the outside get the node's address
  /// Packets from outside for pods of other nodes go there as they are, and the answers straight to the
  /// client (direct server return): the nodes have to be on one link, and nothing may filter by source.
  bool direct_return = false;
};

/// Pure. Nodes' pods and addresses are the inside of the cluster; everything else is outside.
EdgePlan plan_edge(const EdgeFacts& self, std::span<const kube::Node> nodes);

}  // namespace weft::service
