#pragma once

#include <algorithm>
#include <array>
#include <iterator>

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

/// Of 16 bytes as the maps have them.
inline IpAddr addr_of(const uint8_t (&bytes)[16]) {
  std::array<uint8_t, 16> all{};
  std::copy(std::begin(bytes), std::end(bytes), all.begin());
  IpAddr v4 = IpAddr::v4({all[12], all[13], all[14], all[15]});
  return v4.mapped() == all ? v4 : IpAddr::v6(all);
}

/// The 16 bytes that the maps have for an address.
inline void fill_addr(uint8_t (&bytes)[16], const IpAddr& address) {
  std::ranges::copy(address.mapped(), bytes);
}

/// The range of a key of prefix_key().
inline IpPrefix prefix_of(const weft_prefix_key& key) {
  auto addr = addr_of(key.addr);
  return {addr, static_cast<int>(key.length) - (addr.is_v4() ? 96 : 0)};
}

}  // namespace weft::datapath
