#include "service/edge_plan.h"

#include <algorithm>
#include <cstring>
#include <functional>

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

/// The prefix of which these two are the halves, if they are.
std::optional<IpPrefix> whole_of(const IpPrefix& low, const IpPrefix& high) {
  if (low.length != high.length || low.length == 0 || low.addr.is_v4() != high.addr.is_v4()) return {};
  IpPrefix whole{low.addr, low.length - 1};
  bool halves = low.base() != high.base() && whole.contains(high) && whole.base() == low.base();
  return halves ? std::optional(whole) : std::nullopt;
}

/// The same addresses in as few prefixes as can be, the largest first.
std::vector<IpPrefix> merged(std::vector<IpPrefix> prefixes) {
  std::ranges::sort(prefixes, {}, [](const IpPrefix& each) { return std::pair(each.base(), each.length); });
  std::vector<IpPrefix> out;
  for (const auto& prefix : prefixes) {
    if (!out.empty() && out.back().contains(prefix)) continue;
    out.push_back(prefix);
    while (out.size() > 1) {
      auto whole = whole_of(out[out.size() - 2], out.back());
      if (!whole) break;
      out.pop_back();
      out.back() = *whole;
    }
  }
  std::ranges::stable_sort(out, std::greater(), &IpPrefix::size);
  return out;
}

weft_range range_of(const IpPrefix& prefix) {
  weft_range out{};
  auto base = prefix.base().mapped();
  std::memcpy(out.base, base.data(), sizeof(out.base));
  std::array<uint8_t, 16> mask{};
  int ones = prefix.length + 128 - prefix.addr.bits();
  for (int bit = 0; bit < ones; ++bit)
    mask[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>(0x80 >> bit % 8);
  std::memcpy(out.mask, mask.data(), sizeof(out.mask));
  return out;
}

void set_inside(weft_range (&ranges)[WEFT_INSIDE_RANGES], std::vector<IpPrefix> pods, bool v4) {
  for (auto& range : ranges) range = {.base = {0, 0}, .mask = {UINT64_MAX, UINT64_MAX}};
  std::erase_if(pods, [v4](const IpPrefix& each) { return each.addr.is_v4() != v4; });
  pods = merged(std::move(pods));
  for (size_t i = 0; i < pods.size() && i < std::size(ranges); ++i) ranges[i] = range_of(pods[i]);
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
  std::vector<IpPrefix> all_pods;
  for (const auto& pods : self.pods) {
    plan.prefixes.emplace_back(pods, WEFT_PREFIX_OWN_PODS | WEFT_PREFIX_CLUSTER);
    all_pods.push_back(pods);
  }
  auto inside = [&plan](const IpPrefix& prefix) { plan.prefixes.emplace_back(prefix, WEFT_PREFIX_CLUSTER); };
  for (const auto& address : self.addresses) inside({address, address.bits()});
  for (const auto& node : nodes) {
    for (const auto& text : node.spec.podCIDRs) {
      auto pods = IpPrefix::parse(text);
      if (!pods) continue;
      inside(*pods);
      all_pods.push_back(*pods);
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
  set_inside(plan.settings.inside4, all_pods, true);
  set_inside(plan.settings.inside6, all_pods, false);
  for (const char* text : kLinkLocal) inside(*IpPrefix::parse(text));
  return plan;
}

}  // namespace weft::service
