#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/patch.h"

namespace weft::standalone {

using kube::Schema;

namespace {

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeletePrimitive = "$deleteFromPrimitiveList/";
constexpr std::string_view kElementOrder = "$setElementOrder/";

bool is_directive(std::string_view key) {
  return key == kDirective || key == kRetainKeys || key.starts_with(kDeletePrimitive) ||
         key.starts_with(kElementOrder);
}

/// The value of $patch, "" when there is none.
std::string_view directive(const json::object& patch) {
  const auto* value = patch.if_contains(kDirective);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view();
}

/// What is left of a patch's value when nothing is there to merge it with: itself without directives and
/// nulls.
json::value without_directives(const json::value& patch) {
  if (const auto* list = patch.if_array()) {
    json::array out;
    for (const auto& element : *list) {
      const auto* object = element.if_object();
      auto how = object ? directive(*object) : std::string_view();
      if (how == "delete" || how == "replace") continue;
      out.push_back(without_directives(element));
    }
    return out;
  }
  const auto* object = patch.if_object();
  if (!object) return patch;
  json::object out;
  for (const auto& [key, value] : *object) {
    if (!is_directive(key) && !value.is_null()) out[key] = without_directives(value);
  }
  return out;
}

/// How elements of one list are told apart: by a merge key, or by value when it is empty.
class Identity {
 public:
  explicit Identity(std::string_view merge_key) : key_(merge_key) {}

  bool same(const json::value& a, const json::value& b) const {
    if (key_.empty()) return a == b;
    const auto* left = kube::member(a, key_);
    const auto* right = kube::member(b, key_);
    return left && right && *left == *right;
  }
  template <class Array>
  ptrdiff_t index(Array& list, const json::value& wanted) const {
    auto at = std::ranges::find_if(list, [&](const json::value& element) { return same(element, wanted); });
    return at == list.end() ? -1 : at - list.begin();
  }
  Expected<void> check(const json::value& element) const {
    if (key_.empty() || kube::member(element, key_)) return {};
    return fail(ErrorCode::bad_request, fmt::format("map: {} does not contain declared merge key: {}",
                                                    json::serialize(element), key_));
  }

 private:
  std::string_view key_;
};

/// Puts a merged list in order: the elements that `order` names as it names them; the others stay as they
/// were in `before`, each in front of those named ones that it stood in front of.
json::array in_order(json::array merged, const json::array& order, const json::array& before,
                     const Identity& identity) {
  std::vector<json::value> named;
  std::vector<json::value> others;
  for (auto& element : merged) {
    (identity.index(order, element) >= 0 ? named : others).push_back(std::move(element));
  }
  auto sort_by = [&](std::vector<json::value>& list, const json::array& wanted) {
    std::vector<std::pair<ptrdiff_t, size_t>> ranks;
    for (size_t i = 0; i < list.size(); ++i) ranks.emplace_back(identity.index(wanted, list[i]), i);
    std::ranges::sort(ranks);
    std::vector<json::value> sorted;
    for (const auto& [rank, i] : ranks) sorted.push_back(std::move(list[i]));
    list = std::move(sorted);
  };
  sort_by(named, order);
  sort_by(others, before);
  json::array out;
  size_t i = 0;
  size_t j = 0;
  while (i < others.size() || j < named.size()) {
    bool take_other = j == named.size();
    if (i < others.size() && j < named.size()) {
      auto left = identity.index(before, others[i]);
      auto right = identity.index(before, named[j]);
      take_other = left >= 0 && right >= 0 && left < right;
    }
    out.push_back(std::move(take_other ? others[i++] : named[j++]));
  }
  return out;
}

class Merger {
 public:
  Expected<void> object(json::object& document, const json::object& patch, const Schema* schema);

