#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "kube/json.h"

namespace weft::standalone {

/// One wrong field of an object, as `details.causes` of a Status lists it. Made by the functions below, which
/// word it as the API machinery does.
struct FieldError {
  std::string reason;   ///< FieldValueInvalid, FieldValueRequired, …
  std::string field;    ///< "spec.ports[0].port"
  std::string message;  ///< 'Invalid value: 70000: must be between 1 and 65535, inclusive'

  /// field and message together: what appears in the Status message.
  std::string text() const { return field + ": " + message; }
};
using FieldErrors = std::vector<FieldError>;

/// A value that is refused, as JSON; from anything that reads like text too.
class BadValue {
 public:
  template <class T>
  BadValue(const T& value) {  // NOLINT(google-explicit-constructor): it stands in for json::value
    if constexpr (std::is_convertible_v<const T&, std::string_view> && !std::is_null_pointer_v<T>) {
      value_ = json::value(std::string_view(value));
    } else {
      value_ = json::value(value);
    }
  }
  const json::value& get() const { return value_; }

 private:
  json::value value_;
};

/// `value` is printed as Go prints it: strings in quotes, numbers and true plain, objects and lists as JSON.
FieldError required(std::string field, std::string_view detail = {});
FieldError invalid(std::string field, const BadValue& value, std::string_view detail);
FieldError not_supported(std::string field, const BadValue& value, const std::vector<std::string>& choices);
FieldError duplicate(std::string field, const BadValue& value);
FieldError forbidden(std::string field, std::string_view detail);
FieldError not_found(std::string field, const BadValue& value);
FieldError too_long(std::string field, size_t max_bytes);
FieldError too_many(std::string field, size_t actual, size_t max);
FieldError wrong_type(std::string field, const BadValue& value, std::string_view detail);
FieldError internal_error(std::string field, std::string_view detail);

/// The Error of a refused object, ErrorCode::invalid: `Service "x" is invalid: spec.ports[0].port: Invalid
/// …`, several as a list in brackets. `kind` is qualified with the group if there is one ("Deployment.apps").
Error invalid_object(std::string_view kind, std::string_view group, std::string_view name,
                     const FieldErrors& errors);

}  // namespace weft::standalone
