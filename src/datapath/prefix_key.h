#pragma once

#include <algorithm>
#include <array>

#include "base/ip.h"
#include "datapath/edge_layout.h"

namespace weft::datapath {

/// An address range as the kernel's longest-prefix matches have it: IPv4 as v4-mapped IPv6.
inline weft_prefix_key prefix_key(const IpPrefix& prefix) {
  weft_prefix_key key{};
  auto bytes = prefix.base().mapped();
  std::copy(bytes.begin(), bytes.end(), key.addr);
  key.length = static_cast<uint32_t>(prefix.length + (prefix.addr.is_v4() ? 96 : 0));
  return key;
}

/// The same the other way round.
inline IpPrefix prefix_of(const weft_prefix_key& key) {
  static constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  auto length = static_cast<int>(key.length);
  if (length >= 96 && std::equal(kMapped.begin(), kMapped.end(), key.addr)) {
    std::array<uint8_t, 4> v4{};
    std::copy_n(key.addr + kMapped.size(), v4.size(), v4.begin());
    return {IpAddr::v4(v4), length - 96};
  }
  std::array<uint8_t, 16> v6{};
  std::copy_n(key.addr, v6.size(), v6.begin());
  return {IpAddr::v6(v6), length};
}

}  // namespace weft::datapath
