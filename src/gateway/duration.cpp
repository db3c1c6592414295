#include "gateway/duration.h"

#include <algorithm>
#include <limits>

namespace weft::gateway {
namespace {

/// Takes the unit from the text's beginning; 0: none is there.
uint64_t take_unit(std::string_view& text) {
  constexpr std::pair<std::string_view, uint64_t> kUnits[] = {
      {"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}};
  for (const auto& [unit, milliseconds] : kUnits) {
    if (!text.starts_with(unit)) continue;
    text.remove_prefix(unit.size());
    return milliseconds;
  }
  return 0;
}

}  // namespace

std::optional<uint32_t> parse_duration(std::string_view text) {
  constexpr size_t kMostDigits = 5;
  constexpr int kMostParts = 4;
  uint64_t sum = 0;
  int parts = 0;
  while (!text.empty()) {
    size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits > kMostDigits || ++parts > kMostParts) return {};
    uint64_t number = 0;
    for (char digit : text.substr(0, digits)) number = number * 10 + static_cast<uint64_t>(digit - '0');
    text.remove_prefix(digits);
    uint64_t unit = take_unit(text);
    if (unit == 0) return {};
    sum += number * unit;
  }
  if (parts == 0 || sum > std::numeric_limits<uint32_t>::max()) return {};
  return static_cast<uint32_t>(sum);
}

}  // namespace weft::gateway
