#include "base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace weft {

IpAddr IpAddr::v4(std::array<uint8_t, 4> bytes) {
  IpAddr ip;
  std::copy(bytes.begin(), bytes.end(), ip.bytes_.begin());
  return ip;
}

IpAddr IpAddr::v6(std::array<uint8_t, 16> bytes) {
  IpAddr ip;
  ip.v4_ = false;
  ip.bytes_ = bytes;
  return ip;
}

std::optional<IpAddr> IpAddr::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  char buffer[INET6_ADDRSTRLEN] = {};
  std::copy(text.begin(), text.end(), buffer);
  if (std::strlen(buffer) != text.size()) return std::nullopt;
  std::array<uint8_t, 16> bytes{};
  if (text.find(':') == std::string_view::npos) {
    if (inet_pton(AF_INET, buffer, bytes.data()) != 1) return std::nullopt;
    return v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  }
  if (inet_pton(AF_INET6, buffer, bytes.data()) != 1) return std::nullopt;
  return v6(bytes);
}

std::array<uint8_t, 16> IpAddr::mapped() const {
  if (!v4_) return bytes_;
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, bytes_[0], bytes_[1], bytes_[2], bytes_[3]};
}

std::string IpAddr::str() const {
  char buffer[INET6_ADDRSTRLEN];
  return inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof buffer);
}

bool IpAddr::is_loopback() const {
  if (v4_) return bytes_[0] == 127;
  static constexpr std::array<uint8_t, 16> loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return bytes_ == loopback;
}

bool IpAddr::is_unspecified() const {
  return std::ranges::all_of(bytes(), [](uint8_t b) { return b == 0; });
}

bool IpAddr::is_link_local() const {
  if (v4_) return bytes_[0] == 169 && bytes_[1] == 254;
  return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddr::is_multicast() const { return v4_ ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }

IpAddr IpAddr::plus(uint64_t n) const {
  IpAddr out = *this;
  uint64_t carry = n;
  for (int i = bits() / 8 - 1; i >= 0 && carry; --i) {
    uint64_t sum = out.bytes_[i] + (carry & 0xff);
    out.bytes_[i] = static_cast<uint8_t>(sum);
    carry = (carry >> 8) + (sum >> 8);
  }
  return out;
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto ip = IpAddr::parse(text.substr(0, slash));
  auto digits = text.substr(slash + 1);
  int length = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  bool leading_zero = digits.size() > 1 && digits[0] == '0';
  if (!ip || error != std::errc{} || end != digits.data() + digits.size() || leading_zero)
    return std::nullopt;
  if (length < 0 || length > ip->bits()) return std::nullopt;
  return IpPrefix{*ip, length};
}

IpAddr IpPrefix::base() const {
  std::array<uint8_t, 16> bytes{};
  auto source = addr.bytes();
  for (size_t i = 0; i < source.size(); ++i) {
    int keep = std::clamp(length - static_cast<int>(i) * 8, 0, 8);
    bytes[i] = source[i] & static_cast<uint8_t>(0xff00 >> keep);
  }
  return addr.is_v4() ? IpAddr::v4({bytes[0], bytes[1], bytes[2], bytes[3]}) : IpAddr::v6(bytes);
}

bool IpPrefix::contains(const IpAddr& ip) const {
  if (ip.is_v4() != addr.is_v4()) return false;
  return IpPrefix{ip, length}.base() == base();
}

std::string IpPrefix::str() const { return addr.str() + "/" + std::to_string(length); }

uint64_t IpPrefix::size() const {
  int host = addr.bits() - length;
  return uint64_t{1} << std::min(host, 63);
}

}  // namespace weft
