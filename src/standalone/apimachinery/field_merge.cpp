#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "standalone/apimachinery/field_set.h"
#include "standalone/apimachinery/fields.h"

namespace weft::standalone {

using kube::Schema;

namespace {

enum class Shape { leaf, object, keyed_list, set };

/// How a value is taken apart. What the schema does not describe is taken apart by field; its lists are
/// atomic.
Shape shape_of(const json::value& value, const Schema* schema) {
  if (value.is_object()) return schema && is_atomic(*schema) ? Shape::leaf : Shape::object;
  if (!value.is_array() || !schema) return Shape::leaf;
  if (schema->list_type == Schema::ListType::map && !schema->list_keys.empty()) return Shape::keyed_list;
  if (schema->list_type == Schema::ListType::set) return Shape::set;
  return Shape::leaf;
}

const Schema* items_of(const Schema* schema) { return schema ? schema->items.get() : nullptr; }

/// "f:name" when the schema of a map or object says nothing else.
std::string field_edge(std::string_view name) { return fmt::format("f:{}", name); }

/// The edge to an element of a list: its keys (with the schema's defaults for those left out), or its value.
std::string element_edge(const json::value& element, const Schema& list) {
  if (list.list_type != Schema::ListType::map) return "v:" + json::serialize(element);
  std::map<std::string, json::value> keys;
  for (const auto& name : list.list_keys) {
    const auto* value = kube::member(element, name);
    const auto* field = list.items ? list.items->find(name) : nullptr;
    if (value && !value->is_null()) {
      keys[name] = *value;
    } else if (field && field->default_value) {
      keys[name] = *field->default_value;
    }
  }
  json::object out;
  for (auto& [name, value] : keys) out[name] = std::move(value);
  return "k:" + json::serialize(out);
}

/// Elements by edge; the first of several with the same.
std::unordered_map<std::string, const json::value*> index(const json::value& list, const Schema& schema) {
  std::unordered_map<std::string, const json::value*> out;
  if (const auto* array = list.if_array()) {
    for (const auto& element : *array) out.emplace(element_edge(element, schema), &element);
  }
  return out;
}

const json::value& nothing() {
  static const json::value null;
  return null;
}

void add_fields(FieldSet& out, const json::value& value, const Schema* schema) {
  switch (shape_of(value, schema)) {
    case Shape::leaf:
      return out.insert();
    case Shape::object:
      if (value.get_object().empty()) return out.insert();
      for (const auto& [key, element] : value.get_object()) {
        add_fields(out.make_child(field_edge(key)), element, member_schema(schema, key));
      }
      return;
    case Shape::keyed_list:
    case Shape::set:
      if (value.get_array().empty()) return out.insert();
      for (const auto& element : value.get_array()) {
        auto& below = out.make_child(element_edge(element, *schema));
        add_fields(below, element, items_of(schema));
        below.insert();
      }
      return;
  }
}

/// A container that came or went is a member itself, but for plain objects, which are there even when empty.
bool counts_itself(const Schema* schema, Shape shape) {
  return shape != Shape::object || (schema && schema->type == Schema::Type::map);
}

void add_whole(FieldSet& out, const json::value& value, const Schema* schema) {
  auto shape = shape_of(value, schema);
  add_fields(out, value, schema);
  if (shape == Shape::object) {
    for (const auto& [key, element] : value.get_object()) {
      add_whole(out.make_child(field_edge(key)), element, member_schema(schema, key));
    }
  } else if (shape != Shape::leaf) {
    for (const auto& element : value.get_array()) {
      add_whole(out.make_child(element_edge(element, *schema)), element, items_of(schema));
    }
  }
  if (counts_itself(schema, shape)) out.insert();
}

/// Builds both sides of a difference.
class Comparer {
 public:
  static void compare(const json::value* before, const json::value* after, const Schema* schema,
                      FieldSet& changed, FieldSet& removed) {
    if (!before && !after) return;
    if (!before) return add_whole(changed, *after, schema);
    if (!after) return add_whole(removed, *before, schema);
    if (*before == *after) return;
    auto shape = shape_of(*after, schema);
    if (shape == Shape::leaf || shape != shape_of(*before, schema)) return changed.insert();
    if (shape == Shape::object) {
      objects(before->get_object(), after->get_object(), schema, changed, removed);
    } else {
      lists(*before, *after, *schema, changed, removed);
    }
  }

 private:
  static void objects(const json::object& before, const json::object& after, const Schema* schema,
                      FieldSet& changed, FieldSet& removed) {
    for (const auto& [key, value] : after) {
      descend(before.if_contains(key), &value, member_schema(schema, key), field_edge(key), changed, removed);
    }
    for (const auto& [key, value] : before) {
      if (!after.contains(key)) {
        descend(&value, nullptr, member_schema(schema, key), field_edge(key), changed, removed);
      }
    }
  }

  static void lists(const json::value& before, const json::value& after, const Schema& schema,
                    FieldSet& changed, FieldSet& removed) {
    auto old_elements = index(before, schema);
    auto new_elements = index(after, schema);
    for (const auto& [edge, element] : new_elements) {
      auto old = old_elements.find(edge);
      descend(old == old_elements.end() ? nullptr : old->second, element, items_of(&schema), edge, changed,
              removed);
    }
    for (const auto& [edge, element] : old_elements) {
      if (!new_elements.contains(edge)) {
        descend(element, nullptr, items_of(&schema), edge, changed, removed);
      }
    }
  }

