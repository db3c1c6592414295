#pragma once

#include <array>
#include <string_view>

/// Classes of characters of RFC 9110 and RFC 3986.
namespace weft::gateway::chars {

using Table = std::array<unsigned char, 256>;

/// tchar: the character in lower case; else 0.
inline constexpr Table kToken = [] {
  Table table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = static_cast<unsigned char>(c);
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = static_cast<unsigned char>(c);
  for (char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = static_cast<unsigned char>(c);
  return table;
}();

/// What a field's value is made of: visible characters, obs-text, space and tab.
inline constexpr Table kValue = [] {
  Table table{};
  for (int c = 0x20; c <= 0xff; ++c) table[c] = c != 0x7f;
  table['\t'] = 1;
  return table;
}();

/// What a request's target is made of (RFC 3986: visible ASCII without a fragment's "#"; some of it would
/// have to be encoded, but everybody sends it as it is).
inline constexpr Table kTarget = [] {
  Table table{};
  for (int c = 0x21; c <= 0x7e; ++c) table[c] = c != '#';
  return table;
}();

/// uri-host without the brackets of IPv6: the character in lower case; else 0.
inline constexpr Table kHost = [] {
  Table table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = static_cast<unsigned char>(c);
  for (int c = 'a'; c <= 'z'; ++c) table[c] = table[c - 32] = static_cast<unsigned char>(c);
  for (char c : std::string_view("-._~!$&'()*+,;=%"))
    table[static_cast<unsigned char>(c)] = static_cast<unsigned char>(c);
  return table;
}();

inline bool all(const Table& table, std::string_view text) {
  unsigned char good = 1;
  for (char c : text) good &= table[static_cast<unsigned char>(c)] != 0;
  return good != 0;
}

/// "a" is in lower case.
inline bool same_word(std::string_view a, std::string_view other) {
  if (a.size() != other.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    char c = other[i];
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (c != a[i]) return false;
  }
  return true;
}

inline std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes the next element off a comma-separated list; false at its end. Empty elements are skipped.
inline bool next_element(std::string_view& list, std::string_view& element) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    element = trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (!element.empty()) return true;
  }
  return false;
}

}  // namespace weft::gateway::chars
