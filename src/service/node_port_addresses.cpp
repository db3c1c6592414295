#include "service/node_port_addresses.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::service {

Expected<NodePortAddresses> NodePortAddresses::parse(std::span<const std::string> texts) {
  NodePortAddresses out;
  for (const auto& text : texts) {
    if (text == "primary") {
      out.primary_ = true;
    } else if (auto range = IpPrefix::parse(text)) {
      out.ranges_.push_back(*range);
    } else {
      return fail(
          ErrorCode::invalid,
          fmt::format("--nodeport-addresses {}: neither a range like 10.0.0.0/8 nor \"primary\"", text));
    }
  }
  if (texts.empty()) out.primary_ = true;
  return out;
}

std::vector<IpAddr> NodePortAddresses::choose(std::span<const IpAddr> primary,
                                              std::span<const IpAddr> all) const {
  auto in_range = [&](const IpAddr& address) {
    if (address.is_loopback() || address.is_link_local() || address.is_multicast()) return false;
    return std::ranges::any_of(ranges_, [&](const IpPrefix& range) { return range.contains(address); });
  };
  std::vector<IpAddr> out;
  auto add = [&](const IpAddr& address) {
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  };
  for (const auto& address : primary) {
    if (primary_ || in_range(address)) add(address);
  }
  std::vector<IpAddr> others;
  std::ranges::copy_if(all, std::back_inserter(others), in_range);
  std::ranges::sort(others);
  std::ranges::for_each(others, add);
  return out;
}

}  // namespace weft::service
