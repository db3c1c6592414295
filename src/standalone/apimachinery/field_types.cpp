#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kube/base64.h"
#include "kube/time.h"
#include "standalone/apimachinery/fields.h"

namespace weft::standalone {

using kube::Schema;
using Type = Schema::Type;

namespace {

/// Where a value stands, as Go's decoder names it: the innermost struct, and the path of fields from the top.
struct GoField {
  std::string_view struct_name;
  std::string path;
};

std::string_view short_name(const Schema& schema) {
  std::string_view ref = schema.ref_name;
  auto dot = ref.rfind('.');
  return dot == std::string_view::npos ? ref : ref.substr(dot + 1);
}

std::string go_type(const Schema& schema) {
  switch (schema.type) {
    case Type::array:
      return "[]" + (schema.items ? go_type(*schema.items) : "interface {}");
    case Type::map:
      return "map[string]" + (schema.items ? go_type(*schema.items) : "interface {}");
    case Type::string:
      if (schema.format == "byte") return "[]uint8";
      return "string";
    case Type::integer:
      return schema.format == "int32" ? "int32" : "int64";
    case Type::number:
      return "float64";
    case Type::boolean:
      return "bool";
    case Type::int_or_string:
      return "int32";
    case Type::object:
    case Type::any:
      break;
  }
  auto name = short_name(schema);
  return name.empty() ? "map[string]interface {}" : fmt::format("v1.{}", name);
}

std::string json_type(const json::value& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_bool()) return "bool";
  return "number";
}

std::unexpected<Error> cannot(const json::value& value, const Schema& schema, const GoField& at) {
  auto what = json_type(value);
  if (value.is_number() && (schema.type == Type::integer || schema.type == Type::number)) {
    what += value.is_double() ? fmt::format(" {}", value.get_double()) : " " + json::serialize(value);
  }
  auto where = at.path.empty() ? std::string("Go value")
                               : fmt::format("Go struct field {}.{}", at.struct_name, at.path);
  return fail(ErrorCode::bad_request,
              fmt::format("json: cannot unmarshal {} into {} of type {}", what, where, go_type(schema)));
}

bool fits_integer(const json::value& value, bool narrow) {
  int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_double() && std::trunc(value.get_double()) == value.get_double() &&
             std::abs(value.get_double()) < 9e15) {
    number = static_cast<int64_t>(value.get_double());
  } else {
    return false;
  }
  if (!narrow) return true;
  return number >= std::numeric_limits<int32_t>::min() && number <= std::numeric_limits<int32_t>::max();
}

bool is_quantity(std::string_view text) {
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t at = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  size_t digits = 0;
  size_t dots = 0;
  for (; at < text.size() && (is_digit(text[at]) || text[at] == '.'); ++at) {
    (text[at] == '.' ? dots : digits) += 1;
  }
  if (digits == 0 || dots > 1) return false;
  auto suffix = text.substr(at);
  for (std::string_view unit :
       {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "n", "u", "m", "k", "M", "G", "T", "P", "E"}) {
    if (suffix == unit) return true;
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return false;
  suffix.remove_prefix(1);
  if (!suffix.empty() && (suffix[0] == '+' || suffix[0] == '-')) suffix.remove_prefix(1);
  return !suffix.empty() && std::ranges::all_of(suffix, is_digit);
}

Expected<void> check_string(const json::value& value, const Schema& schema, const GoField& at) {
  if (schema.format == "quantity" && value.is_number()) return {};
  if (!value.is_string()) return cannot(value, schema, at);
  std::string_view text = value.get_string();
  if (schema.format == "byte" && !kube::decode_base64(text)) {
    return fail(ErrorCode::bad_request, fmt::format("illegal base64 data at {}", at.path));
  }
  if (schema.format == "date-time" && !text.empty() && !kube::parse_time(text)) {
    return fail(ErrorCode::bad_request,
                fmt::format("parsing time \"{}\" as \"2006-01-02T15:04:05Z07:00\" at {}: cannot parse \"{}\"",
                            text, at.path, text));
  }
  if (schema.format == "quantity" && !is_quantity(text)) {
    return fail(ErrorCode::bad_request,
                fmt::format("quantities must match the regular expression "
                            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' (\"{}\" at {})",
                            text, at.path));
  }
  return {};
}

Expected<void> check(const json::value& value, const Schema& schema, const GoField& at);

Expected<void> check_members(const json::object& object, const Schema& schema, const GoField& at) {
  for (const auto& [key, element] : object) {
    const auto* next = member_schema(&schema, key);
    if (!next) continue;
    GoField inner{at.struct_name, at.path};
    if (schema.type == Type::object) {
      if (auto name = short_name(schema); !name.empty()) inner.struct_name = name;
      inner.path += (inner.path.empty() ? "" : ".") + std::string(key);
    }
    WEFT_CHECK(check(element, *next, inner));
  }
  return {};
}

Expected<void> check(const json::value& value, const Schema& schema, const GoField& at) {
  if (value.is_null()) return {};
  switch (schema.type) {
    case Type::any:
      return {};
    case Type::object:
    case Type::map:
      if (!value.is_object()) return cannot(value, schema, at);
      return check_members(value.get_object(), schema, at);
    case Type::array:
      if (!value.is_array()) return cannot(value, schema, at);
      if (!schema.items) return {};
      for (const auto& element : value.get_array()) WEFT_CHECK(check(element, *schema.items, at));
      return {};
    case Type::string:
      return check_string(value, schema, at);
    case Type::integer:
      if (!fits_integer(value, schema.format == "int32")) return cannot(value, schema, at);
      return {};
    case Type::number:
      if (!value.is_number()) return cannot(value, schema, at);
      return {};
    case Type::boolean:
      if (!value.is_bool()) return cannot(value, schema, at);
      return {};
    case Type::int_or_string:
      if (value.is_string()) return {};
      if (!fits_integer(value, true)) return cannot(value, schema, at);
      return {};
  }
  return {};
}

}  // namespace

Expected<void> check_types(const json::value& value, const Schema& schema) {
  return check(value, schema, {short_name(schema), {}});
}

}  // namespace weft::standalone
