#include "dns/name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace weft::dns {

std::optional<Name> Name::parse(std::string_view text) {
  Name name;
  if (text.ends_with('.')) text.remove_suffix(1);
  while (!text.empty()) {
    auto dot = text.find('.');
    if (!name.append(text.substr(0, dot))) return std::nullopt;
    if (dot == std::string_view::npos) return name;
    text.remove_prefix(dot + 1);
    if (text.empty()) return std::nullopt;
  }
  return name;
}

bool Name::append(std::string_view label) {
  if (label.empty() || label.size() > 63 || size_ + label.size() + 1 > bytes_.size()) return false;
  uint8_t* at = bytes_.data() + size_ - 1;
  *at = static_cast<uint8_t>(label.size());
  std::memcpy(at + 1, label.data(), label.size());
  size_ += label.size() + 1;
  bytes_[size_ - 1] = 0;
  return true;
}

bool Name::append(std::span<const uint8_t> wire) {
  if (size_ - 1 + wire.size() > bytes_.size()) return false;
  std::memcpy(bytes_.data() + size_ - 1, wire.data(), wire.size());
  size_ += wire.size() - 1;
  return true;
}

void Name::clear() {
  bytes_[0] = 0;
  size_ = 1;
}

void Name::lower() {
  // Length bytes are at most 63, below 'A': they stay as they are.
  for (size_t i = 0; i < size_; ++i) bytes_[i] = ascii_lower(bytes_[i]);
}

std::string Name::str() const {
  if (is_root()) return ".";
  std::string out;
  for (size_t at = 0; bytes_[at] != 0;) {
    size_t length = bytes_[at++];
    for (size_t end = at + length; at < end; ++at) {
      uint8_t c = bytes_[at];
      if (c <= ' ' || c >= 0x7f || c == '.' || c == '\\') {
        out += fmt::format("\\{:03d}", c);
      } else {
        out += static_cast<char>(c);
      }
    }
    out += '.';
  }
  return out;
}

bool Name::equals(std::span<const uint8_t> wire) const { return same_name(this->wire(), wire); }

bool same_name(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return std::ranges::equal(a, b, [](uint8_t x, uint8_t y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace weft::dns
