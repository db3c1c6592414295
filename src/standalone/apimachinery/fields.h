#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/json.h"
#include "kube/schema.h"

namespace weft::standalone {

/// Drops every field that the schema does not know from `value` and returns them as upstream words them for
/// field validation: `unknown field "spec.foo"`, in the order they stood. The fields of metadata are known
/// for embedded resources too. What the server does with them is the request's `fieldValidation`: Ignore,
/// Warn (a Warning header each) or Strict (400, see `strict_error`).
std::vector<std::string> prune(json::value& value, const kube::Schema& schema);

/// `duplicate field "spec.foo"` for each key that one object of a JSON text has twice (parsing keeps the
/// last). For text that is no JSON: nothing.
std::vector<std::string> duplicate_fields(std::string_view json_text);

/// The 400 for a body that cannot be read as its kind: `Service in version "v1" cannot be handled as a
/// Service: DETAIL`. DETAIL is check_types' message, or strict_detail.
Error cannot_handle(std::string_view kind, std::string_view api_version, std::string_view detail);

/// `strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`, for fieldValidation=Strict.
std::string strict_detail(const std::vector<std::string>& problems);

/// Sets the defaults that the schema itself carries where their fields are absent (or null and not nullable),
/// all the way down into what is there. Where there is no default, a null that its field does not take goes.
void apply_defaults(json::value& value, const kube::Schema& schema);

/// Whether each value of a built-in kind has the JSON type its field wants and the form its format asks for
/// (int32, byte, date-time, quantity). Null fits everywhere: it means absent. Fails with bad_request in
/// upstream's words: `json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type
/// int32`. (A custom kind's types are checked by validate_create, as upstream does.)
Expected<void> check_types(const json::value& value, const kube::Schema& schema);

/// Removes null members of an object of a built-in kind, where they mean absent; what is not described keeps
/// its nulls.
void drop_nulls(json::value& value, const kube::Schema& schema);

/// Whether a value is owned and replaced as a whole (x-kubernetes-map-type: atomic): where the schema says
/// so, and types like LabelSelector and references wherever they stand.
bool is_atomic(const kube::Schema& schema);

/// The schema of a member of an object or of a map's values; nullptr when it is not described.
const kube::Schema* member_schema(const kube::Schema* schema, std::string_view name);

}  // namespace weft::standalone
