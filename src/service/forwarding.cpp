#include "service/forwarding.h"

#include <algorithm>
#include <array>

#include "kube/node_addresses.h"

namespace weft::service {
namespace {

constexpr std::array kAll = {Forwarding::routes, Forwarding::dsr, Forwarding::vxlan};

/// The first one, which no pod has.
std::optional<IpAddr> tunnel_address(const kube::Node& node, bool v4) {
  for (const auto& text : node.spec.podCIDRs) {
    auto range = IpPrefix::parse(text);
    if (range && range->addr.is_v4() == v4) return range->base();
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Forwarding forwarding) {
  switch (forwarding) {
    case Forwarding::routes:
      return "routes";
    case Forwarding::dsr:
      return "dsr";
    case Forwarding::vxlan:
      return "vxlan";
  }
  return "";
}

Forwarding forwarding_of(const kube::Node& node) {
  auto at = node.metadata.annotations.find(kForwardingAnnotation);
  if (at == node.metadata.annotations.end()) return Forwarding::routes;
  auto known = std::ranges::find(kAll, at->second, name_of);
  return known == kAll.end() ? Forwarding::routes : *known;
}

std::optional<IpAddr> source_behind(const kube::Node& node, const IpAddr& endpoint, bool pod) {
  auto forwarding = forwarding_of(node);
  if (forwarding == Forwarding::dsr) return std::nullopt;
  if (forwarding == Forwarding::vxlan && pod) return tunnel_address(node, endpoint.is_v4());
  auto own = kube::internal_addresses(node);
  auto at = std::ranges::find(own, endpoint.is_v4(), &IpAddr::is_v4);
  return at == own.end() ? std::nullopt : std::optional(*at);
}

}  // namespace weft::service
