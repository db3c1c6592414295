#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "kube/json.h"
#include "kube/registry.h"
#include "kube/resource.h"
#include "kube/schema.h"
#include "standalone/apimachinery/field_error.h"
#include "standalone/apimachinery/table.h"

namespace weft::standalone {

/// Where the scale subresource of a custom kind has its numbers: ".spec.replicas".
struct ScalePaths {
  std::string spec_replicas;
  std::string status_replicas;
  std::string label_selector;  ///< may be empty
};

/// One version of a custom kind.
struct CrdVersion {
  kube::ResourceInfo resource;
  std::string list_kind;
  kube::SchemaPtr schema;  ///< with apiVersion, kind and metadata in front
  bool served = false;
  bool storage = false;
  bool deprecated = false;
  std::string deprecation_warning;  ///< for the Warning header when deprecated
  bool has_status = false;
  std::optional<ScalePaths> scale;
  std::vector<PrinterColumn> columns;
  std::vector<std::string> selectable_fields;  ///< ".spec.color", for field selectors besides metadata
};

/// The kind CustomResourceDefinition itself. Its rules are behind kinds.h as for every kind.
const kube::KindInfo& crd_kind();

/// The versions of a CustomResourceDefinition, all of them (look at `served`), or what is wrong with it.
/// Schemas are structural (KEP-1099). CEL rules (x-kubernetes-validations) are kept in the schema but not
/// evaluated.
std::expected<std::vector<CrdVersion>, FieldErrors> crd_versions(const json::value& crd);

/// Sets status.acceptedNames, storedVersions and the conditions NamesAccepted and Established of a stored
/// CustomResourceDefinition. `conflict`: why its names cannot be had ("" when they can): `"foos" is already
/// in use`.
void establish_crd(json::value& crd, std::string_view now, std::string_view conflict = {});

/// The rules of a schema (`rules`, enum, required, types) that `value` breaks. `path` is where value stands
/// ("" for an object).
FieldErrors validate_by_schema(const json::value& value, const kube::Schema& schema,
                               const std::string& path = {});

}  // namespace weft::standalone