 private:
  Expected<void> field(json::object& document, json::string_view name, const json::value& value,
                       const Schema* schema);
  Expected<json::array> list(json::array document, const json::array& patch, const Schema& schema);
  Expected<void> ordered_list(json::object& document, const json::object& patch, std::string_view name,
                              const json::array& order, const Schema& schema);
  static Expected<void> delete_primitives(json::object& document, const json::object& patch);
  static Expected<void> retain_keys(json::object& document, const json::object& patch);
};

/// An array under a directive's key.
Expected<const json::array*> directive_list(std::string_view key, const json::value& value) {
  if (const auto* list = value.if_array()) return list;
  return fail(ErrorCode::bad_request, fmt::format("invalid patch format of {}: it must be a list", key));
}

Expected<json::array> Merger::list(json::array document, const json::array& patch, const Schema& schema) {
  Identity identity(schema.patch_merge_key);
  json::array before = document;
  json::array plain;
  bool replace = false;
  for (const auto& element : patch) {
    const auto* object = element.if_object();
    auto how = object ? directive(*object) : std::string_view();
    if (how == "replace") {
      replace = true;
    } else if (how == "delete") {
      if (schema.patch_merge_key.empty()) {
        return fail(ErrorCode::bad_request, "delete patch type with no merge key defined");
      }
      WEFT_CHECK(identity.check(element));
      for (auto at = identity.index(document, element); at >= 0; at = identity.index(document, element)) {
        document.erase(document.begin() + at);
      }
    } else if (!how.empty() && how != "merge") {
      return fail(ErrorCode::bad_request, fmt::format("unknown patch type found: {}", how));
    } else {
      plain.push_back(element);
    }
  }
  if (replace) return without_directives(plain).get_array();
  for (const auto& element : plain) {
    WEFT_CHECK(identity.check(element));
    auto at = identity.index(document, element);
    if (at < 0) {
      document.push_back(without_directives(element));
    } else if (auto* there = document[static_cast<size_t>(at)].if_object(); there && element.is_object()) {
      WEFT_CHECK(object(*there, element.get_object(), schema.items.get()));
    }
  }
  return in_order(std::move(document), plain, before, identity);
}

Expected<void> Merger::ordered_list(json::object& document, const json::object& patch, std::string_view name,
                                    const json::array& order, const Schema& schema) {
  auto* there = document.if_contains(name);
  const auto* wanted = patch.if_contains(name);
  json::array before = there && there->is_array() ? there->get_array() : json::array();
  json::array merged = before;
  if (!wanted && !(there && there->is_array())) return {};
  if (wanted && there && there->is_array()) {
    WEFT_TRY(merged, list(std::move(merged), wanted->get_array(), schema));
  } else if (wanted) {
    merged = without_directives(*wanted).get_array();
  }
  document[name] = in_order(std::move(merged), order, before, Identity(schema.patch_merge_key));
  return {};
}

Expected<void> Merger::field(json::object& document, json::string_view name, const json::value& value,
                             const Schema* schema) {
  if (value.is_null()) {
    document.erase(name);
    return {};
  }
  auto* there = document.if_contains(name);
  const auto* inner = member_schema(schema, name);
  if (value.is_object() && there && there->is_object()) {
    return object(there->get_object(), value.get_object(), inner);
  }
  if (value.is_array() && there && there->is_array() && inner && inner->patch_merge) {
    WEFT_TRY(document[name], list(std::move(there->get_array()), value.get_array(), *inner));
    return {};
  }
  document[name] = without_directives(value);
  return {};
}

Expected<void> Merger::delete_primitives(json::object& document, const json::object& patch) {
  for (const auto& [key, value] : patch) {
    if (!key.starts_with(kDeletePrimitive)) continue;
    WEFT_TRY(const auto* gone, directive_list(key, value));
    auto* there = document.if_contains(key.substr(kDeletePrimitive.size()));
    auto* list = there ? there->if_array() : nullptr;
    if (!list) continue;
    auto is_gone = [&](const json::value& element) {
      return std::ranges::find(*gone, element) != gone->end();
    };
    list->erase(std::remove_if(list->begin(), list->end(), is_gone), list->end());
  }
  return {};
}

Expected<void> Merger::retain_keys(json::object& document, const json::object& patch) {
  const auto* value = patch.if_contains(kRetainKeys);
  if (!value) return {};
  WEFT_TRY(const auto* kept, directive_list(kRetainKeys, *value));
  for (auto at = document.begin(); at != document.end();) {
    bool keep = std::ranges::find(*kept, json::value(at->key())) != kept->end();
    at = keep ? at + 1 : document.erase(at);
  }
  return {};
}

Expected<void> Merger::object(json::object& document, const json::object& patch, const Schema* schema) {
  auto how = directive(patch);
  if (how == "replace") {
    document = without_directives(patch).get_object();
    return {};
  }
  if (how == "delete") {
    document.clear();
    return {};
  }
  if (patch.contains(kDirective) && how != "merge") {
    return fail(ErrorCode::bad_request, fmt::format("unknown patch type: {} in map",
                                                    json::serialize(*patch.if_contains(kDirective))));
  }
  WEFT_CHECK(retain_keys(document, patch));
  WEFT_CHECK(delete_primitives(document, patch));
  std::vector<std::string_view> done;
  for (const auto& [key, value] : patch) {
    if (!key.starts_with(kElementOrder)) continue;
    WEFT_TRY(const auto* order, directive_list(key, value));
    std::string_view name = key.substr(kElementOrder.size());
    const auto* inner = member_schema(schema, name);
    const auto* wanted = patch.if_contains(name);
    if (!inner || !inner->patch_merge || (wanted && !wanted->is_array())) continue;
    WEFT_CHECK(ordered_list(document, patch, name, *order, *inner));
    done.push_back(name);
  }
  for (const auto& [key, value] : patch) {
    if (is_directive(key) || std::ranges::find(done, std::string_view(key)) != done.end()) continue;
    WEFT_CHECK(field(document, key, value, schema));
  }
  return {};
}

}  // namespace

Expected<json::value> strategic_merge_patch(json::value document, const json::value& patch,
                                            const Schema& schema) {
  if (!patch.is_object()) {
    return fail(ErrorCode::bad_request, "invalid JSON document: a strategic merge patch must be an object");
  }
  if (!document.is_object()) document.emplace_object();
  WEFT_CHECK(Merger().object(document.get_object(), patch.get_object(), &schema));
  return document;
}

}  // namespace weft::standalone
