#include "kube/yaml_scalar.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <string>

namespace weft::kube {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes "0x", "0b", "0o" or an octal's "0" off the front and says the base.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits.front() != '0') return 10;
  int base = 8;
  size_t prefix = 2;
  switch (digits[1]) {
    case 'x':
    case 'X':
      base = 16;
      break;
    case 'b':
    case 'B':
      base = 2;
      break;
    case 'o':
    case 'O':
      break;
    default:
      prefix = 1;
  }
  digits.remove_prefix(prefix);
  return base;
}

/// An integer of 64 bits with its sign, if `text` is one.
std::optional<json::value> integer(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = take_base(text);
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  constexpr uint64_t kMin = uint64_t{1} << 63;
  if (negative) {
    if (magnitude > kMin) return std::nullopt;
    return json::value(static_cast<int64_t>(0 - magnitude));
  }
  if (magnitude < kMin) return json::value(static_cast<int64_t>(magnitude));
  return json::value(magnitude);
}

/// [-+]? ( .DIGITS | DIGITS [ .DIGITS? ] ) [ e [-+]? DIGITS ]
bool looks_like_float(std::string_view text) {
  auto take_digits = [&text] {
    size_t count = 0;
    for (; !text.empty() && is_digit(text.front()); ++count) text.remove_prefix(1);
    return count;
  };
  auto take_any = [&text](std::string_view set) {
    bool found = !text.empty() && set.find(text.front()) != std::string_view::npos;
    if (found) text.remove_prefix(1);
    return found;
  };
  take_any("-+");
  bool whole = take_digits() > 0;
  bool fraction = take_any(".") && take_digits() > 0;
  if (!whole && !fraction) return false;
  if (take_any("eE")) {
    take_any("-+");
    if (take_digits() == 0) return false;
  }
  return text.empty();
}

std::optional<json::value> floating(std::string_view text) {
  if (!looks_like_float(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) return std::nullopt;
  return number_of(value);
}

}  // namespace

json::value number_of(double value) {
  constexpr double kWhole = 9.2e18;
  if (std::abs(value) < kWhole && value == std::floor(value)) return json::value(static_cast<int64_t>(value));
  return json::value(value);
}

std::optional<json::value> plain_scalar(std::string_view text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return json::value(nullptr);
  if (is_one_of(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}))
    return json::value(true);
  if (is_one_of(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) {
    return json::value(false);
  }
  if (is_one_of(text, {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
                       "-.Inf", "-.INF"})) {
    return std::nullopt;
  }
  char first = text.front();
  if (is_digit(first) || first == '-' || first == '+' || first == '.') {
    std::string digits(text);
    if (first != '.') std::erase(digits, '_');
    if (auto value = integer(digits)) return value;
    if (auto value = floating(digits)) return value;
  }
  return json::value(text);
}

}  // namespace weft::kube
