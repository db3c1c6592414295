#include "standalone/apimachinery/field_error.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::standalone {
namespace {

std::string printed(const BadValue& bad) {
  const auto& value = bad.get();
  // Boost writes doubles with an exponent, Go without.
  return value.is_double() ? fmt::format("{}", value.get_double()) : json::serialize(value);
}

FieldError make(std::string_view reason, std::string field, std::string_view what, std::string_view detail) {
  std::string message(what);
  if (!detail.empty()) message.append(": ").append(detail);
  return {std::string(reason), std::move(field), std::move(message)};
}

}  // namespace

FieldError required(std::string field, std::string_view detail) {
  return make("FieldValueRequired", std::move(field), "Required value", detail);
}

FieldError invalid(std::string field, const BadValue& value, std::string_view detail) {
  return make("FieldValueInvalid", std::move(field), "Invalid value: " + printed(value), detail);
}

FieldError not_supported(std::string field, const BadValue& value, const std::vector<std::string>& choices) {
  std::string detail;
  for (const auto& choice : choices) {
    detail += fmt::format("{}\"{}\"", detail.empty() ? "supported values: " : ", ", choice);
  }
  return make("FieldValueNotSupported", std::move(field), "Unsupported value: " + printed(value), detail);
}

FieldError duplicate(std::string field, const BadValue& value) {
  return make("FieldValueDuplicate", std::move(field), "Duplicate value: " + printed(value), {});
}

FieldError forbidden(std::string field, std::string_view detail) {
  return make("FieldValueForbidden", std::move(field), "Forbidden", detail);
}

FieldError not_found(std::string field, const BadValue& value) {
  return make("FieldValueNotFound", std::move(field), "Not found: " + printed(value), {});
}

FieldError too_long(std::string field, size_t max_bytes) {
  return make("FieldValueTooLong", std::move(field), "Too long",
              fmt::format("may not be more than {} bytes", max_bytes));
}

FieldError too_many(std::string field, size_t actual, size_t max) {
  return make("FieldValueTooMany", std::move(field), fmt::format("Too many: {}", actual),
              fmt::format("must have at most {} {}", max, max == 1 ? "item" : "items"));
}

FieldError wrong_type(std::string field, const BadValue& value, std::string_view detail) {
  return make("FieldValueTypeInvalid", std::move(field), "Invalid value: " + printed(value), detail);
}

FieldError internal_error(std::string field, std::string_view detail) {
  return make("InternalError", std::move(field), "Internal error", detail);
}

Error invalid_object(std::string_view kind, std::string_view group, std::string_view name,
                     const FieldErrors& errors) {
  std::vector<std::string> texts;
  for (const auto& error : errors) {
    // The same complaint from two rules is one complaint.
    if (std::ranges::find(texts, error.text()) == texts.end()) texts.push_back(error.text());
  }
  auto message = fmt::format("{}{}{} \"{}\" is invalid", kind, group.empty() ? "" : ".", group, name);
  if (texts.size() == 1) message += ": " + texts[0];
  if (texts.size() > 1) message += fmt::format(": [{}]", fmt::join(texts, ", "));
  return {ErrorCode::invalid, std::move(message)};
}

}  // namespace weft::standalone
