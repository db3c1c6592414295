#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft {

/// An IPv4 or IPv6 address. Bytes are in network order; an IPv4 address fills the first four.
class IpAddr {
 public:
  IpAddr() = default;  ///< 0.0.0.0
  static IpAddr v4(std::array<uint8_t, 4> bytes);
  static IpAddr v6(std::array<uint8_t, 16> bytes);
  /// Textual forms of RFC 4291 and dotted decimal without leading zeros; nothing else (no zone, no port).
  static std::optional<IpAddr> parse(std::string_view text);

  bool is_v4() const { return v4_; }
  bool is_v6() const { return !v4_; }
  int bits() const { return v4_ ? 32 : 128; }
  std::span<const uint8_t> bytes() const { return {bytes_.data(), v4_ ? 4U : 16U}; }
  /// All sixteen bytes; an IPv4 address as the v4-mapped ::ffff:a.b.c.d of RFC 4291, 2.5.5.2.
  std::array<uint8_t, 16> mapped() const;
  /// Canonical text (RFC 5952).
  std::string str() const;
  bool is_loopback() const;
  bool is_unspecified() const;
  bool is_link_local() const;
  bool is_multicast() const;
  /// The address `n` further on, within the same family; wraps.
  IpAddr plus(uint64_t n) const;

  auto operator<=>(const IpAddr&) const = default;

 private:
  bool v4_ = true;
  std::array<uint8_t, 16> bytes_{};
};

/// A CIDR prefix. Bits behind the length are kept as written in `addr`; `base()` has them cleared.
struct IpPrefix {
  IpAddr addr;
  int length = 0;

  /// "10.0.0.0/8", "fd00::/64"; a bare address is not a prefix.
  static std::optional<IpPrefix> parse(std::string_view text);
  IpAddr base() const;
  bool contains(const IpAddr& ip) const;
  bool contains(const IpPrefix& other) const { return other.length >= length && contains(other.addr); }
  std::string str() const;
  /// How many addresses the prefix spans; saturates at 2^63.
  uint64_t size() const;

  auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace weft

template <>
struct std::hash<weft::IpAddr> {
  size_t operator()(const weft::IpAddr& ip) const noexcept {
    auto mapped = ip.mapped();
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(mapped.data()), mapped.size()});
  }
};
