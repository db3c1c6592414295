#include "service/edge_plan.h"

#include <algorithm>

namespace weft::service {
namespace {

/// Below what the kernel gives to programs' own connections (ip_local_port_range) and below the node ports,
/// so that neither is ever mistaken for the other.
constexpr uint16_t kFirstPort = 1024;
constexpr uint16_t kLastPort = 29'999;

/// Never masqueraded: they do not leave the link.
constexpr const char* kLinkLocal[] = {"224.0.0.0/4", "169.254.0.0/16", "255.255.255.255/32", "ff00::/8",
                                      "fe80::/10"};

void set(uint8_t (&to)[16], const IpAddr& address) {
  auto bytes = address.mapped();
  std::copy(bytes.begin(), bytes.end(), to);
}

weft_edge settings(const EdgeFacts& self) {
  weft_edge out{.port_min = kFirstPort,
                .port_max = kLastPort,
                .masquerade = self.masquerade,
                .direct_return = self.direct_return};
  auto own = [&](bool v4) { return std::ranges::find(self.addresses, v4, &IpAddr::is_v4); };
  if (auto node = own(true); node != self.addresses.end()) set(out.node4, *node);
  if (auto node = own(false); node != self.addresses.end()) set(out.node6, *node);
  for (const auto& pods : self.pods) set(pods.addr.is_v4() ? out.tunnel4 : out.tunnel6, pods.base());
  return out;
}

}  // namespace

EdgePlan plan_edge(const EdgeFacts& self, std::span<const kube::Node> nodes) {
  EdgePlan plan;
  plan.settings = settings(self);
  for (const auto& pods : self.pods)
    plan.prefixes.emplace_back(pods, WEFT_PREFIX_OWN_PODS | WEFT_PREFIX_CLUSTER);
  auto inside = [&plan](const IpPrefix& prefix) { plan.prefixes.emplace_back(prefix, WEFT_PREFIX_CLUSTER); };
  for (const auto& address : self.addresses) inside({address, address.bits()});
  for (const auto& node : nodes) {
    for (const auto& text : node.spec.podCIDRs) {
      auto pods = IpPrefix::parse(text);
      if (!pods) continue;
      inside(*pods);
      bool own = std::ranges::find(self.pods, *pods) != self.pods.end();
      if (self.overlay && !own) plan.prefixes.emplace_back(*pods, WEFT_PREFIX_TUNNEL);
    }
    for (const auto& address : node.status.addresses) {
      auto ip = IpAddr::parse(address.address);
      if (!ip) continue;
      inside({*ip, ip->bits()});
      bool own = std::ranges::find(self.addresses, *ip) != self.addresses.end();
      if (!own) plan.prefixes.emplace_back(IpPrefix{*ip, ip->bits()}, WEFT_PREFIX_NODE);
    }
  }
  for (const char* text : kLinkLocal) inside(*IpPrefix::parse(text));
  return plan;
}

}  // namespace weft::service
