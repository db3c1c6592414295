#include "dns/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/text.h"

namespace weft::dns {
namespace {

constexpr double kYearInMs = 366.0 * 24 * 3600 * 1000;

/// The unit at the text's beginning in milliseconds, taken away; 0: none is there.
double take_unit(std::string_view& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}};
  for (const auto& [unit, milliseconds] : kUnits) {
    if (!text.starts_with(unit)) continue;
    text.remove_prefix(unit.size());
    return milliseconds;
  }
  return 0;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(ascii_lower(static_cast<uint8_t>(c)));
  return out;
}

/// The domain of all addresses in a prefix whose length ends with a label.
Expected<Name> reverse_domain(const IpPrefix& prefix) {
  const int label_bits = prefix.addr.is_v4() ? 8 : 4;
  if (prefix.length % label_bits != 0)
    return fail(
        ErrorCode::invalid,
        fmt::format("{}: reverse names end every {} bits; use a prefix length that is a multiple of {}",
                    prefix.str(), label_bits, label_bits));
  std::string text;
  auto base = prefix.base();
  auto bytes = base.bytes();
  for (int i = prefix.length / label_bits - 1; i >= 0; --i) {
    const auto at = static_cast<size_t>(i);
    if (prefix.addr.is_v4()) {
      text += fmt::format("{}.", bytes[at]);
    } else {
      text += fmt::format("{:x}.", at % 2 == 0 ? bytes[at / 2] >> 4 : bytes[at / 2] & 0xf);
    }
  }
  return *Name::parse(text + (prefix.addr.is_v4() ? "in-addr.arpa" : "ip6.arpa"));
}

std::string located(std::string_view file, int line, std::string_view what) {
  return line > 0 ? fmt::format("{}:{}: {}", file, line, what) : fmt::format("{}: {}", file, what);
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr size_t kMostDigits = 12;
  double sum = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const size_t size = std::min(text.find_first_not_of("0123456789."), text.size());
    if (size == 0 || size > kMostDigits) return std::nullopt;
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + size, number, std::chars_format::fixed);
    if (error != std::errc() || end != text.data() + size) return std::nullopt;
    text.remove_prefix(size);
    const double unit = take_unit(text);
    if (unit == 0) return std::nullopt;
    sum += number * unit;
    if (sum > kYearInMs) return std::nullopt;
  }
  return std::chrono::milliseconds(static_cast<int64_t>(sum));
}

Expected<Name> parse_domain(std::string_view text) {
  if (text.contains('/')) {
    auto prefix = IpPrefix::parse(text);
    if (!prefix)
      return fail(ErrorCode::invalid,
                  fmt::format("\"{}\": neither a domain nor a prefix like 10.0.0.0/8", text));
    return reverse_domain(*prefix);
  }
  auto name = text.empty() ? std::nullopt : Name::parse(text);
  if (!name || text.find_first_of(" \t\n{}\"") != std::string_view::npos)
    return fail(ErrorCode::invalid,
                fmt::format("\"{}\": no domain; write one like example.com, or \".\" for all names", text));
  name->lower();
  return *name;
}

std::optional<Upstream> parse_upstream(std::string_view text) {
  constexpr std::string_view kTls = "tls://", kDns = "dns://";
  constexpr uint16_t kTlsPort = 853;
  const bool tls = text.starts_with(kTls);
  if (tls) text.remove_prefix(kTls.size());
  if (text.starts_with(kDns)) text.remove_prefix(kDns.size());
  auto address = SocketAddress::parse(text);
  if (!address || address->ip.is_unspecified() || address->ip.is_multicast()) return std::nullopt;
  // "[fd00::53]" and "fd00::53" have no port either.
  const bool has_port = text.starts_with('[') ? !text.ends_with(']') : std::ranges::count(text, ':') == 1;
  if (tls && !has_port) address->port = kTlsPort;
  return Upstream{.address = *address, .tls_server_name = tls ? address->ip.str() : "", .tls_ca_file = {}};
}

std::vector<HostsEntry> parse_hosts(std::string_view text) {
  std::vector<HostsEntry> out;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    auto address = IpAddr::parse(word);
    if (!address) continue;
    HostsEntry entry{.address = *address, .names = {}};
    while (words >> word) {
      auto name = Name::parse(lowered(word));
      if (name && !name->is_root()) entry.names.push_back(*name);
    }
    if (!entry.names.empty()) out.push_back(std::move(entry));
  }
  return out;
}

void ConfigProblems::error(std::string_view file, int line, std::string_view what) {
  constexpr size_t kMost = 100;
  if (errors_.size() < kMost) errors_.push_back(located(file, line, what));
}

void ConfigProblems::warn(std::string_view file, int line, std::string_view what) {
  warnings_.push_back(located(file, line, what));
}

Error ConfigProblems::as_error() const {
  return {ErrorCode::invalid, fmt::format("{}", fmt::join(errors_, "\n"))};
}

}  // namespace weft::dns
