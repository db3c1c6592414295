#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "check/context.h"

/// Rules of routes that never take a request, as others come before them at every listener.
namespace weft::check {
namespace {

using gateway::Match;
using gateway::PathKind;
using gateway::Rule;

std::string_view path_of(const Match& match) {
  std::string_view path = match.path;
  // A slash at the end of a prefix means nothing.
  if (match.path_kind == PathKind::prefix && path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

/// Expressions that every path matches.
bool is_any(const Match& match) {
  return match.path_kind == PathKind::regex &&
         (match.path == ".*" || match.path == "/.*" || match.path == "^/.*" || match.path == "^/.*$");
}

bool asks_no_more(const std::vector<gateway::ValueMatch>& less,
                  const std::vector<gateway::ValueMatch>& more) {
  return std::ranges::all_of(less,
                             [&](const auto& one) { return std::ranges::find(more, one) != more.end(); });
}

/// Whether `first` takes whatever `later` would, by path; both are looked at in this order.
bool covers_path(const Match& first, const Match& later) {
  if (first.path_kind == later.path_kind && path_of(first) == path_of(later)) return true;
  return is_any(first) && later.path_kind == PathKind::prefix;
}

/// Of two with the same path the more specific one comes first, and takes less.
bool same_demands(const Match& a, const Match& b) {
  return a.method == b.method && a.headers.size() == b.headers.size() && a.query.size() == b.query.size() &&
         asks_no_more(a.headers, b.headers) && asks_no_more(a.query, b.query);
}

bool shadows(const Match& first, const Match& later) {
  if (!covers_path(first, later)) return false;
  if (path_of(first) == path_of(later) && first.path_kind == later.path_kind)
    return same_demands(first, later);
  return (first.method.empty() || first.method == later.method) &&
         asks_no_more(first.headers, later.headers) && asks_no_more(first.query, later.query);
}

/// What comes before a rule.
struct Shadow {
  const Rule* by = nullptr;
  std::string hostname;
};

/// What is told apart by path, so that not every rule is held against every other one.
using Group = std::tuple<PathKind, std::string_view>;

class HostCheck {
 public:
  explicit HostCheck(const gateway::VirtualHost& host) : host_(host) {
    for (size_t i = 0; i < host.rules.size(); ++i) {
      for (const auto& match : host.rules[i]->matches) {
        by_path_[{match.path_kind, path_of(match)}].push_back({i, &match});
        if (is_any(match)) any_.push_back({i, &match});
      }
    }
  }

  /// The rule before which each match of the one at `index` stands in vain; nullptr: it takes requests.
  const Rule* before(size_t index) const {
    const Rule* out = nullptr;
    for (const auto& match : host_.rules[index]->matches) {
      const auto* by = first_of(by_path_.at({match.path_kind, path_of(match)}), index, match, true);
      if (!by) by = first_of(any_, index, match, false);
      if (!by) return nullptr;
      out = by;
    }
    return out;
  }

 private:
  struct Entry {
    size_t rule;
    const Match* match;
  };

  /// `in_order`: of rules that are equal the first holds.
  const Rule* first_of(const std::vector<Entry>& entries, size_t index, const Match& match,
                       bool in_order) const {
    for (const auto& entry : entries) {
      if (entry.rule == index || (in_order && entry.rule > index)) continue;
      if (shadows(*entry.match, match)) return host_.rules[entry.rule].get();
    }
    return nullptr;
  }

  const gateway::VirtualHost& host_;
  std::map<Group, std::vector<Entry>> by_path_;
  std::vector<Entry> any_;
};

std::string words(const gateway::Why& why) {
  auto out = why.kind + " " + trace::key_of(why.namespace_, why.name);
  return why.rule < 0 ? out : fmt::format("{} spec.rules[{}]", out, why.rule);
}

}  // namespace

void check_shadows(const Context& context) {
  using Place = std::tuple<std::string, std::string, std::string, int>;
  std::map<Place, Shadow> shadowed;
  std::set<Place> taking;
  auto look = [&](const gateway::Listener& listener) {
    for (const auto& host : listener.hosts) {
      const HostCheck check(*host);
      for (size_t i = 0; i < host->rules.size(); ++i) {
        const auto& why = host->rules[i]->why;
        const Place place{why.kind, why.namespace_, why.name, why.rule};
        if (const auto* by = check.before(i))
          shadowed[place] = {by, host->hostname};
        else
          taking.insert(place);
      }
    }
  };
  for (const auto& port : context.world.gateway_plan.snapshot().ports) {
    for (const auto& listener : port->listeners) look(*listener);
    for (const auto& [ns, listener] : port->consumers) look(*listener);
  }
  for (const auto& [place, shadow] : shadowed) {
    const auto& [kind, ns, name, rule] = place;
    // An Ingress's default backend is for what is left, even if nothing is.
    if (rule < 0 || taking.contains(place)) continue;
    context.add(
        "WEFT0127", Severity::warning,
        context.world.origins.find(kind, trace::key_of(ns, name), fmt::format("spec.rules[{}]", rule)),
        fmt::format("it never takes a request{}: {} takes all of them before it",
                    shadow.hostname.empty() ? "" : " for " + shadow.hostname, words(shadow.by->why)),
        "Give it a match of its own, or take it out (of equal ones in different routes the older "
        "route's holds)");
  }
}

}  // namespace weft::check
