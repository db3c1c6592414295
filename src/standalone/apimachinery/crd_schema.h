#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kube/json.h"
#include "kube/schema.h"
#include "standalone/apimachinery/field_error.h"

namespace weft::standalone {

/// A structural openAPIV3Schema (KEP-1099) as a Schema; what is wrong with it goes to `errors`, and the
/// result is of use only when nothing is.
kube::SchemaPtr structural_schema(const json::value& props, const std::string& path, FieldErrors& errors);

/// One of the schemas below oneOf, anyOf, allOf and not: no types, only rules.
kube::SchemaPtr rules_schema(const json::value& props);

/// Whether a pattern (in RE2's syntax) matches somewhere in `text`; nothing when it is no pattern.
std::optional<bool> pattern_matches(const std::string& pattern, std::string_view text);

}  // namespace weft::standalone
