#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// What is written on the node's end of a pod's link (its alias, ip-link(8)): whose it is. The pod cannot
/// change it. Anybody on the node may read it.
struct PodAlias {
  std::string id;          ///< of the pod's sandbox, as the runtime calls it
  std::string namespace_;  ///< of the Pod object; empty: not known
  bool operator==(const PodAlias&) const = default;
};

std::string to_text(const PodAlias& alias);
/// Nothing for the alias of another link.
std::optional<PodAlias> parse_pod_alias(std::string_view text);

}  // namespace weft
