#include "kube/selector.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

#include "kube/labels.h"

namespace weft::kube {
namespace {

std::optional<int64_t> parse_int(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string quoted(std::string_view text) { return std::string("'").append(text).append("'"); }

struct Token {
  enum class Type {
    end,
    word,
    in,
    notin,
    comma,
    open,
    close,
    not_exists,
    equal,
    not_equal,
    greater,
    less,
    bad
  };
  Type type;
  std::string_view text;
};

/// Splits the string form into tokens; the last one is `end`.
std::vector<Token> tokenize(std::string_view text) {
  constexpr std::string_view kSymbols = "=!(),><";
  constexpr std::array<std::pair<std::string_view, Token::Type>, 9> kOperators = {{
      {"==", Token::Type::equal},
      {"!=", Token::Type::not_equal},
      {"=", Token::Type::equal},
      {"!", Token::Type::not_exists},
      {"(", Token::Type::open},
      {")", Token::Type::close},
      {",", Token::Type::comma},
      {">", Token::Type::greater},
      {"<", Token::Type::less},
  }};
  std::vector<Token> tokens;
  while (true) {
    auto start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const auto* op =
        std::ranges::find_if(kOperators, [&](const auto& o) { return text.starts_with(o.first); });
    if (op != kOperators.end()) {
      tokens.push_back({op->second, text.substr(0, op->first.size())});
    } else {
      auto word = text.substr(0, std::min(text.find_first_of(kSymbols), text.find_first_of(" \t\r\n")));
      auto type = word == "in" ? Token::Type::in : word == "notin" ? Token::Type::notin : Token::Type::word;
      tokens.push_back({type, word});
    }
    text.remove_prefix(tokens.back().text.size());
  }
  tokens.push_back({Token::Type::end, {}});
  return tokens;
}

}  // namespace

/// Reads the string form by the grammar of apimachinery: requirements with commas between them.
class SelectorParser {
 public:
  using Op = Selector::Op;
  using Requirement = Selector::Requirement;
  using Type = Token::Type;

  explicit SelectorParser(std::string_view text) : tokens_(tokenize(text)) {}

  Expected<std::vector<Requirement>> run() {
    std::vector<Requirement> out;
    if (next().type == Type::end) return out;
    while (true) {
      WEFT_TRY(auto requirement, read_requirement());
      out.push_back(std::move(requirement));
      auto token = take();
      if (token.type == Type::end) break;
      if (token.type != Type::comma) return unexpected(token, "',' or 'end of string'");
      if (next().type != Type::word && next().type != Type::not_exists) {
        return unexpected(next(), "identifier after ','");
      }
    }
    std::ranges::sort(out, {}, [](const Requirement& r) { return std::tie(r.key, r.op, r.values); });
    return out;
  }

  /// The rules that all forms share. Values become a sorted set.
  static Expected<Requirement> check(Requirement requirement) {
    auto& [key, op, values] = requirement;
    if (auto problems = label_key_problems(key); !problems.empty())
      return bad("key", key, fmt::format("{}", fmt::join(problems, "; ")));
    std::ranges::sort(values);
    values.erase(std::ranges::unique(values).begin(), values.end());
    if ((op == Op::in || op == Op::not_in) && values.empty()) {
      return bad("values", "", "for 'in', 'notin' operators, values set can't be empty");
    }
    if ((op == Op::exists || op == Op::not_exists) && !values.empty()) {
      return bad("values", values.front(), "values set must be empty for exists and does not exist");
    }
    if ((op == Op::greater || op == Op::less) && (values.size() != 1 || !parse_int(values.front()))) {
      return bad("values", values.empty() ? "" : values.front(),
                 "for 'Gt', 'Lt' operators, exactly one integer is required");
    }
    for (const auto& value : values) {
      if (auto problems = label_value_problems(value); !problems.empty()) {
        return bad("values", value, fmt::format("{}", fmt::join(problems, "; ")));
      }
    }
    return requirement;
  }

