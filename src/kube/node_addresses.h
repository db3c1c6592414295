#pragma once

#include <vector>

#include "base/ip.h"
#include "kube/node.h"

namespace weft::kube {

/// By which the cluster knows a node: its InternalIPs, in the order of its status. What is none is left out.
std::vector<IpAddr> internal_addresses(const Node& node);

}  // namespace weft::kube
