#include "standalone/apimachinery/json_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace weft::standalone {
namespace {

using Values = std::vector<const json::value*>;

class Walker {
 public:
  explicit Walker(std::string_view path) : whole_(path), rest_(path) {}

  Expected<Values> walk(const json::value& root) {
    Values at{&root};
    if (rest_.starts_with('{') && rest_.ends_with('}')) {
      rest_.remove_prefix(1);
      rest_.remove_suffix(1);
    }
    if (rest_.starts_with('$') || rest_.starts_with('@')) rest_.remove_prefix(1);
    while (!rest_.empty()) {
      WEFT_TRY(at, step(at));
    }
    return at;
  }

 private:
  std::unexpected<Error> broken(std::string_view why) const {
    return fail(ErrorCode::invalid, fmt::format("JSONPath {}: {}", whole_, why));
  }

  Expected<Values> step(const Values& at) {
    if (rest_[0] == '.') {
      rest_.remove_prefix(1);
      if (rest_.starts_with('[')) return step(at);
      auto name = take_name();
      if (name.empty()) return rest_.empty() ? Expected<Values>(at) : broken("a name is missing");
      return name == "*" ? children(at) : members(at, name);
    }
    if (rest_[0] == '[') return bracket(at);
    // A path may start without its dot.
    auto name = take_name();
    if (name.empty()) return broken("a name is missing");
    return members(at, name);
  }

  std::string take_name() {
    std::string name;
    while (!rest_.empty() && rest_[0] != '.' && rest_[0] != '[') {
      if (rest_[0] == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      name += rest_[0];
      rest_.remove_prefix(1);
    }
    return name;
  }

  static Values members(const Values& at, std::string_view name) {
    Values out;
    for (const auto* value : at) {
      if (const auto* found = kube::member(*value, name)) out.push_back(found);
    }
    return out;
  }

  static Values children(const Values& at) {
    Values out;
    for (const auto* value : at) {
      if (const auto* list = value->if_array()) {
        for (const auto& element : *list) out.push_back(&element);
      } else if (const auto* object = value->if_object()) {
        for (const auto& [key, element] : *object) out.push_back(&element);
      }
    }
    return out;
  }

  /// The position of the bracket that closes the one at the start; quotes hide brackets.
  size_t closing() const {
    int depth = 0;
    char quote = 0;
    for (size_t i = 0; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (quote) {
        if (c == quote) quote = 0;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if (c == '[') {
        ++depth;
      } else if (c == ']' && --depth == 0) {
        return i;
      }
    }
    return std::string_view::npos;
  }

  Expected<Values> bracket(const Values& at) {
    auto end = closing();
    if (end == std::string_view::npos) return broken("a ] is missing");
    auto inner = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (inner == "*") return children(at);
    if (inner.starts_with("?(") && inner.ends_with(')')) return filter(at, inner.substr(2, inner.size() - 3));
    if (inner.size() > 1 && (inner[0] == '\'' || inner[0] == '"') && inner.back() == inner[0]) {
      return members(at, inner.substr(1, inner.size() - 2));
    }
    int64_t index = 0;
    auto [stop, error] = std::from_chars(inner.data(), inner.data() + inner.size(), index);
    if (error != std::errc{} || stop != inner.data() + inner.size())
      return broken("what is in [ ] is not understood");
    Values out;
    for (const auto* value : at) {
      const auto* list = value->if_array();
      if (!list) continue;
      auto from_front = index < 0 ? index + static_cast<int64_t>(list->size()) : index;
      if (from_front >= 0 && from_front < static_cast<int64_t>(list->size())) {
        out.push_back(&(*list)[static_cast<size_t>(from_front)]);
      }
    }
    return out;
  }

  static std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
  }

  static std::optional<json::value> literal(std::string_view text) {
    if (text.size() > 1 && (text[0] == '\'' || text[0] == '"') && text.back() == text[0]) {
      return json::value(text.substr(1, text.size() - 2));
    }
    boost::system::error_code error;
    auto value = json::parse(text, error);
    return error ? std::nullopt : std::optional(std::move(value));
  }

  static bool compare(const json::value& left, std::string_view op, const json::value& right) {
    if (op == "==") return left == right;
    if (op == "!=") return left != right;
    if (left.is_number() && right.is_number()) {
      auto a = left.to_number<double>();
      auto b = right.to_number<double>();
      return op == "<" ? a < b : op == ">" ? a > b : op == "<=" ? a <= b : a >= b;
    }
    if (!left.is_string() || !right.is_string()) return false;
    auto order = left.get_string().compare(right.get_string());
    return op == "<" ? order < 0 : op == ">" ? order > 0 : op == "<=" ? order <= 0 : order >= 0;
  }

  Expected<Values> filter(const Values& at, std::string_view condition) {
    std::string_view op;
    size_t where = std::string_view::npos;
    for (std::string_view candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
      where = condition.find(candidate);
      if (where == std::string_view::npos) continue;
      op = candidate;
      break;
    }
    auto left_path = trimmed(condition.substr(0, where));
    if (!left_path.starts_with('@')) return broken("a filter starts with @");
    std::optional<json::value> wanted;
    if (!op.empty()) {
      wanted = literal(trimmed(condition.substr(where + op.size())));
      if (!wanted) return broken("a filter compares with a value in quotes or a number");
    }
    Values out;
    for (const auto* element : children(at)) {
      WEFT_TRY(auto found, Walker(left_path).walk(*element));
      bool keep = !found.empty() && (op.empty() || compare(*found[0], op, *wanted));
      if (keep) out.push_back(element);
    }
    return out;
  }

  std::string_view whole_;
  std::string_view rest_;
};

}  // namespace

Expected<std::vector<const json::value*>> json_path(const json::value& value, std::string_view path) {
  constexpr size_t kMaxPath = 4096;
  if (path.size() > kMaxPath) return fail(ErrorCode::invalid, "JSONPath: too long");
  return Walker(path).walk(value);
}

}  // namespace weft::standalone
