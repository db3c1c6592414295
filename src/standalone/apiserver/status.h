#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/json.h"
#include "standalone/apimachinery/field_error.h"

namespace weft::standalone {

/// What a Status says beyond code and message.
struct StatusDetails {
  std::string name, group, kind;
  std::vector<FieldError> causes;
};

/// Why a request failed. An Error alone is one without details.
struct ApiFailure {
  Error error;
  StatusDetails details;
  ApiFailure(Error why,
             StatusDetails more = {})  // NOLINT(google-explicit-constructor): so that Errors pass up
      : error(std::move(why)), details(std::move(more)) {}
};
template <class T>
using ApiResult = std::expected<T, ApiFailure>;

/// The HTTP status of a failure.
int http_status(ErrorCode code);
/// A metav1.Status for a failure.
json::object make_status(const ApiFailure& failure);

}  // namespace weft::standalone
