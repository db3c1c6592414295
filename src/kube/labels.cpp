#include "kube/labels.h"

#include <algorithm>

namespace weft::kube {
namespace {

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

/// Letters and digits at both ends, '-', '_' and '.' between them.
bool is_name(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_dns_label(std::string_view text) {
  return !text.empty() && is_lower_alnum(text.front()) && is_lower_alnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

/// RFC 1123 labels with dots between them.
bool is_dns_subdomain(std::string_view text) {
  while (true) {
    auto dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

std::optional<std::string> label_key_problem(std::string_view key) {
  auto name = key;
  if (auto slash = key.find('/'); slash != std::string_view::npos) {
    auto prefix = key.substr(0, slash);
    name = key.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return "a qualified name must consist of alphanumeric characters, '-', '_' or '.' with an optional DNS "
             "subdomain "
             "prefix and '/' (e.g. 'example.com/MyName')";
    }
    if (prefix.empty()) return "prefix part must be non-empty";
    if (prefix.size() > 253) return "prefix part must be no more than 253 characters";
    if (!is_dns_subdomain(prefix)) {
      return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
             "'-' or "
             "'.', and must start and end with an alphanumeric character (e.g. 'example.com')";
    }
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part must be no more than 63 characters";
  if (!is_name(name)) {
    return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
           "an "
           "alphanumeric character (e.g. 'MyName' or 'my.name' or '123-abc')";
  }
  return std::nullopt;
}

std::optional<std::string> label_value_problem(std::string_view value) {
  if (value.size() > 63) return "must be no more than 63 characters";
  if (!value.empty() && !is_name(value)) {
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
           "and must "
           "start and end with an alphanumeric character (e.g. 'MyValue' or 'my_value' or '12345')";
  }
  return std::nullopt;
}

}  // namespace weft::kube
