#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "reach/diff.h"

/// A diff for people and for programs.
namespace weft::reach {
namespace {

/// So many names of a list are told; the JSON has all.
constexpr size_t kMostNames = 6;

std::string shortened(const std::vector<std::string>& names) {
  if (names.size() <= kMostNames + 1) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + kMostNames, ", "),
                     names.size() - kMostNames);
}

void print(std::string& out, std::string_view when, const Side& side, bool is_name) {
  if (!side.there) {
    out += fmt::format("  {:<7}{}\n", when, side.reason);
    return;
  }
  auto verdict = is_name && side.verdict == trace::Verdict::works ? "is" : name_of(side.verdict);
  out += fmt::format("  {:<7}{}", when, verdict);
  if (!side.leads_to.empty()) out += fmt::format("{} {}", is_name ? "" : " →", shortened(side.leads_to));
  if (!side.reason.empty()) out += fmt::format(": {}", side.reason);
  out += "\n";
  for (const auto& object : side.by)
    out += fmt::format("         by {}{}\n", object.str(), trace::place_of(object));
}

json::object to_json(const Side& side) {
  if (!side.there) return {{"there", false}, {"reason", side.reason}};
  json::array objects;
  for (const auto& object : side.by) objects.push_back(trace::to_json(object));
  json::object out{{"there", true}, {"verdict", name_of(side.verdict)}, {"by", std::move(objects)}};
  if (!side.reason.empty()) out["reason"] = side.reason;
  if (!side.leads_to.empty()) out["leadsTo"] = json::value_from(side.leads_to);
  return out;
}

std::string_view headline(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::allowed:
      return "newly allowed";
    case Change::Kind::denied:
      return "no longer allowed";
    case Change::Kind::moved:
      return "leads elsewhere";
    case Change::Kind::named:
      return "newly resolvable";
    case Change::Kind::unnamed:
      return "no longer resolvable";
    case Change::Kind::renamed:
      return "stands for something else";
  }
  return "";
}

}  // namespace

std::string_view name_of(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::allowed:
      return "allowed";
    case Change::Kind::denied:
      return "denied";
    case Change::Kind::moved:
      return "moved";
    case Change::Kind::named:
      return "resolvable";
    case Change::Kind::unnamed:
      return "unresolvable";
    case Change::Kind::renamed:
      return "renamed";
  }
  return "";
}

json::object Diff::to_json() const {
  json::array list;
  for (const auto& change : changes)
    list.push_back(json::object{{"change", name_of(change.kind)},
                                {"from", json::value_from(change.from)},
                                {"to", json::value_from(change.to)},
                                {"before", reach::to_json(change.before)},
                                {"after", reach::to_json(change.after)}});
  return {{"changes", std::move(list)}, {"notes", json::value_from(notes)}};
}

std::string Diff::to_text() const {
  std::string out;
  for (const auto& change : changes) {
    out += fmt::format("{}: {}", headline(change.kind),
                       shortened(change.from.empty() ? change.to : change.from));
    if (!change.from.empty()) out += fmt::format("\n     → {}", shortened(change.to));
    out += "\n";
    print(out, "before", change.before, change.from.empty());
    print(out, "after", change.after, change.from.empty());
    out += "\n";
  }
  if (changes.empty()) out += "no change in who can reach whom\n";
  for (const auto& note : notes) out += "note: " + note + "\n";
  return out;
}

}  // namespace weft::reach
