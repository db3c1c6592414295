#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kube/json.h"

namespace weft::kube {

struct Schema;
using SchemaPtr = std::shared_ptr<const Schema>;

/// The shape of a value in the Kubernetes API: what the API server validates unknown fields, defaults, merges
/// and documents by. Built from the described structs (`schema_of<T>()`) or from a CustomResourceDefinition's
/// openAPIV3Schema; everything after that is the same for both.
struct Schema {
  enum class Type { any, object, map, array, string, integer, number, boolean, int_or_string };
  /// How a list merges under server-side apply and strategic merge (x-kubernetes-list-type).
  enum class ListType { atomic, set, map };

  struct Field {
    std::string name;  ///< as in JSON
    SchemaPtr schema;
    std::string doc;  ///< one or two sentences for `kubectl explain`
    bool required = false;
    std::optional<json::value> default_value;
  };

  Type type = Type::any;
  std::string format;         ///< OpenAPI format: int32, int64, double, byte, date-time, quantity …
  std::string doc;            ///< what the type is, for `kubectl explain`
  std::string ref_name;       ///< OpenAPI definition name, "io.k8s.api.core.v1.ServiceSpec"; empty: inlined
  std::vector<Field> fields;  ///< of an object, in the order they print
  SchemaPtr items;            ///< of an array, or the values of a map
  bool preserve_unknown = false;  ///< an object whose other fields are kept as they are
  bool nullable = false;
  bool embedded_resource = false;  ///< x-kubernetes-embedded-resource
  ListType list_type = ListType::atomic;
  std::vector<std::string> list_keys;  ///< of a list of type map
  bool map_atomic = false;             ///< x-kubernetes-map-type: atomic
  std::string patch_merge_key;         ///< strategic merge: the key that identifies an element
  bool patch_merge = false;            ///< strategic merge: merge lists instead of replacing them
  bool patch_retain_keys = false;      ///< strategic merge: honours $retainKeys (volumes, strategy)
  std::vector<json::value> enum_values;
  /// The rest of a CRD's validation rules, as written (minimum, pattern, maxItems, oneOf …); null if none.
  json::value rules;

  const Field* find(std::string_view name) const;
};

}  // namespace weft::kube
