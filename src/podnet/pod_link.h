#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/netlink.h"

/// How a pod is connected: a veth pair, its node's end without an address. The pod has its addresses as /32
/// and /128, and sends everything to a gateway that exists only as a permanent neighbour entry; the node has
/// a route and a neighbour entry for each pod. So there is no bridge, no ARP, no neighbour discovery and no
/// NAT.
namespace weft::podnet {

struct PodLink {
  std::string id;     ///< of the sandbox, as the runtime calls it
  std::string netns;  ///< path
  std::string interface = "eth0";
  std::vector<IpAddr> addresses;
  std::vector<IpAddr> node_addresses;  ///< the node's own: sources of what it sends to the pod
  int mtu = 1500;
};

/// The name of the node's end.
std::string host_link_name(const std::string& id);
/// The pod's gateways, the same everywhere.
IpAddr gateway_of(const IpAddr& pod);
MacAddr pod_mac(const std::string& id);

/// Connects, in the calling thread's namespace; `node` is a Netlink of it. Doing it again repairs what is not
/// right.
Expected<void> connect_pod(Netlink& node, const PodLink& pod);
/// A pod that is not connected is good.
Expected<void> disconnect_pod(Netlink& node, const std::string& id);
/// What is wrong with a connected pod's link, for CNI CHECK.
Expected<void> check_pod(Netlink& node, const PodLink& pod);
/// The ids of all that is connected to this node.
Expected<std::vector<std::string>> connected_pods(Netlink& node);

}  // namespace weft::podnet
