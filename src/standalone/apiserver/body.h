#pragma once

#include <string>
#include <vector>

#include "standalone/apiserver/kind_table.h"
#include "standalone/apiserver/registry.h"
#include "standalone/apiserver/request.h"
#include "standalone/apiserver/status.h"

/// Bodies of requests: from bytes to objects.
namespace weft::standalone {

/// A body as JSON. `kind` is for messages. unsupported_media_type for anything but JSON, YAML and
/// Kubernetes' protobuf, bad_request for a body that is malformed, or none.
ApiResult<json::value> parse_body(const ApiRequest& request, std::string_view media_type);

/// Content-Type without its parameters; application/json when there is none.
std::string_view media_type(const ApiRequest& request);

/// What the request's fieldValidation says about fields that nobody knows.
enum class FieldValidation { ignore, warn, strict };
ApiResult<FieldValidation> field_validation(const ApiRequest& request);

/// Checks that `object` is what the kind says and takes out what it does not know; what that was goes to
/// `warnings`, or fails the request when it is strict. `json_text`: the body when it was JSON, to find keys
/// that are there twice.
ApiResult<void> clean_object(const ServedKind& kind, json::value& object, FieldValidation validation,
                             std::string_view json_text, std::vector<std::string>& warnings);

/// DeleteOptions from the body and the query.
ApiResult<DeleteOptions> delete_options(const ApiRequest& request, bool& dry_run);

/// ?dryRun=All. invalid for any other value.
ApiResult<bool> dry_run(const ApiRequest& request);

}  // namespace weft::standalone
