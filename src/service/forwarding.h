#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ip.h"
#include "kube/node.h"

namespace weft::service {

/// How a node passes on what asked it for a Service whose endpoint is on another node.
enum class Forwarding : uint8_t {
  routes,  ///< with its own address
  dsr,     ///< as it is: the other node answers the client (EdgeFacts::direct_return)
  vxlan,   ///< to pods with the first address of its pods' range (EdgeFacts::overlay)
};

/// Of a Node, its agent's Forwarding by name; without, `routes`. The nodes' data path does not read it: it
/// tells those who have only the API.
inline constexpr const char* kForwardingAnnotation = "weft.dev/forwarding";

std::string_view name_of(Forwarding forwarding);
Forwarding forwarding_of(const kube::Node& node);

/// Whose address an endpoint on another node sees; nothing: the client's own. `pod`: it has an address of its
/// node's pod range.
std::optional<IpAddr> source_behind(const kube::Node& node, const IpAddr& endpoint, bool pod);

}  // namespace weft::service
