#include "gateway/route/compiled_rule.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "gateway/http/path.h"

namespace weft::gateway {
namespace {

/// The value of the first parameter called `name`, decoded; nothing if there is none.
std::optional<std::string_view> parameter(std::string_view query, std::string_view name, Arena& arena) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    size_t equals = std::min(pair.find('='), pair.size());
    if (decoded_form(pair.substr(0, equals), arena) != name) continue;
    return decoded_form(pair.substr(std::min(equals + 1, pair.size())), arena);
  }
  return std::nullopt;
}

/// Of several conditions on one name only the first counts (HTTPHeaderMatch.name, HTTPQueryParamMatch.name).
bool compile(const std::vector<ValueMatch>& from, bool header, RegexCache& regexes,
             std::vector<Condition>& to) {
  for (const ValueMatch& match : from) {
    std::string name = header ? lower(match.name) : match.name;
    if (std::ranges::find(to, name, &Condition::name) != to.end()) continue;
    Condition condition{std::move(name), match.value, match.regex ? regexes.get(match.value) : nullptr};
    if (match.regex && !condition.regex) return false;
    to.push_back(std::move(condition));
  }
  return true;
}

std::optional<CompiledMatch> compile(const Match& match, RegexCache& regexes) {
  CompiledMatch out{.match = &match};
  if (match.path_kind == PathKind::regex) {
    out.path = match.path;
    out.path_regex = regexes.get(match.path);
    if (!out.path_regex) return std::nullopt;
  } else {
    Arena arena;
    auto path = normal_path(match.path, arena);
    if (!path) return std::nullopt;
    out.path = *path;
    if (match.path_kind == PathKind::prefix && out.path.ends_with('/')) out.path.pop_back();
  }
  if (!compile(match.headers, true, regexes, out.headers)) return std::nullopt;
  if (!compile(match.query, false, regexes, out.query)) return std::nullopt;
  return out;
}

void say(std::string* why_not, std::string_view what, const Condition& condition,
         std::optional<std::string_view> value) {
  if (!why_not) return;
  std::string is = value ? fmt::format("is \"{}\"", *value) : "is not there";
  *why_not = fmt::format("{} {} {}, and has to {} \"{}\"", what, condition.name, is,
                         condition.regex ? "match" : "be", condition.value);
}

}  // namespace

bool Condition::takes(std::string_view text) const {
  return regex ? re2::RE2::FullMatch({text.data(), text.size()}, *regex) : text == value;
}

bool CompiledMatch::takes(const RequestHead& request, Arena& arena, std::string* why_not) const {
  if (!match->method.empty() && match->method != request.method) {
    if (why_not) *why_not = fmt::format("the method is {}, and has to be {}", request.method, match->method);
    return false;
  }
  for (const Condition& header : headers) {
    std::optional<std::string_view> value;
    if (header.name == "host")
      value = request.authority;
    else if (request.fields.find(header.name))
      value = request.fields.joined(header.name, arena);
    if (value && header.takes(*value)) continue;
    say(why_not, "header", header, value);
    return false;
  }
  for (const Condition& wanted : query) {
    auto value = parameter(request.query, wanted.name, arena);
    if (value && wanted.takes(*value)) continue;
    say(why_not, "query parameter", wanted, value);
    return false;
  }
  return true;
}

CompiledRule::CompiledRule(std::shared_ptr<const Rule> of, RegexCache& regexes)
    : rule(std::move(of)), shares(rule->backends) {
  for (const Match& match : rule->matches)
    if (auto compiled = compile(match, regexes)) matches.push_back(*std::move(compiled));
  for (const Mirror& mirror : rule->filters.mirrors) mirrors_.emplace_back(mirror);
  for (const WeightedBackend& backend : rule->backends)
    for (const Mirror& mirror : backend.filters.mirrors) mirrors_.emplace_back(mirror);
}

std::vector<std::string_view> CompiledRule::mirrored_to(size_t backend) const {
  std::vector<std::string_view> to;
  auto portion = mirrors_.begin();
  auto choose = [&](const Filters& filters, bool used) {
    for (const Mirror& mirror : filters.mirrors)
      if (const Portion& its = *portion++; used && its.next()) to.emplace_back(mirror.backend);
  };
  choose(rule->filters, true);
  for (size_t i = 0; i < rule->backends.size(); ++i) choose(rule->backends[i].filters, i == backend);
  return to;
}

}  // namespace weft::gateway