 private:
  static std::unexpected<Error> bad(std::string_view field, std::string_view value, std::string_view why) {
    std::string message(field);
    return fail(ErrorCode::bad_request,
                message.append(": Invalid value: \"").append(value).append("\": ").append(why));
  }
  static std::unexpected<Error> unexpected(Token found, std::string_view wanted) {
    return fail(ErrorCode::bad_request, "unable to parse requirement: found " + quoted(found.text) +
                                            ", expected: " + std::string(wanted));
  }

  /// "in" and "notin" are words everywhere but right after a key.
  Token next() const {
    Token token = tokens_[at_];
    if (token.type == Type::in || token.type == Type::notin) token.type = Type::word;
    return token;
  }
  Token take() {
    Token token = next();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool at_border() const { return next().type == Type::end || next().type == Type::comma; }

  Expected<Requirement> read_requirement() {
    bool negated = next().type == Type::not_exists;
    if (negated) take();
    Token key = take();
    if (key.type != Type::word) return unexpected(key, "!, identifier, or 'end of string'");
    Requirement requirement{
        .key = std::string(key.text), .op = negated ? Op::not_exists : Op::exists, .values = {}};
    if (negated || at_border()) return check(std::move(requirement));
    Token op = tokens_[at_];
    take();
    switch (op.type) {
      case Type::in:
        requirement.op = Op::in;
        break;
      case Type::notin:
        requirement.op = Op::not_in;
        break;
      case Type::equal:
        requirement.op = Op::in;
        break;
      case Type::not_equal:
        requirement.op = Op::not_in;
        break;
      case Type::greater:
        requirement.op = Op::greater;
        break;
      case Type::less:
        requirement.op = Op::less;
        break;
      default:
        return unexpected(op, "in, notin, =, ==, !=, gt, lt");
    }
    bool is_set = op.type == Type::in || op.type == Type::notin;
    WEFT_TRY(requirement.values, is_set ? read_set() : read_value());
    return check(std::move(requirement));
  }

  Expected<std::vector<std::string>> read_value() {
    if (at_border()) return std::vector<std::string>{""};
    Token value = take();
    if (value.type != Type::word) return unexpected(value, "identifier");
    return std::vector<std::string>{std::string(value.text)};
  }

  /// "(a,b)"; a value left out ("(a,)", "()") is the empty value.
  Expected<std::vector<std::string>> read_set() {
    Token open = take();
    if (open.type != Type::open) return unexpected(open, "'('");
    std::vector<std::string> values;
    while (true) {
      std::string value;
      if (next().type == Type::word) value = take().text;
      values.push_back(std::move(value));
      Token token = take();
      if (token.type == Type::close) return values;
      if (token.type != Type::comma) return unexpected(token, "',' or ')'");
    }
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
};

Expected<Selector> Selector::parse(std::string_view text) {
  Selector out;
  WEFT_TRY(out.requirements_, SelectorParser(text).run());
  return out;
}

Expected<Selector> Selector::from(const LabelSelector& selector) {
  Selector out;
  auto add = [&out](Requirement requirement) -> Expected<void> {
    WEFT_TRY(auto checked, SelectorParser::check(std::move(requirement)));
    out.requirements_.push_back(std::move(checked));
    return {};
  };
  for (const auto& [key, value] : selector.matchLabels) {
    if (auto ok = add({key, Op::in, {value}}); !ok) {
      return fail(ErrorCode::invalid, "matchLabels: " + ok.error().message);
    }
  }
  for (size_t i = 0; i < selector.matchExpressions.size(); ++i) {
    const auto& expression = selector.matchExpressions[i];
    auto where = "matchExpressions[" + std::to_string(i) + "].";
    Op op{};
    if (expression.operator_ == "In") {
      op = Op::in;
    } else if (expression.operator_ == "NotIn") {
      op = Op::not_in;
    } else if (expression.operator_ == "Exists") {
      op = Op::exists;
    } else if (expression.operator_ == "DoesNotExist") {
      op = Op::not_exists;
    } else {
      return fail(ErrorCode::invalid, where + "operator: \"" + expression.operator_ +
                                          "\" is not a valid label selector operator");
    }
    if (auto ok = add({expression.key, op, expression.values}); !ok) {
      return fail(ErrorCode::invalid, where + ok.error().message);
    }
  }
  return out;
}

Selector Selector::from(const StringMap& labels) {
  Selector out;
  for (const auto& [key, value] : labels) out.requirements_.push_back({key, Op::in, {value}});
  return out;
}

template <class Lookup>
bool Selector::matches_with(const Lookup& lookup) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    std::optional<std::string_view> value = lookup(requirement.key);
    switch (requirement.op) {
      case Op::in:
        return value && std::ranges::find(requirement.values, *value) != requirement.values.end();
      case Op::not_in:
        return !value || std::ranges::find(requirement.values, *value) == requirement.values.end();
      case Op::exists:
        return value.has_value();
      case Op::not_exists:
        return !value.has_value();
      case Op::greater:
      case Op::less:
        break;
    }
    auto number = value ? parse_int(*value) : std::nullopt;
    auto bound = parse_int(requirement.values.front());
    if (!number || !bound) return false;
    return requirement.op == Op::greater ? *number > *bound : *number < *bound;
  });
}

bool Selector::matches(const StringMap& labels) const {
  return matches_with([&](const std::string& key) -> std::optional<std::string_view> {
    auto at = labels.find(key);
    if (at == labels.end()) return std::nullopt;
    return at->second;
  });
}

bool Selector::matches(const json::object& labels) const {
  return matches_with([&](const std::string& key) -> std::optional<std::string_view> {
    const auto* value = labels.if_contains(key);
    if (!value) return std::nullopt;
    const auto* text = value->if_string();
    return text ? std::string_view(text->data(), text->size()) : std::string_view{};
  });
}

std::string Selector::str() const {
  std::string out;
  for (const auto& [key, op, values] : requirements_) {
    if (!out.empty()) out += ',';
    if (op == Op::not_exists) out += '!';
    out += key;
    if (op == Op::exists || op == Op::not_exists) continue;
    if (values.size() == 1) {
      out += op == Op::in ? "=" : op == Op::not_in ? "!=" : op == Op::greater ? ">" : "<";
      out += values.front();
      continue;
    }
    out += op == Op::in ? " in (" : " notin (";
    for (size_t i = 0; i < values.size(); ++i) out.append(i > 0 ? "," : "").append(values[i]);
    out += ')';
  }
  return out;
}

namespace {

/// Cuts at commas that no backslash stands before.
std::vector<std::string_view> split_terms(std::string_view text) {
  std::vector<std::string_view> terms;
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      terms.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  terms.push_back(text.substr(start));
  return terms;
}

/// Takes the backslashes off a value: "\\", "\," and "\=".
Expected<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      char escaped = ++i < text.size() ? text[i] : '\0';
      if (escaped != '\\' && escaped != ',' && escaped != '=') {
        return fail(ErrorCode::bad_request,
                    "invalid field selector: invalid escape sequence in " + quoted(text));
      }
      out += escaped;
    } else if (c == '=' || c == ',') {
      return fail(ErrorCode::bad_request,
                  "invalid field selector: unescaped character in value " + quoted(text));
    } else {
      out += c;
    }
  }
  return out;
}

std::string text_of(const json::value* value) {
  if (!value || value->is_null()) return {};
  if (const auto* text = value->if_string()) return {text->data(), text->size()};
  return json::serialize(*value);
}

}  // namespace

Expected<FieldSelector> FieldSelector::parse(std::string_view text) {
  FieldSelector out;
  for (auto term : split_terms(text)) {
    if (term.empty()) continue;
    auto at = term.find('=');
    bool negated = at != std::string_view::npos && at > 0 && term[at - 1] == '!';
    if (at == std::string_view::npos) {
      return fail(ErrorCode::bad_request,
                  "invalid selector: " + quoted(text) + "; can't understand " + quoted(term));
    }
    auto value = term.substr(at + 1);
    if (!negated && value.starts_with('=')) value.remove_prefix(1);
    WEFT_TRY(auto plain, unescape(value));
    out.terms_.push_back({std::string(term.substr(0, negated ? at - 1 : at)), !negated, std::move(plain)});
  }
  return out;
}

bool FieldSelector::matches(const json::value& object) const {
  return std::ranges::all_of(terms_, [&](const Term& term) {
    return (text_of(at_path(object, term.path)) == term.value) == term.equal;
  });
}

}  // namespace weft::kube
