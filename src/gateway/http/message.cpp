#include "gateway/http/message.h"

#include <algorithm>
#include <cstring>

namespace weft::gateway {

std::span<char> Arena::room(size_t size) {
  return {static_cast<char*>(memory_.allocate(std::max<size_t>(size, 1), 1)), size};
}

std::string_view Arena::keep(std::string_view text) {
  std::span<char> copy = room(text.size());
  std::ranges::copy(text, copy.begin());
  return {copy.data(), copy.size()};
}

const Field* Fields::find(std::string_view name) const {
  auto at = std::ranges::find(list_, name, &Field::name);
  return at == list_.end() ? nullptr : &*at;
}

std::string_view Fields::joined(std::string_view name, Arena& arena) const {
  const Field* first = find(name);
  if (!first) return {};
  size_t size = 0;
  size_t count = 0;
  for (const Field& field : list_)
    if (field.name == name) size += field.value.size() + (count++ > 0 ? 2 : 0);
  if (count == 1) return first->value;
  std::span<char> text = arena.room(size);
  char* at = text.data();
  for (const Field& field : list_) {
    if (field.name != name) continue;
    if (at != text.data()) at = std::ranges::copy(std::string_view(", "), at).out;
    at = std::ranges::copy(field.value, at).out;
  }
  return {text.data(), text.size()};
}

void Fields::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Fields::remove(std::string_view name) {
  std::erase_if(list_, [&](const Field& field) { return field.name == name; });
}

}  // namespace weft::gateway
