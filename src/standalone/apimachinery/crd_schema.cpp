#include "standalone/apimachinery/crd_schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {

using kube::member;
using kube::Schema;
using kube::SchemaPtr;
using kube::string_at;
using Type = Schema::Type;

namespace {

constexpr int kMaxDepth = 64;

bool is_true(const json::value& value, std::string_view key) {
  const auto* flag = member(value, key);
  return flag && flag->is_bool() && flag->get_bool();
}

/// Keeps as written what is checked by value alone.
json::value rules_of(const json::value& props) {
  json::object out;
  for (const char* name :
       {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "oneOf", "anyOf",
        "allOf", "not", "x-kubernetes-validations"}) {
    if (const auto* rule = member(props, name)) out[name] = *rule;
  }
  return out.empty() ? json::value() : json::value(std::move(out));
}

Type type_of(const json::value& props) {
  if (is_true(props, "x-kubernetes-int-or-string")) return Type::int_or_string;
  auto type = string_at(props, "type");
  if (type == "object") return Type::object;
  if (type == "array") return Type::array;
  if (type == "string") return Type::string;
  if (type == "integer") return Type::integer;
  if (type == "number") return Type::number;
  if (type == "boolean") return Type::boolean;
  return Type::any;
}

class Converter {
 public:
  Converter(FieldErrors& errors, bool structural) : errors_(errors), structural_(structural) {}

  SchemaPtr convert(const json::value& props, const std::string& path, int depth) {
    if (!props.is_object()) {
      errors_.push_back(invalid(path, props, "must be an object"));
      return nullptr;
    }
    if (depth > kMaxDepth) {
      errors_.push_back(invalid(path, "", "is nested too deeply"));
      return nullptr;
    }
    auto out = std::make_shared<Schema>();
    out->type = type_of(props);
    out->format = string_at(props, "format");
    out->doc = string_at(props, "description");
    out->nullable = is_true(props, "nullable");
    out->preserve_unknown = is_true(props, "x-kubernetes-preserve-unknown-fields");
    out->embedded_resource = is_true(props, "x-kubernetes-embedded-resource");
    out->map_atomic = string_at(props, "x-kubernetes-map-type") == "atomic";
    out->rules = rules_of(props);
    check_type(props, *out, path, depth);
    add_enum(props, *out);
    add_list(props, *out, path, depth);
    add_values(props, *out, path, depth);
    add_fields(props, *out, path, depth);
    check_pattern(props, path);
    return out;
  }

 private:
  void check_type(const json::value& props, const Schema& schema, const std::string& path, int depth) {
    if (!structural_) return;
    if (member(props, "$ref")) errors_.push_back(forbidden(child(path, "$ref"), "$ref is not supported"));
    bool free = schema.type == Type::int_or_string || schema.preserve_unknown;
    if (schema.type != Type::any || free || schema.embedded_resource) return;
    auto type = string_at(props, "type");
    if (!type.empty()) {
      errors_.push_back(not_supported(child(path, "type"), type,
                                      {"array", "boolean", "integer", "number", "object", "string"}));
    } else {
      errors_.push_back(required(child(path, "type"), depth == 0
                                                          ? "must not be empty at the root"
                                                          : "must not be empty for specified object fields"));
    }
  }

  static void add_enum(const json::value& props, Schema& out) {
    const auto* values = member(props, "enum");
    const auto* list = values ? values->if_array() : nullptr;
    if (list) out.enum_values.assign(list->begin(), list->end());
  }

  void add_list(const json::value& props, Schema& out, const std::string& path, int depth) {
    auto list_type = string_at(props, "x-kubernetes-list-type");
    if (list_type == "map") out.list_type = Schema::ListType::map;
    if (list_type == "set") out.list_type = Schema::ListType::set;
    const auto* keys = member(props, "x-kubernetes-list-map-keys");
    if (const auto* list = keys ? keys->if_array() : nullptr) {
      for (const auto& key : *list) {
        if (const auto* text = key.if_string()) out.list_keys.emplace_back(*text);
      }
    }
    if (const auto* items = member(props, "items")) {
      out.items = convert(*items, child(path, "items"), depth + 1);
    } else if (structural_ && out.type == Type::array) {
      errors_.push_back(required(child(path, "items"), "must be specified"));
    }
    if (out.list_type == Schema::ListType::map && out.list_keys.empty()) {
      errors_.push_back(required(child(path, "x-kubernetes-list-map-keys"),
                                 "must not be empty if x-kubernetes-list-type is map"));
    }
  }

  void add_values(const json::value& props, Schema& out, const std::string& path, int depth) {
    const auto* values = member(props, "additionalProperties");
    if (!values) return;
    if (values->is_object()) {
      if (member(props, "properties")) {
        errors_.push_back(forbidden(child(path, "additionalProperties"),
                                    "additionalProperties and properties are mutual exclusive"));
      }
      out.type = Type::map;
      out.items = convert(*values, child(path, "additionalProperties"), depth + 1);
    } else if (values->is_bool() && values->get_bool()) {
      out.preserve_unknown = true;
    }
  }

  void add_fields(const json::value& props, Schema& out, const std::string& path, int depth) {
    const auto* properties = member(props, "properties");
    const auto* fields = properties ? properties->if_object() : nullptr;
    if (fields) {
      for (const auto& [name, value] : *fields) {
        auto at = keyed(child(path, "properties"), name);
        auto schema = convert(value, at, depth + 1);
        if (!schema) continue;
        Schema::Field field{
            .name = std::string(name), .schema = schema, .doc = schema->doc, .default_value = {}};
        if (const auto* standard = member(value, "default"); standard && structural_) {
          field.default_value = *standard;
          if (!validate_by_schema(*standard, *schema, child(at, "default")).empty()) {
            errors_.push_back(invalid(child(at, "default"), *standard, "must validate"));
          }
        }
        out.fields.push_back(std::move(field));
      }
    }
    const auto* needed = member(props, "required");
    const auto* list = needed ? needed->if_array() : nullptr;
    if (!list) return;
    for (const auto& name : *list) {
      const auto* text = name.if_string();
      if (!text) continue;
      auto at = std::ranges::find(out.fields, std::string_view(*text), &Schema::Field::name);
      if (at != out.fields.end()) {
        at->required = true;
      } else {
        // It may be required of a map, or below oneOf where the properties stand elsewhere.
        out.fields.push_back({.name = std::string(*text),
                              .schema = anything(),
                              .doc = {},
                              .required = true,
                              .default_value = {}});
      }
    }
  }

  void check_pattern(const json::value& props, const std::string& path) {
    const auto* pattern = member(props, "pattern");
    const auto* text = pattern ? pattern->if_string() : nullptr;
    if (text && !pattern_matches(std::string(*text), "")) {
      errors_.push_back(invalid(child(path, "pattern"), *pattern, "must be a valid regular expression"));
    }
  }

  static SchemaPtr anything() {
    static const SchemaPtr schema = std::make_shared<Schema>();
    return schema;
  }

  FieldErrors& errors_;
  bool structural_;
};

}  // namespace

SchemaPtr structural_schema(const json::value& props, const std::string& path, FieldErrors& errors) {
  auto out = Converter(errors, true).convert(props, path, 0);
  if (out && out->type != Type::object && out->type != Type::any) {
    errors.push_back(invalid(child(path, "type"), string_at(props, "type"), "must be object at the root"));
  }
  return out;
}

SchemaPtr rules_schema(const json::value& props) {
  FieldErrors ignored;
  return Converter(ignored, false).convert(props, {}, 0);
}

}  // namespace weft::standalone
