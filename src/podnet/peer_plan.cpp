#include "podnet/peer_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "kube/node_addresses.h"

namespace weft::podnet {
namespace {

std::optional<IpAddr> of_family(const std::vector<IpAddr>& addresses, bool v4) {
  auto found = std::ranges::find(addresses, v4, &IpAddr::is_v4);
  return found == addresses.end() ? std::optional<IpAddr>() : *found;
}

/// Tunnels between two nodes use the family of this node's first address.
std::optional<IpAddr> next_hop(const std::vector<IpAddr>& peer, const Self& self, bool v4, PeerMode mode) {
  if (mode == PeerMode::direct) return of_family(peer, v4);
  return self.addresses.empty() ? std::nullopt : of_family(peer, self.addresses[0].is_v4());
}

}  // namespace

PeerPlan plan_peers(std::span<const kube::Node> nodes, const Self& self, PeerMode mode) {
  PeerPlan plan;
  for (const auto& node : nodes) {
    if (node.metadata.name == self.name) continue;
    auto addresses = kube::internal_addresses(node);
    if (addresses.empty()) continue;  // it has not come up yet
    for (size_t i = 0; i < node.spec.podCIDRs.size(); ++i) {
      auto where = fmt::format("Node {} spec.podCIDRs[{}]", node.metadata.name, i);
      auto pods = IpPrefix::parse(node.spec.podCIDRs[i]);
      if (!pods) {
        plan.problems.push_back(fmt::format("{}: not a prefix: {}", where, node.spec.podCIDRs[i]));
        continue;
      }
      auto overlap = std::ranges::find_if(plan.routes, [&](const PeerRoute& other) {
        return other.pods.contains(*pods) || pods->contains(other.pods);
      });
      if (overlap != plan.routes.end()) {
        plan.problems.push_back(
            fmt::format("{}: {} overlaps {} of {}", where, pods->str(), overlap->pods.str(), overlap->why));
        continue;
      }
      auto hop = next_hop(addresses, self, pods->addr.is_v4(), mode);
      if (!hop) {
        plan.problems.push_back(fmt::format("{}: no InternalIP of the family that leads to it", where));
        continue;
      }
      plan.routes.push_back(
          {{pods->base(), pods->length}, *hop, of_family(self.addresses, pods->addr.is_v4()), where});
    }
  }
  return plan;
}

MacAddr tunnel_mac(const IpAddr& node) {
  auto bytes = node.mapped();
  // Of an IPv6 address all bytes count: interface identifiers of one site often end alike.
  MacAddr mac{0x02, 0x57, 0, 0, 0, 0};
  for (size_t i = 0; i < bytes.size(); ++i) mac[2 + i % 4] ^= node.is_v4() && i < 12 ? 0 : bytes[i];
  return mac;
}

}  // namespace weft::podnet
