#pragma once

#include <string_view>
#include <vector>

#include "kube/resource.h"
#include "kube/schema.h"

namespace weft::kube {

/// A kind that is built in: its names and shape, and which subresources it has.
struct KindInfo {
  ResourceInfo resource;
  SchemaPtr schema;  ///< `schema->ref_name` is the OpenAPI definition name, "io.k8s.api.core.v1.Pod"
  bool has_status = false;
  bool has_scale = false;
};

/// All of them, grouped by API group; built at the first call, the same vector ever after.
const std::vector<KindInfo>& builtin_kinds();
/// The one with this group and plural name, or nullptr.
const KindInfo* find_builtin(std::string_view group, std::string_view plural);

}  // namespace weft::kube
