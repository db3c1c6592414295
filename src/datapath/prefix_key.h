#pragma once

#include <algorithm>

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

}  // namespace weft::datapath
