#include "standalone/apimachinery/openapi_schema.h"

#include <fmt/format.h>

#include "standalone/apimachinery/fields.h"

namespace weft::standalone {

using kube::Schema;
using kube::SchemaPtr;
using Type = Schema::Type;

namespace {

/// What belongs to a field's place rather than to the type it refers to.
void write_place(const Schema& schema, json::object& out) {
  if (schema.type == Type::array) {
    switch (schema.list_type) {
      case Schema::ListType::map: {
        json::array keys;
        for (const auto& key : schema.list_keys) keys.emplace_back(key);
        out["x-kubernetes-list-map-keys"] = std::move(keys);
        out["x-kubernetes-list-type"] = "map";
        break;
      }
      case Schema::ListType::set:
        out["x-kubernetes-list-type"] = "set";
        break;
      case Schema::ListType::atomic:
        out["x-kubernetes-list-type"] = "atomic";
        break;
    }
  }
  if (is_atomic(schema)) out["x-kubernetes-map-type"] = "atomic";
  if (!schema.patch_merge_key.empty()) out["x-kubernetes-patch-merge-key"] = schema.patch_merge_key;
  if (schema.patch_merge || schema.patch_retain_keys) {
    out["x-kubernetes-patch-strategy"] = !schema.patch_retain_keys ? "merge"
                                         : schema.patch_merge      ? "merge,retainKeys"
                                                                   : "retainKeys";
  }
  if (!schema.enum_values.empty())
    out["enum"] = json::array(schema.enum_values.begin(), schema.enum_values.end());
}

void write_extensions(const Schema& schema, json::object& out) {
  if (schema.preserve_unknown) out["x-kubernetes-preserve-unknown-fields"] = true;
  if (schema.embedded_resource) out["x-kubernetes-embedded-resource"] = true;
  if (schema.nullable) out["nullable"] = true;
  if (const auto* rules = schema.rules.if_object()) {
    for (const auto& [name, rule] : *rules) out[name] = rule;
  }
}

}  // namespace

json::object reference_to(OpenApiVersion version, std::string_view name) {
  std::string_view where = version == OpenApiVersion::v3 ? "#/components/schemas/" : "#/definitions/";
  return {{"$ref", fmt::format("{}{}", where, name)}};
}

void Definitions::write_type(const Schema& schema, json::object& out) {
  switch (schema.type) {
    case Type::any:
      break;
    case Type::object:
      out["type"] = "object";
      write_fields(schema, out);
      break;
    case Type::map:
      out["type"] = "object";
      if (schema.items) out["additionalProperties"] = use(schema.items);
      break;
    case Type::array:
      out["type"] = "array";
      if (schema.items) out["items"] = use(schema.items);
      break;
    case Type::string:
      out["type"] = "string";
      break;
    case Type::integer:
      out["type"] = "integer";
      break;
    case Type::number:
      out["type"] = "number";
      break;
    case Type::boolean:
      out["type"] = "boolean";
      break;
    case Type::int_or_string:
      // kubectl knows the two by this format.
      if (schema.ref_name.empty()) {
        out["x-kubernetes-int-or-string"] = true;
      } else {
        out["type"] = "string";
        out["format"] = "int-or-string";
      }
      break;
  }
}

void Definitions::write_fields(const Schema& schema, json::object& out) {
  json::object properties;
  json::array required;
  for (const auto& field : schema.fields) {
    auto property = use(field.schema);
    if (property.contains("$ref") && version_ == OpenApiVersion::v3 &&
        (!field.doc.empty() || field.default_value)) {
      // Beside a $ref nothing counts in OpenAPI 3.0.
      property = json::object{{"allOf", json::array{std::move(property)}}};
    }
    if (!field.doc.empty()) property["description"] = field.doc;
    if (field.default_value) property["default"] = *field.default_value;
    if (!field.schema->ref_name.empty()) write_place(*field.schema, property);
    if (field.required) required.emplace_back(field.name);
    properties[field.name] = std::move(property);
  }
  if (!properties.empty()) out["properties"] = std::move(properties);
  if (!required.empty()) out["required"] = std::move(required);
}

json::object Definitions::write(const Schema& schema) {
  json::object out;
  if (!schema.doc.empty()) out["description"] = schema.doc;
  if (!schema.format.empty() && schema.type != Type::int_or_string && schema.format != "quantity") {
    out["format"] = schema.format;
  }
  write_type(schema, out);
  if (schema.ref_name.empty()) write_place(schema, out);
  if (is_atomic(schema)) out["x-kubernetes-map-type"] = "atomic";
  write_extensions(schema, out);
  return out;
}

json::object Definitions::use(const SchemaPtr& schema) {
  if (schema->ref_name.empty()) return write(*schema);
  add(schema);
  return reference_to(version_, schema->ref_name);
}

void Definitions::add(const SchemaPtr& schema) {
  if (!schema || schema->ref_name.empty() || all_.contains(schema->ref_name)) return;
  all_[schema->ref_name] = {};  // it may refer to itself
  all_[schema->ref_name] = write(*schema);
}

void Definitions::mark(const std::string& name, json::object gvk) {
  auto& list = all_[name]["x-kubernetes-group-version-kind"];
  if (!list.is_array()) list.emplace_array();
  list.get_array().push_back(std::move(gvk));
}

json::object Definitions::take() {
  json::object out;
  out.reserve(all_.size());
  for (auto& [name, definition] : all_) out[name] = std::move(definition);
  return out;
}

}  // namespace weft::standalone
