#pragma once

#include <string_view>

#include "kube/schema.h"

namespace weft::kube::reflect {

/// The schema of a type of the Kubernetes API that Weft keeps as JSON ("CSIVolumeSource") or, in the short
/// notation of shapes_core.h, of a list or map of one ("[]ManagedFieldsEntry"). An unknown name is a bug in a
/// description.
SchemaPtr shape(std::string_view notation);

/// Schemas of values that are written as strings but have a format of their own; the same pointers at every
/// call.
const SchemaPtr& time_schema();
const SchemaPtr& micro_time_schema();
const SchemaPtr& quantity_schema();
const SchemaPtr& bytes_schema();
const SchemaPtr& int_or_string_schema();
const SchemaPtr& scalar_schema(Schema::Type type, std::string_view format = {});
const SchemaPtr& any_schema();

}  // namespace weft::kube::reflect
