#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kube/node.h"
#include "kube/pod.h"

namespace weft::standalone::sandbox {

struct NodeLoad {
  std::shared_ptr<const kube::Node> node;
  int pods = 0;
};

/// Where a pod goes, or why it goes nowhere.
struct Placement {
  std::string node;  ///< "": nowhere
  std::string why;   ///< "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match …"
};

/// The Ready node with the fewest pods (the first by name among equals) that the pod's nodeSelector, required
/// node affinity and tolerations admit. Preferences, resources and spreading are not looked at.
Placement place_pod(const kube::Pod& pod, const std::vector<NodeLoad>& nodes);

}  // namespace weft::standalone::sandbox
