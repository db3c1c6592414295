#include "service/edge_plan.h"

#include <algorithm>
#include <optional>

namespace weft::service {
namespace {

/// Below what the kernel gives to programs' own connections (ip_local_port_range) and below the node ports,
/// so that neither is ever mistaken for the other.
constexpr uint16_t kFirstPort = 1024;
constexpr uint16_t kLastPort = 29'999;

/// Never masqueraded: they do not leave the link.
constexpr const char* kLinkLocal[] = {"224.0.0.0/4", "169.254.0.0/16", "255.255.255.255/32", "ff00::/8",
                                      "fe80::/10"};

std::optional<IpAddr> source(const EdgeFacts& self, bool v4) {
  if (self.overlay) {
    auto pods = std::ranges::find_if(self.pods, [&](const IpPrefix& p) { return p.addr.is_v4() == v4; });
    if (pods != self.pods.end()) return pods->base();
  }
  auto own = std::ranges::find(self.addresses, v4, &IpAddr::is_v4);
  return own == self.addresses.end() ? std::optional<IpAddr>() : *own;
}

void set_source(uint8_t (&to)[16], const std::optional<IpAddr>& address) {
  if (!address) return;
  auto bytes = address->mapped();
  std::copy(bytes.begin(), bytes.end(), to);
}

}  // namespace

EdgePlan plan_edge(const EdgeFacts& self, std::span<const kube::Node> nodes) {
  EdgePlan plan;
  set_source(plan.settings.source4, source(self, true));
  set_source(plan.settings.source6, source(self, false));
  plan.settings.port_min = kFirstPort;
  plan.settings.port_max = kLastPort;
  plan.settings.masquerade = self.masquerade;
  for (const auto& pods : self.pods)
    plan.prefixes.emplace_back(pods, WEFT_PREFIX_OWN_PODS | WEFT_PREFIX_CLUSTER);
  auto inside = [&plan](const IpPrefix& prefix) { plan.prefixes.emplace_back(prefix, WEFT_PREFIX_CLUSTER); };
  for (const auto& address : self.addresses) inside({address, address.bits()});
  for (const auto& node : nodes) {
    for (const auto& text : node.spec.podCIDRs) {
      if (auto pods = IpPrefix::parse(text)) inside(*pods);
    }
    for (const auto& address : node.status.addresses) {
      if (auto ip = IpAddr::parse(address.address)) inside({*ip, ip->bits()});
    }
  }
  for (const char* text : kLinkLocal) inside(*IpPrefix::parse(text));
  return plan;
}

}  // namespace weft::service
