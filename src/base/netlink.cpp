#include "base/netlink.h"

#include <fmt/core.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/link/vxlan.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>

#include <algorithm>

namespace weft {
namespace {

template <class T, void (*Put)(T*)>
struct Putter {
  void operator()(T* object) const { Put(object); }
};
using LinkPtr = std::unique_ptr<rtnl_link, Putter<rtnl_link, rtnl_link_put>>;
using AddrPtr = std::unique_ptr<rtnl_addr, Putter<rtnl_addr, rtnl_addr_put>>;
using NeighPtr = std::unique_ptr<rtnl_neigh, Putter<rtnl_neigh, rtnl_neigh_put>>;
using RoutePtr = std::unique_ptr<rtnl_route, Putter<rtnl_route, rtnl_route_put>>;
using NlAddrPtr = std::unique_ptr<nl_addr, Putter<nl_addr, nl_addr_put>>;
using CachePtr = std::unique_ptr<nl_cache, Putter<nl_cache, nl_cache_free>>;

Expected<void> checked(int result, const std::string& what) {
  if (result >= 0) return {};
  return fail(ErrorCode::system, fmt::format("{}: {}", what, nl_geterror(result)));
}

NlAddrPtr to_nl(const IpAddr& ip, int length) {
  NlAddrPtr out(nl_addr_build(ip.is_v4() ? AF_INET : AF_INET6, ip.bytes().data(), ip.bytes().size()));
  nl_addr_set_prefixlen(out.get(), length);
  return out;
}

NlAddrPtr to_nl(const MacAddr& mac) { return NlAddrPtr(nl_addr_build(AF_LLC, mac.data(), mac.size())); }

IpPrefix from_nl(nl_addr* address) {
  const auto* bytes = static_cast<const uint8_t*>(nl_addr_get_binary_addr(address));
  IpPrefix out;
  out.length = static_cast<int>(nl_addr_get_prefixlen(address));
  if (nl_addr_get_family(address) == AF_INET) {
    std::array<uint8_t, 4> v4{};
    std::copy_n(bytes, 4, v4.begin());
    out.addr = IpAddr::v4(v4);
  } else {
    std::array<uint8_t, 16> v6{};
    std::copy_n(bytes, 16, v6.begin());
    out.addr = IpAddr::v6(v6);
  }
  return out;
}

Link describe(rtnl_link* link) {
  Link out{.index = rtnl_link_get_ifindex(link),
           .name = rtnl_link_get_name(link),
           .alias = {},
           .kind = {},
           .mtu = static_cast<int>(rtnl_link_get_mtu(link)),
           .up = (rtnl_link_get_flags(link) & IFF_UP) != 0};
  out.running = rtnl_link_get_operstate(link) == IF_OPER_UP;
  if (const char* alias = rtnl_link_get_ifalias(link)) out.alias = alias;
  if (const char* kind = rtnl_link_get_type(link)) out.kind = kind;
  if (auto* mac = rtnl_link_get_addr(link); mac && nl_addr_get_len(mac) == out.mac.size()) {
    std::copy_n(static_cast<const uint8_t*>(nl_addr_get_binary_addr(mac)), out.mac.size(), out.mac.begin());
  }
  return out;
}

RoutePtr to_nl(const Route& route) {
  bool v4 = route.destination ? route.destination->addr.is_v4() : !route.gateway || route.gateway->is_v4();
  RoutePtr out(rtnl_route_alloc());
  rtnl_route_set_family(out.get(), v4 ? AF_INET : AF_INET6);
  rtnl_route_set_table(out.get(), RT_TABLE_MAIN);
  rtnl_route_set_protocol(out.get(), route.protocol);
  rtnl_route_set_scope(out.get(), route.gateway || !v4 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
  IpPrefix any{v4 ? IpAddr() : IpAddr::v6({}), 0};
  const auto& destination = route.destination ? *route.destination : any;
  rtnl_route_set_dst(out.get(), to_nl(destination.addr, destination.length).get());
  if (route.source) rtnl_route_set_pref_src(out.get(), to_nl(*route.source, route.source->bits()).get());
  auto* hop = rtnl_route_nh_alloc();  // the route owns it from add_nexthop on
  rtnl_route_nh_set_ifindex(hop, route.link);
  if (route.gateway) rtnl_route_nh_set_gateway(hop, to_nl(*route.gateway, route.gateway->bits()).get());
  if (route.on_link) rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
  rtnl_route_add_nexthop(out.get(), hop);
  return out;
}

/// Of a route with one hop.
Route from_nl(rtnl_route* route) {
  Route out;
  auto* destination = rtnl_route_get_dst(route);
  // A default route's destination is an address without bytes.
  if (nl_addr_get_len(destination) != 0) out.destination = from_nl(destination);
  if (auto* source = rtnl_route_get_pref_src(route)) out.source = from_nl(source).addr;
  auto* hop = rtnl_route_nexthop_n(route, 0);
  if (auto* gateway = rtnl_route_nh_get_gateway(hop)) out.gateway = from_nl(gateway).addr;
  out.link = rtnl_route_nh_get_ifindex(hop);
  out.on_link = (rtnl_route_nh_get_flags(hop) & RTNH_F_ONLINK) != 0;
  out.protocol = rtnl_route_get_protocol(route);
  return out;
}

std::string describe(const char* action, const Route& route) {
  return fmt::format("{} route {} by link {}", action,
                     route.destination ? route.destination->str() : "default", route.link);
}

/// An entry of a VXLAN device's forwarding table.
NeighPtr tunnel_end(int index, const MacAddr& mac, const IpAddr& remote) {
  NeighPtr out(rtnl_neigh_alloc());
  rtnl_neigh_set_ifindex(out.get(), index);
  rtnl_neigh_set_lladdr(out.get(), to_nl(mac).get());
  // In this order: libnl refuses a destination of another family than the entry's.
  rtnl_neigh_set_dst(out.get(), to_nl(remote, remote.bits()).get());
  rtnl_neigh_set_family(out.get(), AF_BRIDGE);
  rtnl_neigh_set_state(out.get(), NUD_PERMANENT | NUD_NOARP);
  rtnl_neigh_set_flags(out.get(), NTF_SELF);
  return out;
}

void fill(rtnl_link* link, const VethEnd& end) {
  rtnl_link_set_name(link, end.name.c_str());
  rtnl_link_set_addr(link, to_nl(end.mac).get());
  if (end.mtu) rtnl_link_set_mtu(link, end.mtu);
}

/// Link 0: all.
Expected<std::vector<IpPrefix>> list_addresses(nl_sock* socket, int link) {
  nl_cache* raw = nullptr;
  WEFT_CHECK(checked(rtnl_addr_alloc_cache(socket, &raw), "list addresses"));
  CachePtr cache(raw);
  std::vector<IpPrefix> out;
  for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
    auto* address = reinterpret_cast<rtnl_addr*>(object);
    if (link == 0 || rtnl_addr_get_ifindex(address) == link)
      out.push_back(from_nl(rtnl_addr_get_local(address)));
  }
  return out;
}

}  // namespace

void Netlink::Free::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Expected<Netlink> Netlink::open() {
  Netlink out(nl_socket_alloc());
  if (!out.socket_) return fail(ErrorCode::system, "rtnetlink: out of memory");
  WEFT_CHECK(checked(nl_connect(out.socket_.get(), NETLINK_ROUTE), "rtnetlink"));
  return out;
}

Expected<void> Netlink::add_veth(const VethEnd& here, const VethEnd& peer, int peer_netns) {
  LinkPtr link(rtnl_link_veth_alloc());
  fill(link.get(), here);
  LinkPtr other(rtnl_link_veth_get_peer(link.get()));
  fill(other.get(), peer);
  rtnl_link_set_ns_fd(other.get(), peer_netns);
  return checked(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL),
                 fmt::format("make veth pair {} and {}", here.name, peer.name));
}

