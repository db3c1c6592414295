#pragma once

#include <string_view>

#include "base/error.h"
#include "kube/json.h"
#include "kube/schema.h"

namespace weft::kube {

/// The three things that the one description of a kind gives. They are instantiated for every kind and for
/// the parts that are used alone in the file that describes the type (see reflect.h: WEFT_INSTANTIATE).

/// JSON to a typed object. Absent fields keep their defaults, JSON null is the same as absent, fields that
/// the type does not know are kept in `unknown`. Fails with ErrorCode::invalid and a message that starts with
/// the field path: "spec.ports[0].port: expected an integer, got a string".
template <class T>
Expected<T> decode(const json::value& value);

/// Typed object to JSON, with the unknown fields it was read with. Empty optional, string, list, map, false
/// and 0 are left out, unless the description marks the field `keep_empty`. A kind gets its apiVersion and
/// kind.
template <class T>
json::object encode(const T& object);

/// The schema of a type; the same pointer at every call.
template <class T>
const SchemaPtr& schema_of();

}  // namespace weft::kube
