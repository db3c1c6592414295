#include "kube/node_addresses.h"

namespace weft::kube {

std::vector<IpAddr> internal_addresses(const Node& node) {
  std::vector<IpAddr> out;
  for (const auto& address : node.status.addresses) {
    if (address.type != "InternalIP") continue;
    if (auto ip = IpAddr::parse(address.address)) out.push_back(*ip);
  }
  return out;
}

}  // namespace weft::kube
