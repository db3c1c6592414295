#include "standalone/apimachinery/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/ip.h"
#include "kube/labels.h"

namespace weft::standalone {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool is_label(std::string_view text) {
  return !text.empty() && is_lower_alnum(text.front()) && is_lower_alnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_subdomain(std::string_view text) {
  while (true) {
    auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::string_view without_leading_zeros(std::string_view digits) {
  while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
  return digits;
}

bool is_v4_mapped(const IpAddr& ip) {
  static const auto mapped = *IpPrefix::parse("::ffff:0:0/96");
  return mapped.contains(ip);
}

void check_length(Messages& out, std::string_view text, size_t max) {
  if (text.size() > max) out.push_back(fmt::format("must be no more than {} bytes", max));
}

}  // namespace

Messages dns_label(std::string_view text) {
  Messages out;
  check_length(out, text, 63);
  if (!is_label(text)) {
    out.emplace_back(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
        "start "
        "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
  }
  return out;
}

Messages dns_1035_label(std::string_view text) {
  Messages out;
  check_length(out, text, 63);
  if (!is_label(text) || !is_lower(text.front())) {
    out.emplace_back(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
        "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
  }
  return out;
}

Messages dns_subdomain(std::string_view text) {
  Messages out;
  check_length(out, text, 253);
  if (!is_subdomain(text)) {
    out.emplace_back(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
        "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  }
  return out;
}

Messages wildcard_dns_subdomain(std::string_view text) {
  Messages out;
  check_length(out, text, 253);
  if (!text.starts_with("*.") || !is_subdomain(text.substr(2))) {
    out.emplace_back(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
        "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
        "(e.g. '*.example.com', regex used for validation is "
        "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
  }
  return out;
}

Messages path_segment(std::string_view text) {
  if (text == "." || text == "..") return {fmt::format("may not be '{}'", text)};
  Messages out;
  for (std::string_view bad : {"/", "%"}) {
    if (text.find(bad) != std::string_view::npos) out.push_back(fmt::format("may not contain '{}'", bad));
  }
  return out;
}

Messages port_name(std::string_view text) {
  Messages out;
  if (text.size() > 15) out.emplace_back("must be no more than 15 characters");
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; })) {
    out.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::ranges::none_of(text, is_lower)) out.emplace_back("must contain at least one letter (a-z)");
  if (text.find("--") != std::string_view::npos) out.emplace_back("must not contain consecutive hyphens");
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    out.emplace_back("must not begin or end with a hyphen");
  }
  return out;
}

Messages config_key(std::string_view text) {
  Messages out;
  check_length(out, text, 253);
  auto good = [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; };
  if (text.empty() || !std::ranges::all_of(text, good)) {
    out.emplace_back(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  }
  if (text == "." || text == "..") out.push_back(fmt::format("must not be '{}'", text));
  if (text.starts_with("..") && text != "..") out.emplace_back("must not start with '..'");
  return out;
}

Messages qualified_name(std::string_view text) { return kube::label_key_problems(text); }

std::string child(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}
std::string item(const std::string& path, size_t index) { return fmt::format("{}[{}]", path, index); }
std::string keyed(const std::string& path, std::string_view key) { return fmt::format("{}[{}]", path, key); }

void check_name(FieldErrors& errors, const std::string& path, std::string_view name, NameRule rule) {
  for (const auto& message : rule(name)) errors.push_back(invalid(path, name, message));
}

void check_not_negative(FieldErrors& errors, const std::string& path, int64_t value) {
  if (value < 0) errors.push_back(invalid(path, value, kNotNegative));
}

void check_port_number(FieldErrors& errors, const std::string& path, int64_t value) {
  if (value < 1 || value > 65535) errors.push_back(invalid(path, value, kPortRange));
}

void check_port(FieldErrors& errors, const std::string& path, const kube::IntOrString& port) {
  if (port.is_int()) {
    check_port_number(errors, path, port.number());
  } else {
    check_name(errors, path, port.str(), port_name);
  }
}

void check_one_of(FieldErrors& errors, const std::string& path, std::string_view value,
                  std::initializer_list<std::string_view> choices) {
  if (value.empty()) {
    errors.push_back(required(path));
  } else if (std::ranges::find(choices, value) == choices.end()) {
    errors.push_back(not_supported(path, value, {choices.begin(), choices.end()}));
  }
}

void check_ip(FieldErrors& errors, const std::string& path, std::string_view value) {
  if (IpAddr::parse(value)) return;
  errors.push_back(invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
}

void check_not_special_ip(FieldErrors& errors, const std::string& path, std::string_view value) {
  auto ip = IpAddr::parse(value);
  if (!ip) return;
  if (ip->is_unspecified()) {
    errors.push_back(invalid(path, value, "may not be unspecified (0.0.0.0 or ::)"));
  }
  if (ip->is_loopback()) {
    errors.push_back(invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"));
  }
  if (ip->is_link_local()) {
    errors.push_back(invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
  }
  static const auto v4_multicast = *IpPrefix::parse("224.0.0.0/24");
  static const auto v6_multicast = *IpPrefix::parse("ff02::/16");
  if (v4_multicast.contains(*ip) || v6_multicast.contains(*ip)) {
    errors.push_back(
        invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
  }
}

std::optional<IpPrefix> parse_lenient_cidr(std::string_view value) {
  auto slash = value.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto address = value.substr(0, slash);
  auto colon = address.rfind(':');
  auto decimals = colon == std::string_view::npos ? 0 : colon + 1;
  std::string plain(address.substr(0, decimals));
  auto rest = address.substr(decimals);
  if (rest.find('.') == std::string_view::npos) {
    plain += rest;
  } else {
    for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
      plain.append(without_leading_zeros(rest.substr(0, dot))).append(".");
      rest.remove_prefix(dot + 1);
    }
    plain += without_leading_zeros(rest);
  }
  return IpPrefix::parse(plain.append("/").append(without_leading_zeros(value.substr(slash + 1))));
}

void check_cidr(FieldErrors& errors, const std::string& path, std::string_view value) {
  auto prefix = IpPrefix::parse(value);
  if (!prefix) {
    errors.push_back(invalid(path, value,
                             parse_lenient_cidr(value)
                                 ? "must not have leading 0s in IP or prefix length"
                                 : "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
  } else if (is_v4_mapped(prefix->addr)) {
    errors.push_back(invalid(path, value, "must not have an IPv4-mapped IPv6 address"));
  } else if (prefix->addr != prefix->base()) {
    errors.push_back(invalid(path, value, "must not have bits set beyond the prefix length"));
  }
}

void check_labels(FieldErrors& errors, const std::string& path, const kube::StringMap& labels) {
  for (const auto& [key, value] : labels) {
    check_name(errors, path, key, qualified_name);
    check_name(errors, path, value, kube::label_value_problems);
  }
}

void check_annotations(FieldErrors& errors, const std::string& path, const kube::StringMap& annotations) {
  constexpr size_t kMaxSize = 256 * 1024;
  size_t size = 0;
  for (const auto& [key, value] : annotations) {
    std::string lower = key;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    for (const auto& problem : qualified_name(lower)) errors.push_back(invalid(path, key, problem));
    size += key.size() + value.size();
  }
  if (size > kMaxSize) errors.push_back(too_long(path, kMaxSize));
}

void check_label_selector(FieldErrors& errors, const std::string& path, const kube::LabelSelector& selector) {
  check_labels(errors, child(path, "matchLabels"), selector.matchLabels);
  for (size_t i = 0; i < selector.matchExpressions.size(); ++i) {
    const auto& term = selector.matchExpressions[i];
    auto at = item(child(path, "matchExpressions"), i);
    if (term.operator_ == "In" || term.operator_ == "NotIn") {
      if (term.values.empty()) {
        errors.push_back(
            required(child(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'"));
      }
    } else if (term.operator_ == "Exists" || term.operator_ == "DoesNotExist") {
      if (!term.values.empty()) {
        errors.push_back(forbidden(child(at, "values"),
                                   "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
    } else {
      errors.push_back(invalid(child(at, "operator"), term.operator_, "not a valid selector operator"));
    }
    check_name(errors, child(at, "key"), term.key, qualified_name);
    for (size_t j = 0; j < term.values.size(); ++j) {
      check_name(errors, item(child(at, "values"), j), term.values[j], kube::label_value_problems);
    }
  }
}

void check_int_or_percent(FieldErrors& errors, const std::string& path, const kube::IntOrString& value) {
  if (value.is_int()) return check_not_negative(errors, path, value.number());
  std::string_view text = std::get<1>(value.value);
  bool percent =
      text.size() > 1 && text.back() == '%' && std::ranges::all_of(text.substr(0, text.size() - 1), is_digit);
  if (!percent) {
    errors.push_back(
        invalid(path, text,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
                "'1%',  or '93%', regex used for validation is '[0-9]+%')"));
  }
}

json::value to_json(const kube::IntOrString& value) {
  return value.is_int() ? json::value(value.number()) : json::value(value.str());
}

json::value to_json(const kube::StringMap& map) {
  json::object out;
  for (const auto& [key, value] : map) out[key] = value;
  return out;
}

json::value to_json(const std::vector<std::string>& list) {
  json::array out;
  for (const auto& text : list) out.emplace_back(text);
  return out;
}

json::value to_json(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value();
}

double quantity_value(std::string_view text) {
  double number = 0;
  auto [end, error] = std::from_chars(text.data() + (text.starts_with('+') ? 1 : 0),
                                      text.data() + text.size(), number, std::chars_format::general);
  if (error != std::errc{}) return 0;
  std::string_view unit(end, text.data() + text.size() - end);
  struct Unit {
    std::string_view name;
    double factor;
  };
  static constexpr Unit kUnits[] = {{"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},
                                    {"M", 1e6},     {"G", 1e9},     {"T", 1e12},    {"P", 1e15},
                                    {"E", 1e18},    {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30},
                                    {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
  const auto* found = std::ranges::find(kUnits, unit, &Unit::name);
  return found == std::end(kUnits) ? number : number * found->factor;
}

}  // namespace weft::standalone
