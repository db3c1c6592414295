#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"

namespace weft::http {

/// Where to listen.
struct Address {
  IpAddr ip;  ///< unspecified, of either family: all addresses of both
  uint16_t port = 0;

  /// "0.0.0.0:10256", "[::]:10256".
  static std::optional<Address> parse(std::string_view text);
  std::string str() const;
  auto operator<=>(const Address&) const = default;
};

}  // namespace weft::http
