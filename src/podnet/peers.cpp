#include "podnet/peers.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/log.h"

namespace weft::podnet {
namespace {

/// rtm_protocol of our routes: no routing daemon uses it.
constexpr uint8_t kRouteProtocol = 87;
constexpr const char* kDevice = "weft-vxlan";
constexpr uint32_t kVni = 87;
constexpr uint16_t kVxlanPort = 8472;

/// On the device a pod range is reached by a gateway that exists only as a neighbour entry: the range's first
/// address, which is never a pod's.
IpAddr gateway_in(const PeerRoute& route) { return route.pods.base(); }

}  // namespace

Expected<Peers> Peers::open(Options options) {
  if (options.mode == PeerMode::vxlan && options.self.addresses.empty())
    return fail(ErrorCode::invalid, "an overlay needs an address of this node: give --node-ip");
  Peers peers(std::move(options));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_CHECK(peers.prepare_device(netlink));
  return peers;
}

Expected<void> Peers::prepare_device(Netlink& netlink) {
  WEFT_TRY(auto device, netlink.find_link(kDevice));
  if (options_.mode == PeerMode::direct)
    return device ? netlink.delete_link(device->index) : Expected<void>{};
  const auto& local = options_.self.addresses[0];
  WEFT_TRY(auto uplink, netlink.find_link(local));
  if (!uplink)
    return fail(ErrorCode::not_found, fmt::format("no link has this node's address {}", local.str()));
  // Made with another node address, its packets would come from there.
  if (device && device->mac != tunnel_mac(local)) {
    WEFT_CHECK(netlink.delete_link(device->index));
    device.reset();
  }
  if (!device) {
    WEFT_CHECK(netlink.add_vxlan({.name = kDevice,
                                  .mac = tunnel_mac(local),
                                  .vni = kVni,
                                  .port = kVxlanPort,
                                  .local = local,
                                  .mtu = uplink->mtu - vxlan_overhead(local.is_v6())}));
    WEFT_TRY(device, netlink.find_link(kDevice));
    if (!device) return fail(ErrorCode::system, fmt::format("{} vanished", kDevice));
  }
  device_ = device->index;
  return netlink.set_up(device_);
}

Expected<std::vector<Route>> Peers::desired(Netlink& netlink, const PeerPlan& plan) {
  std::vector<Route> out;
  for (const auto& peer : plan.routes) {
    Route route{.destination = peer.pods, .source = peer.source, .protocol = kRouteProtocol};
    if (options_.mode == PeerMode::vxlan) {
      route.gateway = gateway_in(peer);
      route.link = device_;
      route.on_link = true;
    } else {
      auto own = std::ranges::find(options_.self.addresses, peer.node.is_v4(), &IpAddr::is_v4);
      if (own == options_.self.addresses.end()) continue;
      WEFT_TRY(auto uplink, netlink.find_link(*own));
      if (!uplink)
        return fail(ErrorCode::not_found, fmt::format("no link has this node's address {}", own->str()));
      route.gateway = peer.node;
      route.link = uplink->index;
    }
    out.push_back(route);
  }
  return out;
}

/// Where the device sends what goes to a node, before the routes lead there.
Expected<void> Peers::set_tunnels(Netlink& netlink, const PeerPlan& plan) {
  for (const auto& peer : plan.routes) {
    if (std::ranges::find(now_, peer) != now_.end()) continue;
    auto mac = tunnel_mac(peer.node);
    WEFT_CHECK(netlink.replace_tunnel_end(device_, mac, peer.node));
    WEFT_CHECK(netlink.replace_neighbour(device_, gateway_in(peer), mac));
  }
  return {};
}

Expected<void> Peers::apply(const PeerPlan& plan) {
  if (plan.routes == now_ && !now_.empty()) return {};
  WEFT_TRY(auto netlink, Netlink::open());
  if (options_.mode == PeerMode::vxlan) WEFT_CHECK(set_tunnels(netlink, plan));
  WEFT_TRY(auto wanted, desired(netlink, plan));
  WEFT_TRY(auto there, netlink.routes(kRouteProtocol));
  for (const auto& route : wanted) {
    if (std::ranges::find(there, route) == there.end()) WEFT_CHECK(netlink.replace_route(route));
  }
  for (const auto& route : there) {
    bool kept =
        std::ranges::any_of(wanted, [&](const Route& r) { return r.destination == route.destination; });
    if (!kept) WEFT_CHECK(netlink.remove_route(route));
  }
  for (const auto& gone : now_) {
    auto same_node = [&](const PeerRoute& r) { return r.node == gone.node; };
    auto same_pods = [&](const PeerRoute& r) { return r.pods == gone.pods; };
    if (options_.mode != PeerMode::vxlan) break;
    if (std::ranges::none_of(plan.routes, same_pods))
      WEFT_CHECK(netlink.remove_neighbour(device_, gateway_in(gone)));
    if (std::ranges::none_of(plan.routes, same_node))
      WEFT_CHECK(netlink.remove_tunnel_end(device_, tunnel_mac(gone.node), gone.node));
  }
  spdlog::info("routes to other nodes' pods: {}", plan.routes.size());
  now_ = plan.routes;
  return {};
}

}  // namespace weft::podnet
