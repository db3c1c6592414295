#pragma once

#include <string_view>

#include "kube/json.h"
#include "standalone/apiserver/kind_table.h"

/// What is served, as clients ask for it: /api, /apis and below, and the aggregated form (KEP-3352).
namespace weft::standalone {

json::object core_versions();
json::object api_groups(const KindTable& kinds);
/// Null when there is no such group.
json::value api_group(const KindTable& kinds, std::string_view group);
/// The APIResourceList of a group and version; null when there is none.
json::value api_resources(const KindTable& kinds, std::string_view group, std::string_view version);
/// The APIGroupDiscoveryList of /api (`core`) or /apis.
json::object aggregated_discovery(const KindTable& kinds, bool core);
/// The paths of "/".
json::object root_paths(const KindTable& kinds);
/// GET /version.
json::object version_info();

}  // namespace weft::standalone
