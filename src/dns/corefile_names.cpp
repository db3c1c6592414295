#include <fmt/format.h>

#include <algorithm>

#include "dns/corefile_plugins.h"
#include "dns/rewrite.h"

// The plugins that answer for, or instead of, names: hosts and rewrite.
namespace weft::dns::corefile {
namespace {

constexpr std::string_view kHostsFile = "/etc/hosts";
constexpr std::string_view kRewriteUsage =
    "rewrite [continue|stop] name [exact|prefix|suffix|substring|regex] FROM TO [answer auto]";

std::optional<Rewrite::Match> match_of(std::string_view word) {
  using Match = Rewrite::Match;
  constexpr std::pair<std::string_view, Match> kWords[] = {{"exact", Match::exact},
                                                           {"prefix", Match::prefix},
                                                           {"suffix", Match::suffix},
                                                           {"substring", Match::substring},
                                                           {"regex", Match::regex}};
  for (const auto& [text, match] : kWords) {
    if (text == word) return match;
  }
  return std::nullopt;
}

}  // namespace

/// Those of the names that are below one of the zones.
void Mapping::hosts_entries(const std::vector<HostsEntry>& entries, const std::vector<Name>& zones) {
  for (HostsEntry entry : entries) {
    std::erase_if(entry.names, [&](const Name& name) {
      return std::ranges::none_of(zones, [&](const Name& zone) { return is_under(name, zone); });
    });
    if (!entry.names.empty()) out_.config.hosts.entries.push_back(std::move(entry));
  }
}

void Mapping::hosts(const Directive& line) {
  auto& hosts = out_.config.hosts;
  const std::string path(line.args.empty() ? kHostsFile : line.args[0].text);
  std::vector<Name> zones;
  for (size_t i = 1; i < line.args.size(); ++i) {
    auto zone = parse_domain(line.args[i].text);
    if (!zone) error(line.args[i], zone.error().message);
    if (zone) zones.push_back(*zone);
  }
  if (zones.empty()) zones = zones_;
  out_.files.push_back(path);
  if (auto text = access_.read(path)) {
    hosts_entries(parse_hosts(*text), zones);
  } else {
    warn(line.name, text.error().message);  // CoreDNS waits for the file too
  }
  std::vector<HostsEntry> inline_entries;
  bool falls_through = false;
  for (const Directive& option : line.body) {
    falls_through |= option.name.text == "fallthrough";
    hosts_option(option, inline_entries);
  }
  hosts_entries(inline_entries, zones);
  if (falls_through) return;
  hosts.fall_through = false;
  std::ranges::copy(zones, std::back_inserter(hosts.zones));
}

void Mapping::hosts_option(const Directive& option, std::vector<HostsEntry>& entries) {
  auto& hosts = out_.config.hosts;
  const std::string& name = option.name.text;
  if (name == "ttl") {
    if (arguments(option, 1, 1, "ttl SECONDS")) number(option.args[0], hosts.ttl, INT32_MAX);
  } else if (name == "no_reverse") {
    hosts.reverse = false;
  } else if (name == "fallthrough") {
    if (!option.args.empty())
      error(option.name,
            "hosts fallthrough: not for single zones; write it without, or put the zones behind the file's "
            "name");
  } else if (name != "reload") {
    std::string text = name;
    for (const Word& word : option.args) text += " " + word.text;
    auto parsed = parse_hosts(text);
    if (parsed.empty())
      return error(option.name, fmt::format("hosts {}: neither an option nor ADDRESS NAME...", text));
    std::ranges::move(parsed, std::back_inserter(entries));
  }
}

void Mapping::rewrite(const Directive& line) {
  auto words = line.args;
  bool stop = true;
  if (!words.empty() && (words[0].text == "stop" || words[0].text == "continue")) {
    stop = words[0].text == "stop";
    words.erase(words.begin());
  }
  std::vector<Directive> answers;
  for (const Directive& inner : line.body) {
    if (inner.name.text == "answer") {
      answers.push_back(inner);
      continue;
    }
    if (!words.empty())
      return error(inner.name, fmt::format("two rules in one; expected: {}", kRewriteUsage));
    words.push_back(inner.name);
    std::ranges::copy(inner.args, std::back_inserter(words));
  }
  if (words.empty()) return error(line.name, fmt::format("expected: {}", kRewriteUsage));
  rewrite_rule(std::move(words), answers, stop);
}

void Mapping::rewrite_rule(std::vector<Word> words, const std::vector<Directive>& answers, bool stop) {
  const Word field = words[0];
  if (field.text != "name")
    return error(
        field,
        fmt::format(
            "rewrite {}: Weft rewrites names only, and answers would be others without it; take it out",
            field.text));
  words.erase(words.begin());
  Rewrite rule{.stop = stop};
  auto match = words.size() > 2 ? match_of(words[0].text) : std::nullopt;
  if (match) words.erase(words.begin());
  if (words.size() < 2) return error(field, fmt::format("expected: {}", kRewriteUsage));
  rule.match = match.value_or(Rewrite::Match::exact);
  rule.from = words[0].text;
  rule.to = words[1].text;
  std::vector<std::vector<Word>> options;
  for (const Directive& answer : answers) options.push_back(answer.args);
  if (words.size() > 2) {
    if (words[2].text != "answer") return error(words[2], fmt::format("expected: {}", kRewriteUsage));
    options.emplace_back(words.begin() + 3, words.end());
  }
  rule.answer_auto = rule.match == Rewrite::Match::exact || !options.empty();
  for (const auto& option : options) {
    // "name" gives the way back as an expression; the way back is always to what was asked.
    if (!option.empty() && (option[0].text == "auto" || option[0].text == "name")) continue;
    error(field, "rewrite answer: Weft writes names back, not values; write: answer auto");
  }
  if (!rule.answer_auto)
    warn(field,
         "the answer has another name than was asked, which most clients do not take; add: answer auto");
  if (auto compiled = Rewriter::compile({rule}); !compiled) return error(field, compiled.error().message);
  for (const Name& zone : zones_) {
    rule.within = zone;
    out_.config.rewrites.push_back(rule);
  }
}

}  // namespace weft::dns::corefile
