#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Hostnames of listeners and routes: "" any, "*.example.com" one label or more before the rest, or a name.
namespace weft::gateway {

/// What both stand for; nothing: they have nothing in common.
std::optional<std::string> intersect_hostnames(std::string_view a, std::string_view b);

/// What a listener and a route with these hostnames (none: any) have in common, each once, in the route's
/// order.
std::vector<std::string> common_hostnames(std::string_view listener, const std::vector<std::string>& route);

}  // namespace weft::gateway
