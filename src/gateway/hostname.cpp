#include "gateway/hostname.h"

#include <algorithm>

namespace weft::gateway {
namespace {

bool is_wildcard(std::string_view name) { return name.starts_with("*."); }

/// Whether all that `inner` stands for is below the wildcard `outer`.
bool is_below(std::string_view inner, std::string_view outer) {
  auto suffix = outer.substr(1);
  return inner.size() > suffix.size() && inner.ends_with(suffix);
}

}  // namespace

std::optional<std::string> intersect_hostnames(std::string_view a, std::string_view b) {
  if (a.empty() || a == b) return std::string(b);
  if (b.empty()) return std::string(a);
  if (is_wildcard(a) && is_below(b, a)) return std::string(b);
  if (is_wildcard(b) && is_below(a, b)) return std::string(a);
  return {};
}

std::vector<std::string> common_hostnames(std::string_view listener, const std::vector<std::string>& route) {
  if (route.empty()) return {std::string(listener)};
  std::vector<std::string> out;
  for (const auto& name : route) {
    auto common = intersect_hostnames(listener, name);
    if (common && std::ranges::find(out, *common) == out.end()) out.push_back(std::move(*common));
  }
  return out;
}

}  // namespace weft::gateway
