#include "base/http/address.h"

#include <fmt/core.h>

#include <charconv>

namespace weft::http {

std::optional<Address> Address::parse(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto host = text.substr(0, colon), digits = text.substr(colon + 1);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  auto ip = IpAddr::parse(bracketed ? host.substr(1, host.size() - 2) : host);
  if (!ip || ip->is_v6() != bracketed) return std::nullopt;
  Address out{.ip = *ip};
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return out;
}

std::string Address::str() const {
  return fmt::format(fmt::runtime(ip.is_v6() ? "[{}]:{}" : "{}:{}"), ip.str(), port);
}

}  // namespace weft::http
