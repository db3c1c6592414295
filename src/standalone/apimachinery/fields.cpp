#include "standalone/apimachinery/fields.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>

#include <algorithm>
#include <set>

#include "kube/codec.h"
#include "kube/meta.h"

namespace weft::standalone {

using kube::Schema;
using Type = Schema::Type;

namespace {

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

const Schema& embedded_metadata() { return *kube::schema_of<kube::ObjectMeta>(); }

void prune_into(json::value& value, const Schema& schema, const std::string& path,
                std::vector<std::string>& unknown) {
  if (value.is_array() && schema.items) {
    auto& array = value.get_array();
    for (size_t i = 0; i < array.size(); ++i) {
      prune_into(array[i], *schema.items, fmt::format("{}[{}]", path, i), unknown);
    }
    return;
  }
  if (!value.is_object() || schema.type == Type::any) return;
  auto& object = value.get_object();
  if (schema.type == Type::map) {
    if (!schema.items) return;
    for (auto& [key, element] : object) prune_into(element, *schema.items, join(path, key), unknown);
    return;
  }
  if (schema.type != Type::object) return;
  std::vector<std::string> dropped;
  for (auto& [key, element] : object) {
    bool embedded = schema.embedded_resource && (key == "apiVersion" || key == "kind" || key == "metadata");
    if (const auto* field = schema.find(key)) {
      prune_into(element, *field->schema, join(path, key), unknown);
    } else if (embedded) {
      if (key == "metadata") prune_into(element, embedded_metadata(), join(path, key), unknown);
    } else if (!schema.preserve_unknown) {
      dropped.emplace_back(key);
    }
  }
  for (const auto& key : dropped) {
    unknown.push_back(fmt::format("unknown field \"{}\"", join(path, key)));
    object.erase(key);
  }
}

/// The handler of boost::json::basic_parser: it only looks at keys.
struct DuplicateFinder {
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);
  using Code = boost::system::error_code;

  struct Level {
    bool array = false;
    size_t index = 0;
    std::string step;  ///< the key that is being read
    std::set<std::string, std::less<>> keys = {};
  };
  std::vector<Level> levels;
  std::string key;
  std::vector<std::string> found;

  std::string path() const {
    std::string out;
    for (const auto& level : levels) {
      if (level.array) {
        out += fmt::format("[{}]", level.index);
      } else {
        out = join(out, level.step);
      }
    }
    return out;
  }
  void value_ends() {
    if (!levels.empty() && levels.back().array) ++levels.back().index;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return levels.emplace_back(), true; }
  bool on_object_end(size_t, Code&) { return levels.pop_back(), value_ends(), true; }
  bool on_array_begin(Code&) { return levels.emplace_back().array = true; }
  bool on_array_end(size_t, Code&) { return levels.pop_back(), value_ends(), true; }
  bool on_key_part(json::string_view part, size_t, Code&) { return key += part, true; }
  bool on_key(json::string_view part, size_t, Code&) {
    auto& level = levels.back();
    level.step = std::move(key += part);
    key.clear();
    if (!level.keys.insert(level.step).second) {
      auto line = fmt::format("duplicate field \"{}\"", path());
      if (std::ranges::find(found, line) == found.end()) found.push_back(std::move(line));
    }
    return true;
  }
  bool on_string_part(json::string_view, size_t, Code&) { return true; }
  bool on_string(json::string_view, size_t, Code&) { return value_ends(), true; }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(int64_t, json::string_view, Code&) { return value_ends(), true; }
  bool on_uint64(uint64_t, json::string_view, Code&) { return value_ends(), true; }
  bool on_double(double, json::string_view, Code&) { return value_ends(), true; }
  bool on_bool(bool, Code&) { return value_ends(), true; }
  bool on_null(Code&) { return value_ends(), true; }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }
};