Expected<void> Netlink::add_bridge(const std::string& name, const MacAddr& mac) {
  LinkPtr link(rtnl_link_bridge_alloc());
  rtnl_link_set_name(link.get(), name.c_str());
  rtnl_link_set_addr(link.get(), to_nl(mac).get());
  return checked(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL), "make bridge " + name);
}

Expected<void> Netlink::add_vxlan(const Vxlan& device) {
  LinkPtr link(rtnl_link_vxlan_alloc());
  rtnl_link_set_name(link.get(), device.name.c_str());
  rtnl_link_set_addr(link.get(), to_nl(device.mac).get());
  rtnl_link_set_mtu(link.get(), device.mtu);
  rtnl_link_vxlan_set_id(link.get(), device.vni);
  rtnl_link_vxlan_set_port(link.get(), device.port);
  rtnl_link_vxlan_set_local(link.get(), to_nl(device.local, device.local.bits()).get());
  rtnl_link_vxlan_set_learning(link.get(), 0);
  return checked(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL),
                 "make VXLAN device " + device.name);
}

Expected<std::optional<Link>> Netlink::find_link(const std::string& name) {
  rtnl_link* raw = nullptr;
  int result = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &raw);
  if (result == -NLE_NODEV || result == -NLE_OBJ_NOTFOUND) return std::nullopt;
  WEFT_CHECK(checked(result, "find link " + name));
  LinkPtr link(raw);
  return describe(link.get());
}

