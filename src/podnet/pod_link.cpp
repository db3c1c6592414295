#include "podnet/pod_link.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/sha.h>

#include <algorithm>

#include "base/fd.h"
#include "base/netns.h"

namespace weft::podnet {
namespace {

/// Of the node's end of every link: pods know it without asking.
constexpr MacAddr kHostMac{0xee, 0xee, 0xee, 0xee, 0xee, 0xee};
constexpr std::string_view kAlias = "weft-pod/";

std::array<unsigned char, SHA256_DIGEST_LENGTH> hash(const std::string& id) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  SHA256(reinterpret_cast<const unsigned char*>(id.data()), id.size(), out.data());
  return out;
}

Expected<void> furnish_pod_end(const PodLink& pod) {
  WEFT_TRY(auto inside, InNetns::enter(pod.netns));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto lo, netlink.find_link("lo"));
  if (lo) WEFT_CHECK(netlink.set_up(lo->index));
  WEFT_TRY(auto link, netlink.find_link(pod.interface));
  if (!link) return fail(ErrorCode::not_found, fmt::format("{}: no link {}", pod.netns, pod.interface));
  WEFT_CHECK(netlink.set_up(link->index));
  for (const auto& ip : pod.addresses) {
    WEFT_CHECK(netlink.add_address(link->index, {ip, ip.bits()}));
    auto gateway = gateway_of(ip);
    WEFT_CHECK(netlink.replace_neighbour(link->index, gateway, kHostMac));
    if (ip.is_v4()) {
      WEFT_CHECK(netlink.replace_route({.destination = IpPrefix{gateway, 32}, .link = link->index}));
    }
    WEFT_CHECK(netlink.replace_route({.gateway = gateway, .link = link->index, .on_link = true}));
  }
  return {};
}

Expected<void> furnish_node_end(Netlink& node, const PodLink& pod, int index) {
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

/// Whether the pod's end is there: a namespace may have been made anew under the same id.
Expected<bool> has_pod_end(const PodLink& pod) {
  WEFT_TRY(auto inside, InNetns::enter(pod.netns));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto link, netlink.find_link(pod.interface));
  return link && link->mac == pod_mac(pod.id);
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

Expected<void> connect_pod(Netlink& node, const PodLink& pod) {
  auto name = host_link_name(pod.id);
  WEFT_TRY(auto link, node.find_link(name));
  if (link) {
    WEFT_TRY(bool whole, has_pod_end(pod));
    if (!whole) {
      WEFT_CHECK(node.delete_link(link->index));
      link.reset();
    }
  }
  if (!link) {
    Fd netns(::open(pod.netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns) return fail_errno("network namespace " + pod.netns, errno);
    WEFT_CHECK(
        node.add_veth({name, kHostMac, pod.mtu}, {pod.interface, pod_mac(pod.id), pod.mtu}, netns.get()));
    WEFT_TRY(link, node.find_link(name));
    if (!link) return fail(ErrorCode::system, fmt::format("link {} vanished", name));
    WEFT_CHECK(node.set_alias(link->index, std::string(kAlias) + pod.id));
  }
  WEFT_CHECK(furnish_pod_end(pod));
  return furnish_node_end(node, pod, link->index);
}

Expected<void> disconnect_pod(Netlink& node, const std::string& id) {
  WEFT_TRY(auto link, node.find_link(host_link_name(id)));
  if (!link) return {};
  return node.delete_link(link->index);
}

Expected<void> check_pod(Netlink& node, const PodLink& pod) {
  auto name = host_link_name(pod.id);
  WEFT_TRY(auto link, node.find_link(name));
  if (!link)
    return fail(ErrorCode::not_found, fmt::format("the node has no link {} for pod {}", name, pod.id));
  WEFT_TRY(auto inside, InNetns::enter(pod.netns));
  WEFT_TRY(auto netlink, Netlink::open());
  WEFT_TRY(auto end, netlink.find_link(pod.interface));
  if (!end) return fail(ErrorCode::not_found, fmt::format("{}: no link {}", pod.netns, pod.interface));
  WEFT_TRY(auto addresses, netlink.addresses(end->index));
  for (const auto& ip : pod.addresses) {
    if (std::ranges::find(addresses, ip, &IpPrefix::addr) == addresses.end()) {
      return fail(ErrorCode::not_found,
                  fmt::format("{} of {} has not the address {}", pod.interface, pod.netns, ip.str()));
    }
  }
  return {};
}

Expected<std::vector<std::string>> connected_pods(Netlink& node) {
  WEFT_TRY(auto links, node.links());
  std::vector<std::string> out;
  for (const auto& link : links) {
    if (link.alias.starts_with(kAlias)) out.push_back(link.alias.substr(kAlias.size()));
  }
  return out;
}

}  // namespace weft::podnet
