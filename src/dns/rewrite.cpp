#include "dns/rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "dns/config_values.h"

namespace weft::dns {
namespace {

constexpr int kMaxGroups = 10;           // {0} to {9}
constexpr int64_t kMaxMemory = 1 << 20;  // bytes of one compiled expression
constexpr size_t kMaxText = 1024;        // bytes; a name has at most 253

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(ascii_lower(static_cast<uint8_t>(c)));
  return out;
}

/// Labels with dots between; nothing when that would not say where labels end.
std::optional<std::string> text_of(const Name& name) {
  std::string out;
  auto wire = name.wire();
  for (size_t at = 0; wire[at] != 0; at += wire[at] + 1U) {
    std::string_view label(reinterpret_cast<const char*>(&wire[at + 1]), wire[at]);
    if (label.contains('.')) return std::nullopt;
    if (!out.empty()) out += '.';
    out += lowered(label);
  }
  return out;
}

std::string without_final_dot(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  return lowered(text);
}

std::optional<std::string> replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t at = 0;
  for (size_t found; (found = text.find(from, at)) != std::string_view::npos; at = found + from.size())
    out.append(text.substr(at, found - at)).append(to);
  if (at == 0) return std::nullopt;
  return out.append(text.substr(at));
}

/// {0} is all that matched, {1} the first group.
std::string expand(std::string_view to, std::span<const re2::StringPiece> groups) {
  std::string out;
  for (size_t i = 0; i < to.size(); ++i) {
    const bool group =
        to[i] == '{' && i + 2 < to.size() && to[i + 1] >= '0' && to[i + 1] <= '9' && to[i + 2] == '}';
    if (!group) {
      out += to[i];
      continue;
    }
    const auto number = static_cast<size_t>(to[i + 1] - '0');
    if (number < groups.size())
      out.append(groups[number].data() ? groups[number].data() : "", groups[number].size());
    i += 2;
  }
  return out;
}

std::optional<std::string> by_pattern(const RE2& pattern, const std::string& text, std::string_view to) {
  std::array<re2::StringPiece, kMaxGroups> groups;
  const int count = std::min(kMaxGroups, pattern.NumberOfCapturingGroups() + 1);
  // CoreDNS matches names with their final dot, and expressions written for it may end with one.
  for (const std::string& form : {text, text + "."}) {
    if (pattern.Match(form, 0, form.size(), RE2::UNANCHORED, groups.data(), count))
      return expand(to, std::span(groups).first(static_cast<size_t>(count)));
  }
  return std::nullopt;
}

Expected<std::unique_ptr<RE2>> compile_pattern(const std::string& text) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_max_mem(kMaxMemory);
  auto pattern = std::make_unique<RE2>(text, options);
  if (!pattern->ok())
    return fail(ErrorCode::invalid,
                fmt::format("\"{}\" is no regular expression of RE2: {}", text, pattern->error()));
  return pattern;
}

}  // namespace

Expected<Rewriter> Rewriter::compile(const std::vector<Rewrite>& rules) {
  Rewriter out;
  for (const Rewrite& rule : rules) {
    const bool regex = rule.match == Rewrite::Match::regex;
    if (rule.from.empty() || rule.from.size() > kMaxText || rule.to.size() > kMaxText)
      return fail(ErrorCode::invalid,
                  fmt::format("a rewrite from \"{}\": what is looked for has to have 1 to {} bytes",
                              rule.from.substr(0, 64), kMaxText));
    if (rule.match == Rewrite::Match::exact && !Name::parse(rule.to))
      return fail(ErrorCode::invalid, fmt::format("a rewrite to \"{}\": this is no name", rule.to));
    Rule compiled{.rule = rule, .pattern = nullptr};
    if (regex) {
      WEFT_TRY(compiled.pattern, compile_pattern(rule.from));
    } else {
      compiled.rule.from = without_final_dot(rule.from);
    }
    compiled.rule.to = without_final_dot(rule.to);
    out.rules_.push_back(std::move(compiled));
  }
  return out;
}

namespace {

std::optional<std::string> apply_rule(const Rewrite& rule, const RE2* pattern, const std::string& text) {
  switch (rule.match) {
    case Rewrite::Match::exact:
      if (text != rule.from) return std::nullopt;
      return rule.to;
    case Rewrite::Match::prefix:
      if (!text.starts_with(rule.from)) return std::nullopt;
      return rule.to + text.substr(rule.from.size());
    case Rewrite::Match::suffix:
      if (!text.ends_with(rule.from)) return std::nullopt;
      return text.substr(0, text.size() - rule.from.size()) + rule.to;
    case Rewrite::Match::substring:
      return replace_all(text, rule.from, rule.to);
    case Rewrite::Match::regex:
      return by_pattern(*pattern, text, rule.to);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Rewritten> Rewriter::apply(const Name& name) const {
  if (rules_.empty()) return std::nullopt;
  auto text = text_of(name);
  if (!text) return std::nullopt;
  std::optional<Rewritten> out;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const auto& [rule, pattern] = rules_[i];
    if (!is_under(name, rule.within)) continue;
    auto made = apply_rule(rule, pattern.get(), *text);
    auto made_name = made ? Name::parse(*made) : std::nullopt;
    if (!made_name) continue;
    if (!out) out.emplace();
    out->name = *made_name;
    out->answer_auto &= rule.answer_auto;
    out->rule = i;
    text = std::move(made);
    if (rule.stop) break;
  }
  return out;
}

}  // namespace weft::dns