Expected<std::optional<Link>> Netlink::find_link(const IpAddr& address) {
  nl_cache* raw = nullptr;
  WEFT_CHECK(checked(rtnl_addr_alloc_cache(socket_.get(), &raw), "list addresses"));
  CachePtr cache(raw);
  for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
    auto* one = reinterpret_cast<rtnl_addr*>(object);
    if (from_nl(rtnl_addr_get_local(one)).addr != address) continue;
    rtnl_link* link = nullptr;
    WEFT_CHECK(checked(rtnl_link_get_kernel(socket_.get(), rtnl_addr_get_ifindex(one), nullptr, &link),
                       "find link with address " + address.str()));
    return describe(LinkPtr(link).get());
  }
  return std::nullopt;
}

Expected<std::vector<Link>> Netlink::links() {
  nl_cache* raw = nullptr;
  WEFT_CHECK(checked(rtnl_link_alloc_cache(socket_.get(), AF_UNSPEC, &raw), "list links"));
  CachePtr cache(raw);
  std::vector<Link> out;
  for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
    out.push_back(describe(reinterpret_cast<rtnl_link*>(object)));
  }
  return out;
}

Expected<void> Netlink::delete_link(int index) {
  LinkPtr link(rtnl_link_alloc());
  rtnl_link_set_ifindex(link.get(), index);
  int result = rtnl_link_delete(socket_.get(), link.get());
  if (result == -NLE_NODEV || result == -NLE_OBJ_NOTFOUND) return {};
  return checked(result, fmt::format("delete link {}", index));
}

Expected<void> Netlink::set_up(int index) {
  LinkPtr which(rtnl_link_alloc()), change(rtnl_link_alloc());
  rtnl_link_set_ifindex(which.get(), index);
  rtnl_link_set_flags(change.get(), IFF_UP);
  return checked(rtnl_link_change(socket_.get(), which.get(), change.get(), 0),
                 fmt::format("set link {} up", index));
}

Expected<void> Netlink::set_down(int index) {
  LinkPtr which(rtnl_link_alloc()), change(rtnl_link_alloc());
  rtnl_link_set_ifindex(which.get(), index);
  rtnl_link_unset_flags(change.get(), IFF_UP);
  return checked(rtnl_link_change(socket_.get(), which.get(), change.get(), 0),
                 fmt::format("set link {} down", index));
}

Expected<void> Netlink::set_master(int index, int bridge) {
  return checked(rtnl_link_enslave_ifindex(socket_.get(), bridge, index),
                 fmt::format("put link {} on bridge {}", index, bridge));
}

Expected<void> Netlink::set_alias(int index, const std::string& alias) {
  LinkPtr which(rtnl_link_alloc()), change(rtnl_link_alloc());
  rtnl_link_set_ifindex(which.get(), index);
  rtnl_link_set_ifalias(change.get(), alias.c_str());
  return checked(rtnl_link_change(socket_.get(), which.get(), change.get(), 0),
                 fmt::format("set alias of link {} to {}", index, alias));
}

Expected<void> Netlink::add_address(int index, const IpPrefix& address) {
  AddrPtr out(rtnl_addr_alloc());
  rtnl_addr_set_ifindex(out.get(), index);
  rtnl_addr_set_local(out.get(), to_nl(address.addr, address.length).get());
  if (address.addr.is_v6()) rtnl_addr_set_flags(out.get(), IFA_F_NODAD);
  return checked(rtnl_addr_add(socket_.get(), out.get(), NLM_F_REPLACE),
                 fmt::format("add address {} to link {}", address.str(), index));
}

Expected<std::vector<IpPrefix>> Netlink::addresses(int index) { return list_addresses(socket_.get(), index); }
Expected<std::vector<IpPrefix>> Netlink::addresses() { return list_addresses(socket_.get(), 0); }

