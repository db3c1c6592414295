#include "kube/json.h"

namespace weft::kube {
namespace {

/// Takes the first step off a dotted path.
std::string_view next_step(std::string_view& path) {
  auto dot = path.find('.');
  auto step = path.substr(0, dot);
  path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  return step;
}

}  // namespace

const json::value* member(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  return object ? object->if_contains(key) : nullptr;
}

const json::value* at_path(const json::value& value, std::string_view path) {
  const auto* at = &value;
  while (at && !path.empty()) at = member(*at, next_step(path));
  return at;
}

std::string_view string_at(const json::value& value, std::string_view path) {
  const auto* found = at_path(value, path);
  const auto* text = found ? found->if_string() : nullptr;
  return text ? std::string_view(text->data(), text->size()) : std::string_view{};
}

json::object& object_at(json::object& object, std::string_view path) {
  auto* at = &object;
  while (!path.empty()) {
    auto& value = (*at)[next_step(path)];
    at = value.is_object() ? &value.get_object() : &value.emplace_object();
  }
  return *at;
}

void append_key(std::string& path, std::string_view key) {
  if (key.empty() || key.find_first_of("./[]") != std::string_view::npos) {
    path.append("[").append(key).append("]");
    return;
  }
  if (!path.empty()) path += '.';
  path += key;
}

void append_index(std::string& path, size_t index) {
  path.append("[").append(std::to_string(index)).append("]");
}

}  // namespace weft::kube
