#pragma once

#include <string_view>

#include "kube/json.h"
#include "kube/registry.h"
#include "kube/yaml.h"
#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/field_error.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/kinds.h"

/// What the tests of this room share.
namespace weft::standalone {

inline json::value yaml(std::string_view text) {
  auto documents = kube::parse_yaml(text, "test");
  if (!documents) throw std::runtime_error(documents.error().message);
  return documents->at(0).value;
}

inline const kube::KindInfo& kind_of(std::string_view kind) {
  for (const auto& info : kube::builtin_kinds()) {
    if (info.resource.kind == kind) return info;
  }
  if (kind == "CustomResourceDefinition") return crd_kind();
  throw std::runtime_error("no such kind");
}

/// The texts of what is wrong with a new object, after all that the server does before.
inline std::vector<std::string> problems_of(json::value object) {
  const auto& kind = kind_of(kube::string_at(object, "kind"));
  if (auto types = check_types(object, *kind.schema); !types) return {types.error().message};
  drop_nulls(object, *kind.schema);
  default_object(kind.resource, *kind.schema, object);
  prepare_for_create(kind.resource, kind.has_status, object);
  std::vector<std::string> out;
  for (const auto& error : validate_create(kind.resource, *kind.schema, object)) out.push_back(error.text());
  return out;
}

}  // namespace weft::standalone