Expected<void> Netlink::replace_route(const Route& route) {
  return checked(rtnl_route_add(socket_.get(), to_nl(route).get(), NLM_F_CREATE | NLM_F_REPLACE),
                 describe("set", route));
}

Expected<void> Netlink::remove_route(const Route& route) {
  int result = rtnl_route_delete(socket_.get(), to_nl(route).get(), 0);
  if (result == -NLE_OBJ_NOTFOUND || result == -NLE_NODEV) return {};
  return checked(result, describe("remove", route));
}

Expected<std::vector<Route>> Netlink::routes(uint8_t protocol) {
  nl_cache* raw = nullptr;
  WEFT_CHECK(checked(rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &raw), "list routes"));
  CachePtr cache(raw);
  std::vector<Route> out;
  for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
    auto* route = reinterpret_cast<rtnl_route*>(object);
    if (rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_type(route) != RTN_UNICAST) continue;
    if (rtnl_route_get_protocol(route) != protocol || rtnl_route_get_nnexthops(route) != 1) continue;
    out.push_back(from_nl(route));
  }
  return out;
}

Expected<std::vector<IpPrefix>> Netlink::destinations(int link) {
  nl_cache* raw = nullptr;
  WEFT_CHECK(checked(rtnl_route_alloc_cache(socket_.get(), AF_UNSPEC, 0, &raw), "list routes"));
  CachePtr cache(raw);
  std::vector<IpPrefix> out;
  for (auto* object = nl_cache_get_first(raw); object; object = nl_cache_get_next(object)) {
    auto* route = reinterpret_cast<rtnl_route*>(object);
    if (rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_type(route) != RTN_UNICAST) continue;
    if (rtnl_route_get_nnexthops(route) != 1) continue;
    if (rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0)) != link) continue;
    auto family = rtnl_route_get_family(route);
    if (family != AF_INET && family != AF_INET6) continue;
    auto* destination = rtnl_route_get_dst(route);
    // A default route's destination is an address without bytes.
    if (nl_addr_get_len(destination) == 0) {
      out.push_back({family == AF_INET ? IpAddr() : IpAddr::v6({}), 0});
    } else {
      out.push_back(from_nl(destination));
    }
  }
  return out;
}

Expected<void> Netlink::replace_neighbour(int index, const IpAddr& ip, const MacAddr& mac) {
  NeighPtr out(rtnl_neigh_alloc());
  rtnl_neigh_set_ifindex(out.get(), index);
  rtnl_neigh_set_dst(out.get(), to_nl(ip, ip.bits()).get());
  rtnl_neigh_set_lladdr(out.get(), to_nl(mac).get());
  rtnl_neigh_set_state(out.get(), NUD_PERMANENT);
  return checked(rtnl_neigh_add(socket_.get(), out.get(), NLM_F_CREATE | NLM_F_REPLACE),
                 fmt::format("neighbour {} on link {}", ip.str(), index));
}

Expected<void> Netlink::remove_neighbour(int index, const IpAddr& ip) {
  NeighPtr out(rtnl_neigh_alloc());
  rtnl_neigh_set_ifindex(out.get(), index);
  rtnl_neigh_set_dst(out.get(), to_nl(ip, ip.bits()).get());
  int result = rtnl_neigh_delete(socket_.get(), out.get(), 0);
  if (result == -NLE_OBJ_NOTFOUND || result == -NLE_NODEV) return {};
  return checked(result, fmt::format("remove neighbour {} of link {}", ip.str(), index));
}

Expected<void> Netlink::replace_tunnel_end(int index, const MacAddr& mac, const IpAddr& remote) {
  auto entry = tunnel_end(index, mac, remote);
  return checked(rtnl_neigh_add(socket_.get(), entry.get(), NLM_F_CREATE | NLM_F_REPLACE),
                 fmt::format("tunnel to {} by link {}", remote.str(), index));
}

Expected<void> Netlink::remove_tunnel_end(int index, const MacAddr& mac, const IpAddr& remote) {
  auto entry = tunnel_end(index, mac, remote);
  int result = rtnl_neigh_delete(socket_.get(), entry.get(), 0);
  if (result == -NLE_OBJ_NOTFOUND || result == -NLE_NODEV) return {};
  return checked(result, fmt::format("remove tunnel to {} of link {}", remote.str(), index));
}

}  // namespace weft
