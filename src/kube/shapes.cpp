#include "kube/shapes.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <mutex>
#include <ranges>
#include <string>

#include "kube/codec.h"
#include "kube/meta.h"
#include "kube/reference.h"
#include "kube/reflect.h"
#include "kube/shapes_core.h"

namespace weft::kube::reflect {
namespace {

SchemaPtr make_scalar(Schema::Type type, std::string_view format, std::string_view ref = {}) {
  auto schema = std::make_shared<Schema>();
  schema->type = type;
  schema->format = format;
  schema->ref_name = ref;
  return schema;
}

/// Scalars of the notation, and the described types that shapes use.
SchemaPtr known_type(std::string_view type) {
  if (type == "string") return scalar_schema(Schema::Type::string);
  if (type == "bool") return scalar_schema(Schema::Type::boolean);
  if (type == "int32") return scalar_schema(Schema::Type::integer, "int32");
  if (type == "int64") return scalar_schema(Schema::Type::integer, "int64");
  if (type == "time") return time_schema();
  if (type == "quantity") return quantity_schema();
  if (type == "any") return any_schema();
  if (type == "ObjectMeta") return schema_of<ObjectMeta>();
  if (type == "LabelSelector") return schema_of<LabelSelector>();
  if (type == "LocalObjectReference") return schema_of<LocalObjectReference>();
  if (type == "TypedLocalObjectReference") return schema_of<TypedLocalObjectReference>();
  return nullptr;
}

SchemaPtr parse_shape(const ShapeText& text) {
  auto schema = std::make_shared<Schema>();
  schema->type = Schema::Type::object;
  schema->ref_name = text.ref;
  for (auto part : text.fields | std::views::split(' ')) {
    std::string_view entry(part.begin(), part.end());
    auto colon = entry.find(':');
    auto name = entry.substr(0, colon);
    bool required = name.ends_with('!');
    if (required) name.remove_suffix(1);
    schema->fields.push_back({.name = std::string(name),
                              .schema = shape(entry.substr(colon + 1)),
                              .doc = {},
                              .required = required,
                              .default_value = {}});
  }
  return schema;
}

/// managedFields[].fieldsV1: any object.
SchemaPtr fields_v1_schema() {
  auto schema = std::make_shared<Schema>();
  schema->type = Schema::Type::object;
  schema->ref_name = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";
  schema->preserve_unknown = true;
  return schema;
}

}  // namespace

SchemaPtr shape(std::string_view notation) {
  if (notation.starts_with("[]")) return array_of(shape(notation.substr(2)));
  if (notation.starts_with("{}")) return map_of(shape(notation.substr(2)));
  if (auto known = known_type(notation)) return known;
  // Recursive, for a shape is made of shapes.
  static std::recursive_mutex mutex;
  static std::map<std::string_view, SchemaPtr> made{{"FieldsV1", fields_v1_schema()}};
  std::lock_guard lock(mutex);
  if (auto at = made.find(notation); at != made.end()) return at->second;
  const auto* text = std::ranges::find(kShapes, notation, &ShapeText::name);
  assert(text != std::end(kShapes) && "a description names a shape that does not exist");
  auto schema = parse_shape(*text);
  made.emplace(text->name, schema);
  return schema;
}

const SchemaPtr& time_schema() {
  static const SchemaPtr schema =
      make_scalar(Schema::Type::string, "date-time", "io.k8s.apimachinery.pkg.apis.meta.v1.Time");
  return schema;
}

const SchemaPtr& micro_time_schema() {
  static const SchemaPtr schema =
      make_scalar(Schema::Type::string, "date-time", "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime");
  return schema;
}

const SchemaPtr& quantity_schema() {
  static const SchemaPtr schema =
      make_scalar(Schema::Type::string, "quantity", "io.k8s.apimachinery.pkg.api.resource.Quantity");
  return schema;
}

const SchemaPtr& bytes_schema() {
  static const SchemaPtr schema = make_scalar(Schema::Type::string, "byte");
  return schema;
}

const SchemaPtr& int_or_string_schema() {
  static const SchemaPtr schema = make_scalar(Schema::Type::int_or_string, "int-or-string",
                                              "io.k8s.apimachinery.pkg.util.intstr.IntOrString");
  return schema;
}

const SchemaPtr& any_schema() {
  static const SchemaPtr schema = make_scalar(Schema::Type::any, {});
  return schema;
}

const SchemaPtr& scalar_schema(Schema::Type type, std::string_view format) {
  static const std::map<std::pair<Schema::Type, std::string_view>, SchemaPtr> made = [] {
    std::map<std::pair<Schema::Type, std::string_view>, SchemaPtr> all;
    auto add = [&](Schema::Type t, std::string_view f) { all[{t, f}] = make_scalar(t, f); };
    add(Schema::Type::string, "");
    add(Schema::Type::boolean, "");
    add(Schema::Type::integer, "int32");
    add(Schema::Type::integer, "int64");
    add(Schema::Type::number, "double");
    return all;
  }();
  return made.at({type, format});
}

}  // namespace weft::kube::reflect