/// What a Go value of this default looks like in JSON: an empty name in core types has omitempty.
bool is_left_out(const Schema& parent, const Schema::Field& field) {
  return field.name == "name" && parent.ref_name.starts_with("io.k8s.api.core.") &&
         *field.default_value == json::value("");
}

}  // namespace

const Schema* member_schema(const Schema* schema, std::string_view name) {
  if (!schema) return nullptr;
  if (schema->type == Type::map) return schema->items.get();
  if (const auto* field = schema->find(name)) return field->schema.get();
  if (schema->embedded_resource && name == "metadata") return &embedded_metadata();
  return nullptr;
}

bool is_atomic(const Schema& schema) {
  if (schema.map_atomic) return true;
  static constexpr std::string_view kTypes[] = {
      "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
      "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
      "io.k8s.api.core.v1.ConfigMapKeySelector",
      "io.k8s.api.core.v1.FileKeySelector",
      "io.k8s.api.core.v1.LocalObjectReference",
      "io.k8s.api.core.v1.NodeSelector",
      "io.k8s.api.core.v1.NodeSelectorTerm",
      "io.k8s.api.core.v1.ObjectFieldSelector",
      "io.k8s.api.core.v1.ObjectReference",
      "io.k8s.api.core.v1.ResourceFieldSelector",
      "io.k8s.api.core.v1.SecretKeySelector",
      "io.k8s.api.core.v1.SecretReference",
      "io.k8s.api.core.v1.TypedLocalObjectReference",
  };
  return schema.type == Type::object && std::ranges::find(kTypes, schema.ref_name) != std::end(kTypes);
}

std::vector<std::string> prune(json::value& value, const Schema& schema) {
  std::vector<std::string> unknown;
  prune_into(value, schema, {}, unknown);
  return unknown;
}

std::vector<std::string> duplicate_fields(std::string_view json_text) {
  json::parse_options options;
  options.max_depth = 256;
  json::basic_parser<DuplicateFinder> parser(options);
  boost::system::error_code error;
  parser.write_some(false, json_text.data(), json_text.size(), error);
  if (error) return {};
  return std::move(parser.handler().found);
}

Error cannot_handle(std::string_view kind, std::string_view api_version, std::string_view detail) {
  return {ErrorCode::bad_request, fmt::format("{} in version \"{}\" cannot be handled as a {}: {}", kind,
                                              api_version.substr(api_version.find('/') + 1), kind, detail)};
}

std::string strict_detail(const std::vector<std::string>& problems) {
  return fmt::format("strict decoding error: {}", fmt::join(problems, ", "));
}

void apply_defaults(json::value& value, const Schema& schema) {
  if (value.is_array() && schema.items) {
    for (auto& element : value.get_array()) apply_defaults(element, *schema.items);
    return;
  }
  if (!value.is_object()) return;
  auto& object = value.get_object();
  if (schema.type == Type::map) {
    if (!schema.items) return;
    for (auto& [key, element] : object) apply_defaults(element, *schema.items);
    return;
  }
  for (const auto& field : schema.fields) {
    auto* there = object.if_contains(field.name);
    bool absent = !there || (there->is_null() && !field.schema->nullable);
    if (absent && field.default_value && !is_left_out(schema, field)) {
      object[field.name] = *field.default_value;
      there = object.if_contains(field.name);
    } else if (absent && there) {
      object.erase(field.name);
      continue;
    }
    if (there) apply_defaults(*there, *field.schema);
  }
}

void drop_nulls(json::value& value, const Schema& schema) {
  if (value.is_array() && schema.items) {
    for (auto& element : value.get_array()) drop_nulls(element, *schema.items);
    return;
  }
  if (!value.is_object() || schema.type == Type::any) return;
  auto& object = value.get_object();
  for (auto at = object.begin(); at != object.end();) {
    const auto* next = member_schema(&schema, at->key());
    if (at->value().is_null() && next && next->type != Type::any) {
      at = object.erase(at);
      continue;
    }
    if (next) drop_nulls(at->value(), *next);
    ++at;
  }
}

}  // namespace weft::standalone
