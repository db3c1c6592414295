#include "podnet/pod_link.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "base/netns.h"
#include "base/pod_alias.h"
#include "base/sysctl.h"
#include "datapath/edge_layout.h"

namespace weft::podnet {
namespace {

/// Of the node's end of every link: pods know it without asking.
constexpr uint8_t kMacByte = WEFT_POD_LINK_MAC;
constexpr MacAddr kHostMac{kMacByte, kMacByte, kMacByte, kMacByte, kMacByte, kMacByte};

std::array<unsigned char, SHA256_DIGEST_LENGTH> hash(const std::string& id) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  SHA256(reinterpret_cast<const unsigned char*>(id.data()), id.size(), out.data());
  return out;
}

/// The default route and the permanent neighbour that stands for its gateway.
Expected<void> add_gateway(Netlink& netlink, int link, const IpAddr& gateway) {
  WEFT_CHECK(netlink.replace_neighbour(link, gateway, kHostMac));
  if (gateway.is_v4())
    WEFT_CHECK(netlink.replace_route({.destination = IpPrefix{gateway, 32}, .link = link}));
  return netlink.replace_route({.gateway = gateway, .link = link, .on_link = true});
}

Expected<void> furnish_pod_end(const PodLink& pod) {
  WEFT_TRY(auto inside, InNetns::enter(pod.netns));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto lo, netlink.find_link("lo"));
  if (lo) WEFT_CHECK(netlink.set_up(lo->index));
  WEFT_TRY(auto link, netlink.find_link(pod.interface));
  if (!link) return fail(ErrorCode::not_found, fmt::format("{}: no link {}", pod.netns, pod.interface));
  // Some runtimes switch IPv6 off in new namespaces; a pod with an IPv6 address has it.
  if (std::ranges::any_of(pod.addresses, &IpAddr::is_v6))
    WEFT_CHECK(write_sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", pod.interface), "0"));
  WEFT_CHECK(netlink.set_up(link->index));
  for (const auto& ip : pod.addresses) {
    WEFT_CHECK(netlink.add_address(link->index, {ip, ip.bits()}));
    WEFT_CHECK(add_gateway(netlink, link->index, gateway_of(ip)));
  }
  return {};
}

Expected<void> furnish_node_end(Netlink& node, const PodLink& pod, int index) {
  if (std::ranges::any_of(pod.addresses, &IpAddr::is_v6)) {
    auto settings = "net/ipv6/conf/" + host_link_name(pod.id);
    WEFT_CHECK(write_sysctl(settings + "/disable_ipv6", "0"));
    // A pod that sends router advertisements must not become the node's router (CVE-2020-10749).
    WEFT_CHECK(write_sysctl(settings + "/accept_ra", "0"));
  }
  WEFT_CHECK(node.set_up(index));
  for (const auto& ip : pod.addresses) {
    auto own = std::ranges::find(pod.node_addresses, ip.is_v4(), &IpAddr::is_v4);
    WEFT_CHECK(node.replace_neighbour(index, ip, pod_mac(pod.id)));
    WEFT_CHECK(node.replace_route(
        {.destination = IpPrefix{ip, ip.bits()},
         .source = own == pod.node_addresses.end() ? std::optional<IpAddr>() : std::optional<IpAddr>(*own),
         .link = index}));
  }
  return {};
}

bool is_own_netns(int netns) {
  struct stat theirs{}, ours{};
  return ::fstat(netns, &theirs) == 0 && ::stat("/proc/thread-self/ns/net", &ours) == 0 &&
         theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

Expected<Link> make_pair(Netlink& node, const PodLink& pod) {
  Fd netns(::open(pod.netns.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!netns) return fail_errno("network namespace " + pod.netns, errno);
  if (is_own_netns(netns.get()))
    return fail(ErrorCode::invalid,
                fmt::format("{} is the node's own network namespace, not a pod's", pod.netns));
  auto name = host_link_name(pod.id);
  WEFT_CHECK(
      node.add_veth({name, kHostMac, pod.mtu}, {pod.interface, pod_mac(pod.id), pod.mtu}, netns.get()));
  WEFT_TRY(auto link, node.find_link(name));
  if (!link) return fail(ErrorCode::system, fmt::format("link {} vanished", name));
  WEFT_CHECK(node.set_alias(link->index, to_text(PodAlias{pod.id, pod.namespace_})));
  return *link;
}

/// A pod's first packets, and the answers to them, must not be lost.
Expected<void> wait_until_running(Netlink& node, const std::string& name) {
  constexpr int kTries = 2000;
  for (int i = 0; i < kTries; ++i) {
    WEFT_TRY(auto link, node.find_link(name));
    if (!link || link->running) return {};
    ::usleep(100);
  }
  return fail(ErrorCode::timeout, fmt::format("link {} does not come up", name));
}

std::unexpected<Error> missing(const std::string& where, const std::string& what) {
  return fail(ErrorCode::not_found, fmt::format("{}: no {}", where, what));
}

bool has_route(const std::vector<IpPrefix>& destinations, const IpPrefix& wanted) {
  return std::ranges::find(destinations, wanted) != destinations.end();
}

Expected<void> check_node_end(Netlink& node, const PodLink& pod) {
  auto name = host_link_name(pod.id);
  WEFT_TRY(auto link, node.find_link(name));
  if (!link) return missing("node", fmt::format("link {} for pod {}", name, pod.id));
  if (!link->up) return fail(ErrorCode::not_found, fmt::format("node: link {} is down", name));
  WEFT_TRY(auto destinations, node.destinations(link->index));
  for (const auto& ip : pod.addresses) {
    if (!has_route(destinations, {ip, ip.bits()})) return missing("node", "route to " + ip.str());
  }
  return {};
}

Expected<void> check_pod_end(const PodLink& pod) {
  WEFT_TRY(auto inside, InNetns::enter(pod.netns));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto link, netlink.find_link(pod.interface));
  if (!link) return missing(pod.netns, "link " + pod.interface);
  if (!link->up) return fail(ErrorCode::not_found, fmt::format("{}: {} is down", pod.netns, pod.interface));
  WEFT_TRY(auto addresses, netlink.addresses(link->index));
  WEFT_TRY(auto destinations, netlink.destinations(link->index));
  for (const auto& ip : pod.addresses) {
    if (std::ranges::find(addresses, ip, &IpPrefix::addr) == addresses.end())
      return missing(pod.netns, fmt::format("address {} on {}", ip.str(), pod.interface));
    IpPrefix any{ip.is_v4() ? IpAddr() : IpAddr::v6({}), 0};
    if (!has_route(destinations, any)) return missing(pod.netns, "default route by " + pod.interface);
  }
  return {};
}

}  // namespace

std::string host_link_name(const std::string& id) {
  // An interface's name has at most 15 characters.
  auto digest = hash(id);
  std::string out = "weft";
  for (int i = 0; i < 5; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

MacAddr pod_mac(const std::string& id) {
  auto digest = hash(id);
  return {0x02, digest[5], digest[6], digest[7], digest[8], digest[9]};
}

IpAddr gateway_of(const IpAddr& pod) {
  return pod.is_v4() ? IpAddr::v4({169, 254, 1, 1})
                     : IpAddr::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

MacAddr host_mac() { return kHostMac; }

std::optional<std::string> pod_interface(const std::string& netns, const std::string& id) {
  auto inside = InNetns::enter(netns);
  if (!inside) return std::nullopt;
  auto netlink = Netlink::open();
  auto links = netlink ? netlink->links() : std::unexpected(netlink.error());
  if (!links) return std::nullopt;
  auto link = std::ranges::find(*links, pod_mac(id), &Link::mac);
  if (link == links->end()) return std::nullopt;
  return link->name;
}

std::string find_netns(const std::string& id) {
  for (const auto& name : list_netns("")) {
    if (pod_interface(netns_path(name), id)) return netns_path(name);
  }
  return {};
}

Expected<void> connect_pod(Netlink& node, const PodLink& pod,
                           const std::function<Expected<void>(int link)>& before_up) {
  WEFT_TRY(auto link, node.find_link(host_link_name(pod.id)));
  if (link) {
    auto interface = pod_interface(pod.netns, pod.id);
    if (interface && *interface != pod.interface)
      return fail(ErrorCode::already_exists,
                  fmt::format("pod {} is connected already, by {}", pod.id, *interface));
    // The namespace was made anew under the same id, and the old one is still held by somebody.
    if (!interface) {
      WEFT_CHECK(node.delete_link(link->index));
      link.reset();
    }
  }
  if (!link) {
    WEFT_TRY(link, make_pair(node, pod));
  }
  if (before_up) WEFT_CHECK(before_up(link->index));
  // The end that comes up second sends at once; the first one only when the kernel has noticed.
  WEFT_CHECK(node.set_up(link->index));
  WEFT_CHECK(furnish_pod_end(pod));
  WEFT_CHECK(furnish_node_end(node, pod, link->index));
  return wait_until_running(node, link->name);
}

Expected<void> disconnect_pod(Netlink& node, const std::string& id) {
  WEFT_TRY(auto link, node.find_link(host_link_name(id)));
  if (!link) return {};
  return node.delete_link(link->index);
}

Expected<void> check_pod(Netlink& node, const PodLink& pod) {
  WEFT_CHECK(check_node_end(node, pod));
  return check_pod_end(pod);
}

Expected<std::vector<ConnectedPod>> connected_pods(Netlink& node) {
  WEFT_TRY(auto links, node.links());
  std::vector<ConnectedPod> out;
  for (const auto& link : links) {
    auto alias = parse_pod_alias(link.alias);
    if (!alias) continue;
    WEFT_TRY(auto destinations, node.destinations(link.index));
    ConnectedPod pod{alias->id, {}};
    for (const auto& destination : destinations) {
      if (destination.length == destination.addr.bits()) pod.addresses.push_back(destination.addr);
    }
    out.push_back(std::move(pod));
  }
  return out;
}

}  // namespace weft::podnet
