#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kube/node.h"
#include "kube/pod.h"

namespace weft::standalone::sandbox {

/// A port of the node that a pod takes; `ip` empty: at all of its addresses.
struct HostPort {
  std::string protocol;
  int32_t port = 0;
  std::string ip;
  auto operator<=>(const HostPort&) const = default;
};

/// The ports that a pod's containers take of its node.
std::vector<HostPort> host_ports(const kube::Pod& pod);

struct NodeLoad {
  std::shared_ptr<const kube::Node> node;
  int pods = 0;
  std::multiset<HostPort> ports;  ///< taken by its pods
};

/// Where a pod goes, or why it goes nowhere.
struct Placement {
  std::string node;  ///< "": nowhere
  std::string why;   ///< "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match …"
};

/// The Ready node with the fewest pods (the first by name among equals) that the pod's nodeSelector, required
/// node affinity, tolerations and host ports admit. Preferences, resources and spreading are not looked at.
Placement place_pod(const kube::Pod& pod, const std::vector<NodeLoad>& nodes);

}  // namespace weft::standalone::sandbox
