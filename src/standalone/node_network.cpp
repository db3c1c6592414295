#include "standalone/node_network.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <functional>

#include "base/fd.h"
#include "base/netlink.h"
#include "base/netns.h"

namespace weft::standalone {
namespace {

/// Locally administered; the last bytes tell the links of a machine apart.
MacAddr mac_of(const std::string& text, uint8_t end) {
  auto hash = std::hash<std::string>{}(text);
  return {0x02,
          end,
          static_cast<uint8_t>(hash),
          static_cast<uint8_t>(hash >> 8),
          static_cast<uint8_t>(hash >> 16),
          static_cast<uint8_t>(hash >> 24)};
}

/// An interface's name has at most 15 characters; the alias says in clear what it is.
std::string link_name(const std::string& mark) {
  return fmt::format("weft{:010x}", std::hash<std::string>{}(mark) & 0xffffffffff);
}

Expected<void> furnish_node(const ClusterLayout& cluster, const NodeLayout& node) {
  WEFT_TRY(auto inside, InNetns::enter(netns_path(node.netns)));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto uplink, netlink.find_link("eth0"));
  if (!uplink) return fail(ErrorCode::system, node.name + ": the uplink vanished");
  WEFT_CHECK(netlink.set_up(uplink->index));
  for (const auto& address : {node.address4, node.address6})
    WEFT_CHECK(netlink.add_address(uplink->index, address));
  for (const auto& gateway : {cluster.gateway4, cluster.gateway6}) {
    WEFT_CHECK(netlink.replace_route({.gateway = gateway.addr, .link = uplink->index}));
  }
  return {};
}

}  // namespace

Expected<void> create_segment(const ClusterLayout& cluster) {
  auto mark = fmt::format("weft-{}/segment", cluster.name);
  auto name = link_name(mark);
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_CHECK(netlink.add_bridge(name, mac_of(mark, 0)));
  WEFT_TRY(auto bridge, netlink.find_link(name));
  if (!bridge) return fail(ErrorCode::system, fmt::format("link {} vanished", name));
  WEFT_CHECK(netlink.set_alias(bridge->index, mark));
  WEFT_CHECK(netlink.set_up(bridge->index));
  for (const auto& gateway : {cluster.gateway4, cluster.gateway6})
    WEFT_CHECK(netlink.add_address(bridge->index, gateway));
  return {};
}

Expected<void> create_node_network(const ClusterLayout& cluster, const NodeLayout& node) {
  WEFT_CHECK(create_netns(node.netns, {{"net.ipv4.ip_forward", "1"},
                                       {"net.ipv6.conf.all.forwarding", "1"},
                                       {"net.ipv6.conf.default.accept_dad", "0"},
                                       {"net.ipv4.conf.all.rp_filter", "0"},
                                       {"net.ipv4.conf.default.rp_filter", "0"}}));
  auto mark = fmt::format("weft-{}/{}", cluster.name, node.name);
  auto name = link_name(mark);
  Fd netns(::open(netns_path(node.netns).c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns) return fail_errno(node.netns, errno);
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto bridge, netlink.find_link(link_name(fmt::format("weft-{}/segment", cluster.name))));
  if (!bridge) return fail(ErrorCode::not_found, "the nodes' segment is not there");
  WEFT_CHECK(netlink.add_veth({name, mac_of(mark, 0)}, {"eth0", mac_of(mark, 1)}, netns.get()));
  WEFT_TRY(auto link, netlink.find_link(name));
  if (!link) return fail(ErrorCode::system, fmt::format("link {} vanished", name));
  WEFT_CHECK(netlink.set_alias(link->index, mark));
  WEFT_CHECK(netlink.set_master(link->index, bridge->index));
  WEFT_CHECK(netlink.set_up(link->index));
  return furnish_node(cluster, node);
}

Expected<void> plug_node(const ClusterLayout& cluster, const NodeLayout& node, bool in) {
  auto name = link_name(fmt::format("weft-{}/{}", cluster.name, node.name));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto link, netlink.find_link(name));
  if (!link) return fail(ErrorCode::not_found, fmt::format("node {} has no link to the others", node.name));
  return in ? netlink.set_up(link->index) : netlink.set_down(link->index);
}

}  // namespace weft::standalone
