#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/json.h"

namespace weft::standalone {

/// The simple part of JSONPath that CustomResourceDefinitions use: .a.b, ['a.b'], [0], [-1], [*], and filters
/// [?(@.type=="Ready")] with ==, !=, <, >, <=, >=; with or without braces around it. Views of `value`.
Expected<std::vector<const json::value*>> json_path(const json::value& value, std::string_view path);

}  // namespace weft::standalone
