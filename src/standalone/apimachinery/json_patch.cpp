#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "standalone/apimachinery/patch.h"

namespace weft::standalone {

namespace {

using Pointer = std::vector<std::string>;

std::unexpected<Error> cannot(std::string_view op, std::string_view path, std::string_view why) {
  return fail(ErrorCode::invalid, fmt::format("the server rejected our request due to an error in our "
                                              "request: {} operation does not apply: {}: {}",
                                              op, path, why));
}

/// RFC 6901.
Expected<Pointer> parse_pointer(const json::value& operation, std::string_view member_name) {
  const auto* text = kube::member(operation, member_name);
  if (!text || !text->is_string()) {
    return fail(ErrorCode::bad_request, fmt::format("JSON patch: an operation without \"{}\"", member_name));
  }
  Pointer out;
  std::string_view rest = text->get_string();
  if (rest.empty()) return out;
  if (rest[0] != '/')
    return fail(ErrorCode::bad_request, fmt::format("JSON patch: \"{}\" does not start with /", rest));
  for (char c : rest) {
    if (c == '/') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  for (auto& step : out) {
    for (size_t at = 0; (at = step.find('~', at)) != std::string::npos; ++at) {
      bool slash = step.compare(at, 2, "~1") == 0;
      if (!slash && step.compare(at, 2, "~0") != 0)
        return fail(ErrorCode::bad_request, "JSON patch: a stray ~ in " + step);
      step.replace(at, 2, slash ? "/" : "~");
    }
  }
  return out;
}

/// No document or patch may nest deeper: values are walked and freed by recursion.
constexpr size_t kMaxDepth = 256;
constexpr size_t kMaxOperations = 10000;
/// How much copy operations may add up to.
constexpr size_t kMaxCopied = 3 << 20;

size_t depth_of(const json::value& value) {
  size_t deepest = 0;
  if (const auto* object = value.if_object()) {
    for (const auto& [key, element] : *object) deepest = std::max(deepest, depth_of(element));
    return deepest + 1;
  }
  if (const auto* array = value.if_array()) {
    for (const auto& element : *array) deepest = std::max(deepest, depth_of(element));
    return deepest + 1;
  }
  return 0;
}

std::optional<size_t> index_of(const std::string& step, size_t size) {
  size_t index = 0;
  auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  bool whole = error == std::errc{} && end == step.data() + step.size() && (step == "0" || step[0] != '0');
  if (!whole || index >= size) return std::nullopt;
  return index;
}

json::value* child(json::value& value, const std::string& step) {
  if (value.is_object()) return value.get_object().if_contains(step);
  if (!value.is_array()) return nullptr;
  auto index = index_of(step, value.get_array().size());
  return index ? &value.get_array()[*index] : nullptr;
}

json::value* find(json::value& document, const Pointer& path, size_t depth) {
  json::value* at = &document;
  for (size_t i = 0; i < depth && at; ++i) at = child(*at, path[i]);
  return at;
}

Expected<void> add(json::value& document, const Pointer& path, json::value value, std::string_view text) {
  if (path.size() + depth_of(value) > kMaxDepth) return cannot("add", text, "the result nests too deeply");
  if (path.empty()) {
    document = std::move(value);
    return {};
  }
  auto* parent = find(document, path, path.size() - 1);
  if (parent && parent->is_object()) {
    parent->get_object()[path.back()] = std::move(value);
    return {};
  }
  if (!parent || !parent->is_array()) return cannot("add", text, "its parent is not there");
  auto& array = parent->get_array();
  if (path.back() == "-") {
    array.push_back(std::move(value));
    return {};
  }
  auto index = index_of(path.back(), array.size() + 1);
  if (!index) return cannot("add", text, "index out of range");
  array.insert(array.begin() + static_cast<ptrdiff_t>(*index), std::move(value));
  return {};
}

Expected<json::value> remove(json::value& document, const Pointer& path, std::string_view text) {
  auto* target = path.empty() ? nullptr : find(document, path, path.size());
  if (!target) return cannot("remove", text, "it is not there");
  json::value taken = std::move(*target);
  auto* parent = find(document, path, path.size() - 1);
  if (parent->is_object()) {  // NOLINT(clang-analyzer-cplusplus.Move): only a member of it was moved from
    parent->get_object().erase(path.back());
  } else {
    auto& array = parent->get_array();
    array.erase(array.begin() + static_cast<ptrdiff_t>(*index_of(path.back(), array.size())));
  }
  return taken;
}

Expected<void> apply_one(json::value& document, const json::value& operation, size_t& copied) {
  auto op = kube::string_at(operation, "op");
  auto text = kube::string_at(operation, "path");
  WEFT_TRY(auto path, parse_pointer(operation, "path"));
  const auto* value = kube::member(operation, "value");
  if ((op == "add" || op == "replace" || op == "test") && !value) {
    return fail(ErrorCode::bad_request, fmt::format("JSON patch: {} of {} without a value", op, text));
  }
  if (op == "add") return add(document, path, *value, text);
  if (op == "remove") {
    WEFT_TRY([[maybe_unused]] auto removed, remove(document, path, text));
    return {};
  }
  auto* target = find(document, path, path.size());
  if (op == "replace") {
    if (!target) return cannot(op, text, "it is not there");
    *target = *value;
    return {};
  }
  if (op == "test") {
    if (!target ? !value->is_null() : *target != *value) return cannot(op, text, "the value is another");
    return {};
  }
  if (op != "move" && op != "copy")
    return fail(ErrorCode::bad_request, fmt::format("JSON patch: unknown op \"{}\"", op));
  WEFT_TRY(auto from, parse_pointer(operation, "from"));
  auto from_text = kube::string_at(operation, "from");
  auto* source = find(document, from, from.size());
  if (!source) return cannot(op, from_text, "it is not there");
  if (op == "copy") {
    copied += json::serialize(*source).size();
    if (copied > kMaxCopied)
      return fail(ErrorCode::too_large, "JSON patch: its copy operations add up to too much");
    return add(document, path, json::value(*source), text);
  }
  bool into_itself = path.size() > from.size() && std::equal(from.begin(), from.end(), path.begin());
  if (into_itself) return cannot(op, text, "a value cannot move into itself");
  WEFT_TRY(auto taken, remove(document, from, from_text));
  return add(document, path, std::move(taken), text);
}

}  // namespace

Expected<json::value> json_patch(json::value document, const json::value& patch) {
  if (!patch.is_array()) return fail(ErrorCode::bad_request, "JSON patch: must be an array of operations");
  if (patch.get_array().size() > kMaxOperations) {
    return fail(ErrorCode::too_large,
                fmt::format("The allowed maximum operations in a JSON patch is {}, got {}", kMaxOperations,
                            patch.get_array().size()));
  }
  size_t copied = 0;
  for (const auto& operation : patch.get_array()) WEFT_CHECK(apply_one(document, operation, copied));
  return document;
}

json::value merge_patch(json::value document, const json::value& patch) {
  if (!patch.is_object()) return patch;
  if (!document.is_object()) document = json::object();
  auto& object = document.get_object();
  for (const auto& [key, value] : patch.get_object()) {
    if (value.is_null()) {
      object.erase(key);
    } else {
      auto* there = object.if_contains(key);
      object[key] = merge_patch(there ? std::move(*there) : json::value(), value);
    }
  }
  return document;
}

}  // namespace weft::standalone
