#include "reach/diff.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "reach/match.h"

namespace weft::reach {
namespace {

using trace::Verdict;

/// How much of it works.
int rank(const std::optional<Verdict>& verdict) {
  if (verdict == Verdict::works || verdict == Verdict::unknown) return 2;
  return verdict == Verdict::partly ? 1 : 0;
}

/// Sets of sources by target, for changes that are alike.
class Groups {
 public:
  void add(Change change, const std::string& from, const std::string& to) {
    auto& group = groups_[key_of(change)];
    group.change = std::move(change);
    group.sources[to].insert(from);
  }

  /// Targets with the same sources are told at once.
  std::vector<Change> take() {
    std::vector<Change> out;
    for (auto& [key, group] : groups_) {
      std::map<std::set<std::string>, std::vector<std::string>> by_sources;
      for (auto& [to, from] : group.sources) by_sources[from].push_back(to);
      for (auto& [from, to] : by_sources) {
        auto change = group.change;
        change.from.assign(from.begin(), from.end());
        std::erase(change.from, "");
        change.to = std::move(to);
        out.push_back(std::move(change));
      }
    }
    std::ranges::stable_sort(out, {},
                             [](const Change& change) { return std::tuple(change.kind, change.to.front()); });
    return out;
  }

 private:
  struct Group {
    Change change;
    std::map<std::string, std::set<std::string>> sources;
  };

  static std::string key_of(const Change& change) {
    auto out = std::to_string(static_cast<int>(change.kind));
    for (const auto* side : {&change.before, &change.after}) {
      out += fmt::format("\n{} {} {}", side->there, static_cast<int>(side->verdict), side->reason);
      for (const auto& object : side->by) out += "\n" + object.str() + trace::place_of(object);
      for (const auto& place : side->leads_to) out += "\n" + place;
    }
    return out;
  }

  std::map<std::string, Group> groups_;
};

class Comparison {
 public:
  Comparison(const Reach& before, const Reach& after) : before_(before), after_(after) {}

  Diff run() {
    auto workloads = match_workloads(before_, after_);
    for (const auto& target : match_targets(before_, after_, workloads)) compare_target(target, workloads);
    compare_names();
    Diff out{.changes = groups_.take(), .notes = after_.world().notes};
    for (const auto& note : before_.world().notes) {
      if (std::ranges::find(out.notes, note) == out.notes.end()) out.notes.push_back(note);
    }
    return out;
  }

 private:
  void compare_target(const Match& target, const std::vector<Match>& workloads) {
    std::vector<std::string> was, is;
    if (target.before && target.after) {
      was = before_.leads_to(*target.before);
      is = after_.leads_to(*target.after);
      // Pods are where they are.
      if (before_.targets()[*target.before].kind == Target::Kind::pods) was = is;
    }
    for (const auto& from : workloads) {
      bool there_before = from.before && target.before, there_after = from.after && target.after;
      std::optional<Verdict> a, b;
      if (there_before) a = before_.verdict(*from.before, *target.before);
      if (there_after) b = after_.verdict(*from.after, *target.after);
      if ((there_before && !a) || (there_after && !b)) continue;
      Change change;
      if (rank(a) != rank(b)) {
        change.kind = rank(a) < rank(b) ? Change::Kind::allowed : Change::Kind::denied;
      } else if (rank(a) > 0 && was != is) {
        change.kind = Change::Kind::moved;
      } else {
        continue;
      }
      change.before = side(before_, from.before, target.before);
      change.after = side(after_, from.after, target.after);
      if (change.kind == Change::Kind::moved) {
        change.before.leads_to = was;
        change.after.leads_to = is;
      }
      groups_.add(std::move(change), from.name, target.name);
    }
  }

  static Side side(const Reach& reach, std::optional<size_t> from, std::optional<size_t> to) {
    if (!from || !to)
      return {.there = false,
              .verdict = Verdict::no_way,
              .reason = !from && !to ? "neither end is there"
                        : !from      ? "who connects is not there"
                                     : "what is asked for is not there",
              .by = {},
              .leads_to = {}};
    auto edge = reach.edge(*from, *to);
    return {
        .verdict = edge.verdict, .reason = std::move(edge.reason), .by = std::move(edge.by), .leads_to = {}};
  }

  void compare_names() {
    std::set<std::string> services;
    for (const auto* reach : {&before_, &after_}) {
      for (const auto& [key, service] : reach->world().services) services.insert(key);
    }
    for (const auto& key : services) {
      auto slash = key.find('/');
      auto name =
          fmt::format("{}.{}.svc.{}", key.substr(slash + 1), key.substr(0, slash), after_.world().dns.domain);
      Change change{.before = name_side(before_.world(), key, name),
                    .after = name_side(after_.world(), key, name)};
      if (change.before.leads_to == change.after.leads_to) continue;
      change.kind = change.before.leads_to.empty()  ? Change::Kind::named
                    : change.after.leads_to.empty() ? Change::Kind::unnamed
                                                    : Change::Kind::renamed;
      groups_.add(std::move(change), "", name);
    }
  }

  static Side name_side(const trace::World& world, const std::string& key, const std::string& text) {
    Side out{.verdict = Verdict::no_name, .reason = {}, .by = {}, .leads_to = {}};
    auto service = world.services.find(key);
    out.there = service != world.services.end();
    if (!out.there) {
      out.reason = "there is no such Service";
      return out;
    }
    out.by.push_back(world.origins.find("Service", key));
    const auto& spec = service->second->spec;
    bool external = spec.type == "ExternalName", headless = spec.clusterIP == "None";
    if (!external && !resolves(world, text)) {
      out.reason = headless ? "no endpoint of the headless Service is ready" : "the Service has no address";
      return out;
    }
    out.verdict = Verdict::works;
    out.leads_to = {external ? "the name " + spec.externalName : headless ? "its endpoints" : "its address"};
    return out;
  }

  static bool resolves(const trace::World& world, const std::string& text) {
    auto name = dns::Name::parse(text);
    if (!name) return false;
    for (auto type : {dns::Type::a, dns::Type::aaaa}) {
      dns::Answer answer;
      world.zone.resolve(*name, type, answer);
      if (!answer.answer.empty()) return true;
    }
    return false;
  }

  const Reach& before_;
  const Reach& after_;
  Groups groups_;
};

}  // namespace

Diff compare(const Reach& before, const Reach& after) { return Comparison(before, after).run(); }

}  // namespace weft::reach
