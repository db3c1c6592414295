#include "kube/reflect.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>

#include "kube/base64.h"
#include "kube/shapes.h"
#include "kube/time.h"

namespace weft::kube::reflect {
namespace {

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

void append_path(const Place& place, std::string& out) {
  if (!place.parent) return;
  append_path(*place.parent, out);
  if (place.is_index) {
    append_index(out, place.index);
  } else {
    append_key(out, place.key);
  }
}

bool refuse(const Place& place, std::string_view what, std::string& error) {
  error = complaint(place, what);
  return false;
}

template <class Int>
bool read_int(const json::value& value, void* out, const Place& place, std::string& error) {
  if (!value.is_int64() && !value.is_uint64()) return wrong_type(place, "an integer", value, error);
  constexpr auto kBits = std::numeric_limits<Int>::digits + 1;
  bool fits = value.is_int64() && std::in_range<Int>(value.get_int64());
  if (!fits) {
    return refuse(place,
                  "expected an integer of " + std::to_string(kBits) + " bits, got " + json::serialize(value),
                  error);
  }
  *static_cast<Int*>(out) = static_cast<Int>(value.get_int64());
  return true;
}

template <class T>
json::value write_plain(const void* object) {
  return json::value(*static_cast<const T*>(object));
}

template <class T>
bool empty_plain(const void* object) {
  return *static_cast<const T*>(object) == T{};
}

SchemaPtr string_schema() { return scalar_schema(Schema::Type::string); }
SchemaPtr bool_schema() { return scalar_schema(Schema::Type::boolean); }
SchemaPtr int32_schema() { return scalar_schema(Schema::Type::integer, "int32"); }
SchemaPtr int64_schema() { return scalar_schema(Schema::Type::integer, "int64"); }
SchemaPtr double_schema() { return scalar_schema(Schema::Type::number, "double"); }

bool read_string(const json::value& value, void* out, const Place& place, std::string& error) {
  const auto* text = value.if_string();
  if (!text) return wrong_type(place, "a string", value, error);
  static_cast<std::string*>(out)->assign(text->data(), text->size());
  return true;
}

bool read_bool(const json::value& value, void* out, const Place& place, std::string& error) {
  if (!value.is_bool()) return wrong_type(place, "a boolean", value, error);
  *static_cast<bool*>(out) = value.get_bool();
  return true;
}

bool read_double(const json::value& value, void* out, const Place& place, std::string& error) {
  if (!value.is_number()) return wrong_type(place, "a number", value, error);
  *static_cast<double*>(out) = value.to_number<double>();
  return true;
}

bool read_json(const json::value& value, void* out, const Place&, std::string&) {
  *static_cast<json::value*>(out) = value;
  return true;
}

bool empty_json(const void* object) { return static_cast<const json::value*>(object)->is_null(); }

bool read_int_or_string(const json::value& value, void* out, const Place& place, std::string& error) {
  auto& both = *static_cast<IntOrString*>(out);
  if (value.is_string()) {
    return read_string(value, &both.value.emplace<std::string>(), place, error);
  }
  if (!value.is_number()) return wrong_type(place, "an integer or a string", value, error);
  return read_int<int32_t>(value, &both.value.emplace<int32_t>(), place, error);
}

json::value write_int_or_string(const void* object) {
  const auto& both = *static_cast<const IntOrString*>(object);
  return both.is_int() ? json::value(both.number()) : json::value(std::get<std::string>(both.value));
}

/// Numbers in a quantity or a map of quantities as their text.
json::value quantity_text(const json::value& value) {
  if (value.is_number()) return json::value(json::serialize(value));
  if (!value.is_object()) return value;
  json::object out;
  for (const auto& [key, element] : value.get_object()) {
    out.emplace(key, element.is_number() ? json::value(json::serialize(element)) : element);
  }
  return out;
}

bool check_time(const json::value& value, const Place& place, std::string& error) {
  const auto* text = value.if_string();
  if (!text || text->empty() || parse_time(*text)) return true;
  return refuse(place, "expected a time as in 2026-01-02T03:04:05Z, got \"" + std::string(*text) + "\"",
                error);
}

bool check_bytes(const json::value& value, const Place& place, std::string& error) {
  if (const auto* text = value.if_string()) {
    return decode_base64(*text) || refuse(place, "expected base64, got something else", error);
  }
  const auto* map = value.if_object();
  if (!map) return true;
  for (const auto& [key, element] : *map) {
    if (!check_bytes(element, {&place, key}, error)) return false;
  }
  return true;
}

bool read_field(const FieldInfo& field, const json::value& value, void* out, const Place& place,
                std::string& error) {
  switch (field.meta.format) {
    case FieldMeta::Format::none:
      break;
    case FieldMeta::Format::time:
    case FieldMeta::Format::micro_time:
      if (!check_time(value, place, error)) return false;
      break;
    case FieldMeta::Format::bytes:
      if (!check_bytes(value, place, error)) return false;
      break;
    case FieldMeta::Format::quantity:
      return field.codec->read(quantity_text(value), out, place, error);
  }
  return field.codec->read(value, out, place, error);
}

const void* at_offset(const void* object, size_t offset) { return static_cast<const char*>(object) + offset; }
void* at_offset(void* object, size_t offset) { return static_cast<char*>(object) + offset; }

/// Replaces the innermost item of lists and maps.
SchemaPtr with_innermost(const SchemaPtr& schema, const SchemaPtr& inner) {
  if (schema->type == Schema::Type::array) return array_of(with_innermost(schema->items, inner));
  if (schema->type == Schema::Type::map) return map_of(with_innermost(schema->items, inner));
  return inner;
}

SchemaPtr formatted(const FieldMeta& meta, SchemaPtr schema) {
  switch (meta.format) {
    case FieldMeta::Format::none:
      return schema;
    case FieldMeta::Format::time:
      return with_innermost(schema, time_schema());
    case FieldMeta::Format::micro_time:
      return with_innermost(schema, micro_time_schema());
    case FieldMeta::Format::quantity:
      return with_innermost(schema, quantity_schema());
    case FieldMeta::Format::bytes:
      return with_innermost(schema, bytes_schema());
  }
  return schema;
}

SchemaPtr field_schema(const FieldInfo& field) {
  const auto& meta = field.meta;
  SchemaPtr schema = field.codec ? formatted(meta, field.codec->schema()) : shape(meta.shape_name);
  if (field.codec && !meta.shape_name.empty()) schema = with_innermost(schema, shape(meta.shape_name));
  bool plain = meta.choices.empty() && meta.list_type == Schema::ListType::atomic && !meta.merges &&
               !meta.retains_keys && !meta.map_atomic;
  if (plain) return schema;
  auto own = std::make_shared<Schema>(*schema);
  for (auto choice : meta.choices) own->enum_values.emplace_back(choice);
  own->list_type = meta.list_type;
  for (auto key : meta.list_keys) own->list_keys.emplace_back(key);
  own->patch_merge = meta.merges;
  own->patch_merge_key = meta.merge_key;
  own->patch_retain_keys = meta.retains_keys;
  own->map_atomic |= meta.map_atomic;
  return own;
}

void add_type_fields(Schema& schema) {
  schema.fields.push_back({.name = "apiVersion",
                           .schema = string_schema(),
                           .doc = "Group and version of the API this object is written in.",
                           .required = false,
                           .default_value = {}});
  schema.fields.push_back({.name = "kind",
                           .schema = string_schema(),
                           .doc = "What the object is.",
                           .required = false,
                           .default_value = {}});
}

}  // namespace

const Codec kString = {read_string, write_plain<std::string>, empty_plain<std::string>, string_schema};
const Codec kBool = {read_bool, write_plain<bool>, empty_plain<bool>, bool_schema};
const Codec kInt32 = {read_int<int32_t>, write_plain<int32_t>, empty_plain<int32_t>, int32_schema};
const Codec kInt64 = {read_int<int64_t>, write_plain<int64_t>, empty_plain<int64_t>, int64_schema};
const Codec kDouble = {read_double, write_plain<double>, empty_plain<double>, double_schema};
const Codec kJson = {read_json, write_plain<json::value>, empty_json, [] { return any_schema(); }};
const Codec kIntOrString = {read_int_or_string, write_int_or_string, empty_plain<IntOrString>,
                            [] { return int_or_string_schema(); }};

std::string complaint(const Place& place, std::string_view what) {
  std::string out;
  append_path(place, out);
  if (!out.empty()) out += ": ";
  return out.append(what);
}

bool wrong_type(const Place& place, std::string_view wanted, const json::value& got, std::string& error) {
  std::string what("expected ");
  what.append(wanted).append(", got ").append(kind_of(got));
  return refuse(place, what, error);
}

const FieldInfo* TypeInfo::find(std::string_view name) const {
  auto at = std::ranges::lower_bound(by_name, name, {}, [](const auto& entry) { return entry.first; });
  return at != by_name.end() && at->first == name ? at->second : nullptr;
}

bool read_object(const TypeInfo& type, const json::value& value, void* out, const Place& place,
                 std::string& error) {
  const auto* object = value.if_object();
  if (!object) return wrong_type(place, "an object", value, error);
  auto& unknown = *static_cast<json::object*>(at_offset(out, type.unknown_offset));
  for (const auto& [key, element] : *object) {
    if (const auto* field = type.find(key)) {
      if (element.is_null()) continue;
      if (!read_field(*field, element, at_offset(out, field->offset), {&place, key}, error)) return false;
    } else if (!type.resource || (key != "apiVersion" && key != "kind")) {
      unknown.emplace(key, element);
    }
  }
  return true;
}

json::object write_object(const TypeInfo& type, const void* object) {
  json::object out;
  if (type.resource) {
    out.emplace("apiVersion", type.resource->api_version());
    out.emplace("kind", type.resource->kind);
  }
  for (const auto& field : type.fields) {
    if (!field.codec) continue;
    const void* part = at_offset(object, field.offset);
    if (field.meta.keep || !field.codec->empty(part)) out.emplace(field.meta.name, field.codec->write(part));
  }
  for (const auto& [key, value] : *static_cast<const json::object*>(at_offset(object, type.unknown_offset))) {
    out.emplace(key, value);
  }
  return out;
}

bool empty_object(const TypeInfo& type, const void* object) {
  if (!static_cast<const json::object*>(at_offset(object, type.unknown_offset))->empty()) return false;
  return std::ranges::all_of(type.fields, [&](const FieldInfo& field) {
    return !field.codec || field.codec->empty(at_offset(object, field.offset));
  });
}

SchemaPtr array_of(SchemaPtr items) {
  auto schema = std::make_shared<Schema>();
  schema->type = Schema::Type::array;
  schema->items = std::move(items);
  return schema;
}

SchemaPtr map_of(SchemaPtr values) {
  auto schema = std::make_shared<Schema>();
  schema->type = Schema::Type::map;
  schema->items = std::move(values);
  return schema;
}

SchemaPtr build_schema(const TypeInfo& type) {
  auto schema = std::make_shared<Schema>();
  schema->type = Schema::Type::object;
  schema->ref_name = type.ref;
  schema->doc = type.doc;
  if (type.resource) add_type_fields(*schema);
  for (const auto& field : type.fields) {
    schema->fields.push_back({.name = std::string(field.meta.name),
                              .schema = field_schema(field),
                              .doc = std::string(field.meta.doc_text),
                              .required = field.meta.is_required,
                              .default_value = field.meta.default_value});
  }
  return schema;
}

TypeInfo make_type_info(std::string_view ref, std::string_view doc, std::vector<FieldInfo> members,
                        std::vector<FieldMeta> said) {
  TypeInfo info;
  info.ref = ref;
  info.doc = doc;
  info.fields = std::move(members);
  for (auto& field : info.fields) {
    // A C++ keyword stands with an underscore after it.
    if (field.meta.name.ends_with('_')) field.meta.name.remove_suffix(1);
  }
  for (auto& meta : said) {
    auto at = std::ranges::find(info.fields, meta.name, [](const FieldInfo& f) { return f.meta.name; });
    if (at != info.fields.end()) {
      at->meta = std::move(meta);
    } else {
      assert(!meta.shape_name.empty() && "a description names a field that is no member");
      info.fields.push_back({.meta = std::move(meta)});
    }
  }
  for (const auto& field : info.fields) {
    if (field.codec) info.by_name.emplace_back(field.meta.name, &field);
  }
  std::ranges::sort(info.by_name, {}, [](const auto& entry) { return entry.first; });
  return info;
}

}  // namespace weft::kube::reflect

namespace weft::kube {

const Schema::Field* Schema::find(std::string_view name) const {
  auto at = std::ranges::find(fields, name, &Field::name);
  return at == fields.end() ? nullptr : &*at;
}

}  // namespace weft::kube
