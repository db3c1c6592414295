#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/netlink.h"
#include "kube/node.h"

/// How a node reaches the pods of the others. Pure: Node objects in, routes out, each with its reason.
namespace weft::podnet {

enum class PeerMode : uint8_t {
  direct,  ///< the nodes are neighbours: a pod range's next hop is its node
  vxlan,   ///< packets between nodes travel inside UDP (RFC 7348)
};

/// Bytes that VXLAN puts around a packet: outer IP and UDP, VXLAN and the inner Ethernet header.
constexpr int vxlan_overhead(bool v6) { return (v6 ? 40 : 20) + 8 + 8 + 14; }

/// This node, as far as its routes depend on it.
struct Self {
  std::string name;
  std::vector<IpAddr> addresses;
};

/// One range of another node's pods.
struct PeerRoute {
  IpPrefix pods;
  IpAddr node;                   ///< the address of the node, of the same family when direct
  std::optional<IpAddr> source;  ///< this node's own, for what starts here
  std::string why;               ///< "Node node-2 spec.podCIDRs[0]"
  bool operator==(const PeerRoute&) const = default;
};

struct PeerPlan {
  std::vector<PeerRoute> routes;  ///< in the order of the nodes
  /// "Node x: spec.podCIDRs[1]: …": what no route can be made of, or would overlap an earlier one.
  std::vector<std::string> problems;
};

PeerPlan plan_peers(std::span<const kube::Node> nodes, const Self& self, PeerMode mode);

/// The MAC address of a node's VXLAN device follows from the node's address, so that nobody has to ask.
MacAddr tunnel_mac(const IpAddr& node);

}  // namespace weft::podnet
