#pragma once

#include <functional>
#include <optional>
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
  std::string namespace_ = {};  ///< of the Pod object, for others on the node to read; empty: not known
};

/// The name of the node's end.
std::string host_link_name(const std::string& id);
/// The MAC address of every node's end.
MacAddr host_mac();
/// The pod's gateways, the same everywhere.
IpAddr gateway_of(const IpAddr& pod);
MacAddr pod_mac(const std::string& id);

/// Connects, in the calling thread's namespace; `node` is a Netlink of it. Doing it again repairs what is not
/// right. A pod has one such link: `already_exists` when it has one under another name.
/// `before_up`: given the index of the node's end before anything passes there; what it fails with, this
/// does.
Expected<void> connect_pod(Netlink& node, const PodLink& pod,
                           const std::function<Expected<void>(int link)>& before_up = {});
/// A pod that is not connected is good.
Expected<void> disconnect_pod(Netlink& node, const std::string& id);
/// What is wrong with a connected pod's link, for CNI CHECK: links, addresses and routes at both ends.
Expected<void> check_pod(Netlink& node, const PodLink& pod);
/// The name that the pod's end has in the namespace at `netns`; nothing when there is none, or no namespace.
std::optional<std::string> pod_interface(const std::string& netns, const std::string& id);

/// The path of the named network namespace that has the pod's end; empty when there is none.
std::string find_netns(const std::string& id);

/// A pod as the node's own links and routes know it.
struct ConnectedPod {
  std::string id;
  std::vector<IpAddr> addresses;
};
Expected<std::vector<ConnectedPod>> connected_pods(Netlink& node);

}  // namespace weft::podnet
