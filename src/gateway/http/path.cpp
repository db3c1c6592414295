#include "gateway/http/path.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace weft::gateway {
namespace {

enum class Kind : uint8_t {
  escaped,     ///< may only stand in a path as an escape
  unreserved,  ///< means the same with and without one
  other,       ///< allowed, and not the same as its escape
  refused,
};

constexpr std::array<Kind, 256> kinds() {
  std::array<Kind, 256> of{};
  for (int c = 0; c < 0x20; ++c) of[c] = Kind::refused;
  of[0x7f] = Kind::refused;
  of['#'] = Kind::refused;
  for (int c = '0'; c <= '9'; ++c) of[c] = Kind::unreserved;
  for (int c = 'A'; c <= 'Z'; ++c) of[c] = of[c + ('a' - 'A')] = Kind::unreserved;
  for (unsigned char c : {'-', '.', '_', '~'}) of[c] = Kind::unreserved;
  for (unsigned char c : {'!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@', '/'})
    of[c] = Kind::other;
  return of;
}
constexpr std::array<Kind, 256> kKinds = kinds();

Kind kind_of(char c) { return kKinds[static_cast<uint8_t>(c)]; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte that the escape at the start of `text` stands for, or -1.
int escape_value(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  int high = hex_value(text[1]);
  int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool is_normal(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    Kind kind = kind_of(path[i]);
    if (kind != Kind::unreserved && kind != Kind::other) return false;
    if (path[i] == '/' && i + 1 < path.size() && (path[i + 1] == '/' || path[i + 1] == '.')) return false;
  }
  return true;
}

char* put_escape(char* to, uint8_t byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  *to++ = '%';
  *to++ = kDigits[byte >> 4];
  *to++ = kDigits[byte & 15];
  return to;
}

/// Whether the segment, which is normal, has a "." or ".." between escaped slashes.
bool hides_dots(std::string_view segment) {
  for (;;) {
    size_t end = 0;
    while (end < segment.size()) {
      int byte = escape_value(segment.substr(end));
      if (byte == '/' || byte == '\\') break;
      ++end;
    }
    std::string_view part = segment.substr(0, end);
    if (part == "." || part == "..") return true;
    if (end == segment.size()) return false;
    segment.remove_prefix(end + 3);
  }
}

/// Takes one segment (all up to the next "/") from `path` and writes its normal form; nullptr: refused.
char* take_segment(std::string_view& path, char* to) {
  while (!path.empty() && path[0] != '/') {
    if (path[0] == '%') {
      int byte = escape_value(path);
      if (byte < 0 || (kKinds[byte] == Kind::refused && byte != '#')) return nullptr;
      if (kKinds[byte] == Kind::unreserved)
        *to++ = static_cast<char>(byte);
      else
        to = put_escape(to, static_cast<uint8_t>(byte));
      path.remove_prefix(3);
      continue;
    }
    switch (kind_of(path[0])) {
      case Kind::refused:
        return nullptr;
      case Kind::escaped:
        to = put_escape(to, static_cast<uint8_t>(path[0]));
        break;
      default:
        *to++ = path[0];
    }
    path.remove_prefix(1);
  }
  return to;
}

}  // namespace

std::optional<std::string_view> normal_path(std::string_view path, Arena& arena) {
  if (path.empty() || path[0] != '/') return std::nullopt;
  if (is_normal(path)) return path;
  std::span<char> room = arena.room(3 * path.size());
  char* to = room.data();
  *to++ = '/';
  while (!path.empty()) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    char* start = to;
    to = take_segment(path, to);
    if (!to) return std::nullopt;
    std::string_view segment(start, to - start);
    if (segment == "." || segment == "..") {
      to = start;
      if (segment == ".." && to - 1 > room.data()) {
        do --to;
        while (to[-1] != '/');
      }
      continue;
    }
    if (hides_dots(segment)) return std::nullopt;
    if (!path.empty()) *to++ = '/';
  }
  return std::string_view(room.data(), to - room.data());
}

std::string_view decoded_form(std::string_view text, Arena& arena) {
  if (text.find_first_of("%+") == text.npos) return text;
  std::span<char> room = arena.room(text.size());
  char* to = room.data();
  for (size_t i = 0; i < text.size(); ++i) {
    int byte = escape_value(text.substr(i));
    if (byte >= 0) {
      *to++ = static_cast<char>(byte);
      i += 2;
    } else {
      *to++ = text[i] == '+' ? ' ' : text[i];
    }
  }
  return {room.data(), static_cast<size_t>(to - room.data())};
}

}  // namespace weft::gateway
