#include "standalone/apimachinery/field_set.h"

#include <algorithm>
#include <array>

namespace weft::standalone {

using kube::Schema;
using Type = Schema::Type;

namespace {

/// metadata that belongs to the server, not to a manager.
bool unmanaged_metadata(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames{"name",       "namespace",     "creationTimestamp",
                                                          "selfLink",   "uid",           "resourceVersion",
                                                          "generation", "managedFields", "clusterName"};
  return std::ranges::find(kNames, name) != kNames.end();
}

bool is_keyed_list(const Schema* schema) {
  return schema && schema->type == Type::array && schema->list_type == Schema::ListType::map &&
         !schema->list_keys.empty();
}

bool is_set(const Schema* schema) {
  return schema && schema->type == Type::array && schema->list_type == Schema::ListType::set;
}

bool is_granular_object(const json::value& value, const Schema* schema) {
  return value.is_object() && !(schema && schema->map_atomic);
}

const Schema* member_schema(const Schema* schema, std::string_view name) {
  if (!schema) return nullptr;
  if (schema->type == Type::map) return schema->items.get();
  const auto* field = schema->find(name);
  return field ? field->schema.get() : nullptr;
}

/// "k:{…}" of an element: the values of its keys, with the schema's defaults for absent ones.
std::string key_edge(const json::value& element, const Schema& list) {
  std::map<std::string, json::value> keys;
  for (const auto& name : list.list_keys) {
    const auto* value = kube::member(element, name);
    const auto* field = list.items ? list.items->find(name) : nullptr;
    if (value) {
      keys[name] = *value;
    } else if (field && field->default_value) {
      keys[name] = *field->default_value;
    }
  }
  json::object out;
  for (auto& [name, value] : keys) out[name] = std::move(value);
  return "k:" + json::serialize(out);
}

template <class Value, class Array>
Value* element_of(Array& array, const std::string& edge) {
  boost::system::error_code error;
  auto wanted = json::parse(edge.substr(2), error);
  if (error) return nullptr;
  for (auto& element : array) {
    if (edge.starts_with("v:")) {
      if (element == wanted) return &element;
      continue;
    }
    if (!wanted.is_object()) return nullptr;
    bool same = std::ranges::all_of(wanted.get_object(), [&](const auto& pair) {
      const auto* value = kube::member(element, pair.key());
      // A key that was defaulted is absent from what a client sends.
      return value ? *value == pair.value() : pair.key() == "protocol" && pair.value() == "TCP";
    });
    if (same) return &element;
  }
  return nullptr;
}

json::value* follow_mutable(json::value& value, const std::string& edge) {
  if (edge.starts_with("f:"))
    return value.is_object() ? value.get_object().if_contains(edge.substr(2)) : nullptr;
  return value.is_array() ? element_of<json::value>(value.get_array(), edge) : nullptr;
}

}  // namespace

const json::value* follow(const json::value& value, const std::string& edge) {
  if (edge.starts_with("f:")) return kube::member(value, edge.substr(2));
  return value.is_array() ? element_of<const json::value>(value.get_array(), edge) : nullptr;
}

void FieldSet::add(const json::value& value, const Schema* schema, bool is_root) {
  if (is_granular_object(value, schema)) {
    if (!is_root && value.get_object().empty()) member_ = true;
    for (const auto& [key, element] : value.get_object()) {
      if (is_root && (key == "apiVersion" || key == "kind")) continue;
      auto& child = children_["f:" + std::string(key)];
      const auto* next = member_schema(schema, key);
      if (is_root && key == "metadata" && element.is_object()) {
        for (const auto& [name, part] : element.get_object()) {
          if (!unmanaged_metadata(name))
            child.children_["f:" + std::string(name)].add(part, member_schema(next, name), false);
        }
        if (child.children_.empty()) children_.erase("f:metadata");
      } else {
        child.add(element, next, false);
      }
    }
    return;
  }
  if (value.is_array() && is_keyed_list(schema)) {
    for (const auto& element : value.get_array()) {
      auto& child = children_[key_edge(element, *schema)];
      child.member_ = true;
      child.add(element, schema->items.get(), false);
    }
    if (value.get_array().empty()) member_ = true;
    return;
  }
  if (value.is_array() && is_set(schema)) {
    for (const auto& element : value.get_array()) children_["v:" + json::serialize(element)].member_ = true;
    return;
  }
  member_ = true;
}

FieldSet FieldSet::of(const json::value& value, const Schema& schema) {
  FieldSet out;
  out.add(value, &schema, true);
  return out;
}

FieldSet FieldSet::difference(const json::value& before, const json::value& after, const Schema& schema) {
  return of(before, schema).unite(of(after, schema)).where_different(&before, &after);
}

FieldSet FieldSet::where_different(const json::value* a, const json::value* b) const {
  FieldSet out;
  if (a && b && *a == *b) return out;
  if (member_ && (children_.empty() || !a || !b)) out.member_ = true;
  for (const auto& [edge, child] : children_) {
    auto different = child.where_different(a ? follow(*a, edge) : nullptr, b ? follow(*b, edge) : nullptr);
    if (!different.empty()) out.children_[edge] = std::move(different);
  }
  return out;
}

FieldSet FieldSet::from_json(const json::value& fields_v1) {
  FieldSet out;
  if (!fields_v1.is_object()) return out;
  if (fields_v1.get_object().empty()) out.member_ = true;
  for (const auto& [key, value] : fields_v1.get_object()) {
    if (key == ".") {
      out.member_ = true;
    } else {
      out.children_[std::string(key)] = from_json(value);
    }
  }
  return out;
}

json::object FieldSet::to_json() const {
  json::object out;
  if (member_ && !children_.empty()) out["."] = json::object();
  for (const auto& [edge, child] : children_) out[edge] = child.to_json();
  return out;
}

FieldSet FieldSet::unite(const FieldSet& other) const {
  FieldSet out = *this;
  out.member_ |= other.member_;
  for (const auto& [edge, child] : other.children_) out.children_[edge] = out.children_[edge].unite(child);
  return out;
}

FieldSet FieldSet::intersect(const FieldSet& other) const {
  FieldSet out;
  out.member_ = member_ && other.member_;
  for (const auto& [edge, child] : children_) {
    auto found = other.children_.find(edge);
    if (found == other.children_.end()) continue;
    auto both = child.intersect(found->second);
    if (!both.empty()) out.children_[edge] = std::move(both);
  }
  return out;
}

FieldSet FieldSet::without(const FieldSet& other) const {
  FieldSet out;
  out.member_ = member_ && !other.member_;
  for (const auto& [edge, child] : children_) {
    auto found = other.children_.find(edge);
    auto rest = found == other.children_.end() ? child : child.without(found->second);
    if (!rest.empty()) out.children_[edge] = std::move(rest);
  }
  return out;
}

void FieldSet::remove_from(json::value& value) const {
  for (const auto& [edge, child] : children_) {
    auto* there = follow_mutable(value, edge);
    if (!there) continue;
    if (!child.member_) {
      child.remove_from(*there);
      continue;
    }
    if (value.is_object()) {
      value.get_object().erase(edge.substr(2));
    } else {
      auto& array = value.get_array();
      array.erase(array.begin() + (there - array.data()));
    }
  }
}

FieldSet FieldSet::existing_in(const json::value& value) const {
  FieldSet out;
  out.member_ = member_;
  for (const auto& [edge, child] : children_) {
    const auto* there = follow(value, edge);
    if (!there) continue;
    auto rest = child.existing_in(*there);
    if (!rest.empty()) out.children_[edge] = std::move(rest);
  }
  return out;
}

std::string FieldSet::print_edge(const std::string& edge) {
  if (edge.starts_with("f:")) return "." + edge.substr(2);
  if (edge.starts_with("v:")) return "[=" + edge.substr(2) + "]";
  boost::system::error_code error;
  auto keys = json::parse(edge.substr(2), error);
  if (error || !keys.is_object()) return "[" + edge + "]";
  std::string out;
  for (const auto& [name, value] : keys.get_object()) {
    out += (out.empty() ? "" : ",") + std::string(name) + "=" + json::serialize(value);
  }
  return "[" + out + "]";
}

json::value merge_typed(json::value live, const json::value& applied, const Schema* schema) {
  if (is_granular_object(applied, schema) && live.is_object()) {
    auto& object = live.get_object();
    for (const auto& [key, value] : applied.get_object()) {
      auto* there = object.if_contains(key);
      object[key] = there ? merge_typed(std::move(*there), value, member_schema(schema, key)) : value;
    }
    return live;
  }
  if (applied.is_array() && live.is_array() && (is_keyed_list(schema) || is_set(schema))) {
    auto& array = live.get_array();
    for (const auto& element : applied.get_array()) {
      auto edge = is_set(schema) ? "v:" + json::serialize(element) : key_edge(element, *schema);
      auto* there = element_of<json::value>(array, edge);
      if (!there) {
        array.push_back(element);
      } else {
        *there = merge_typed(std::move(*there), element, schema->items.get());
      }
    }
    return live;
  }
  return applied;
}

}  // namespace weft::standalone