  static void descend(const json::value* before, const json::value* after, const Schema* schema,
                      const std::string& edge, FieldSet& changed, FieldSet& removed) {
    FieldSet changed_below;
    FieldSet removed_below;
    compare(before, after, schema, changed_below, removed_below);
    // An element of a list is a member when it comes or goes.
    if (!edge.starts_with("f:")) {
      if (!before) changed_below.insert();
      if (!after) removed_below.insert();
    }
    if (!changed_below.empty()) changed.make_child(edge) = std::move(changed_below);
    if (!removed_below.empty()) removed.make_child(edge) = std::move(removed_below);
  }
};

/// The elements in the applied order; those that only the live list has keep their places before and between
/// them.
json::value merge_lists(const json::value& live, const json::value& applied, const Schema& schema) {
  const auto& left = live.get_array();
  const auto& right = applied.get_array();
  auto edges_of = [&](const json::array& list) {
    std::vector<std::string> edges;
    for (const auto& element : list) edges.push_back(element_edge(element, schema));
    return edges;
  };
  auto left_edges = edges_of(left);
  auto right_edges = edges_of(right);
  std::unordered_map<std::string, const json::value*> by_left = index(live, schema);
  std::set<std::string> wanted(right_edges.begin(), right_edges.end());
  std::set<std::string> done;
  json::array out;
  size_t l = 0;
  for (size_t r = 0; r < right.size(); ++r) {
    // What stands here in the live list alone, or was merged out of its turn.
    while (l < left.size() && (!wanted.contains(left_edges[l]) || done.contains(left_edges[l]))) {
      if (!wanted.contains(left_edges[l])) out.push_back(left[l]);
      ++l;
    }
    const auto& edge = right_edges[r];
    auto there = by_left.find(edge);
    out.push_back(there == by_left.end() ? right[r]
                                         : merge_applied(*there->second, right[r], items_of(&schema)));
    done.insert(edge);
  }
  for (; l < left.size(); ++l) {
    if (!wanted.contains(left_edges[l])) out.push_back(left[l]);
  }
  return out;
}

bool owns_something(const FieldSet* set) { return set && !set->empty(); }

}  // namespace

FieldSet FieldSet::of(const json::value& value, const Schema* schema) {
  FieldSet out;
  add_fields(out, value, schema);
  return out;
}

FieldDifference compare_fields(const json::value& before, const json::value& after, const Schema* schema) {
  FieldDifference out;
  static const json::value none = json::object();
  Comparer::compare(before.is_null() ? &none : &before, after.is_null() ? &none : &after, schema, out.changed,
                    out.removed);
  return out;
}

json::value merge_applied(const json::value& live, const json::value& applied, const Schema* schema) {
  auto shape = shape_of(applied, schema);
  if (shape == Shape::leaf || shape != shape_of(live, schema)) return applied;
  if (shape != Shape::object) return merge_lists(live, applied, *schema);
  json::object out = live.get_object();
  for (const auto& [key, value] : applied.get_object()) {
    const auto* there = out.if_contains(key);
    out[key] = merge_applied(there ? *there : nothing(), value, member_schema(schema, key));
  }
  return out;
}

void remove_fields(json::value& value, const FieldSet& last, const FieldSet& owned, const Schema* schema) {
  auto shape = shape_of(value, schema);
  if (shape == Shape::object) {
    auto& object = value.get_object();
    for (const auto& [edge, below] : last.children()) {
      if (!edge.starts_with("f:")) continue;
      auto name = edge.substr(2);
      auto* element = object.if_contains(name);
      if (!element) continue;
      const auto* kept = owned.child(edge);
      if (!owns_something(kept)) {
        object.erase(name);
      } else {
        remove_fields(*element, below, *kept, member_schema(schema, name));
      }
    }
  } else if (shape != Shape::leaf) {
    auto& array = value.get_array();
    json::array out;
    for (auto& element : array) {
      auto edge = element_edge(element, *schema);
      const auto* below = last.child(edge);
      const auto* kept = owned.child(edge);
      if (below && !owns_something(kept)) continue;
      if (below) remove_fields(element, *below, *kept, items_of(schema));
      out.push_back(std::move(element));
    }
    array = std::move(out);
  }
}

Expected<void> check_list_keys(const json::value& value, const Schema* schema, const std::string& path) {
  switch (shape_of(value, schema)) {
    case Shape::leaf:
      return {};
    case Shape::object:
      for (const auto& [key, element] : value.get_object()) {
        WEFT_CHECK(check_list_keys(element, member_schema(schema, key),
                                   fmt::format("{}.{}", path, std::string_view(key))));
      }
      return {};
    case Shape::keyed_list:
    case Shape::set:
      break;
  }
  std::set<std::string> seen;
  const auto& array = value.get_array();
  for (size_t i = 0; i < array.size(); ++i) {
    auto edge = element_edge(array[i], *schema);
    if (schema->list_type == Schema::ListType::map) {
      for (const auto& key : schema->list_keys) {
        auto parsed = json::parse(edge.substr(2));
        if (parsed.get_object().contains(key)) continue;
        return fail(
            ErrorCode::invalid,
            fmt::format("{}: element {}: associative list with keys has an element that omits key field "
                        "\"{}\" (and doesn't have default value)",
                        path, i, key));
      }
    }
    if (!seen.insert(edge).second) {
      return fail(ErrorCode::invalid, fmt::format("{}: duplicate entries for key {}", path, edge.substr(2)));
    }
    WEFT_CHECK(check_list_keys(array[i], items_of(schema), fmt::format("{}[{}]", path, i)));
  }
  return {};
}

}  // namespace weft::standalone
