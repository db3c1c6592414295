#include "trace/hop.h"

#include <fmt/core.h>

#include <algorithm>

namespace weft::trace {
namespace {

void add_outcome(json::object& out, const Outcome& outcome) {
  out["verdict"] = name_of(outcome.verdict);
  if (!outcome.reason.empty()) out["reason"] = outcome.reason;
  if (!outcome.fix.empty()) out["fix"] = outcome.fix;
  if (outcome.status != 0) out["status"] = outcome.status;
  if (!outcome.location.empty()) out["location"] = outcome.location;
}

json::array list_of(const std::vector<Hop>& hops) {
  json::array out;
  for (const auto& hop : hops) out.push_back(hop.to_json());
  return out;
}

/// Made or told apart from another of its kind by nothing that a reader looks for.
bool same_owner(const ObjectRef& a, const ObjectRef& b) {
  if (a.kind != b.kind) return false;
  bool counted = a.kind == "EndpointSlice" || a.kind == "Pod";
  return counted ? a.origin == b.origin && !(a.origin.empty() && a.kind == "Pod")
                 : a.namespace_ == b.namespace_ && a.name == b.name && a.part == b.part;
}

/// Differ in addresses only: what is told of one goes for the other.
bool is_alike(const Hop& a, const Hop& b) {
  return a.step == b.step && a.outcome.verdict == b.outcome.verdict && a.outcome.status == b.outcome.status &&
         a.notes.size() == b.notes.size() && std::ranges::equal(a.by, b.by, same_owner) &&
         std::ranges::equal(a.hops, b.hops, is_alike);
}

/// Lines below one that begins with `indent`; `last`: no brother follows.
class TreePrinter {
 public:
  explicit TreePrinter(std::string& out) : out_(out) {}

  void hops(const std::vector<Hop>& hops, const std::string& indent) {
    for (size_t i = 0; i < hops.size(); ++i) {
      bool last = i + 1 == hops.size();
      if (i > 0 && !hops[0].hops.empty() && is_alike(hops[0], hops[i])) {
        out_ +=
            fmt::format("{}{} {:<9}{}: likewise\n", indent, last ? "└─" : "├─", hops[i].step, hops[i].text);
      } else {
        hop(hops[i], indent, last);
      }
    }
  }

 private:
  void hop(const Hop& hop, const std::string& indent, bool last) {
    out_ += fmt::format("{}{} {:<9}{}\n", indent, last ? "└─" : "├─", hop.step, hop.text);
    auto below = indent + (last ? "   " : "│  ");
    auto margin = below + (hop.hops.empty() ? "   " : "│  ");
    for (const auto& object : hop.by)
      out_ += fmt::format("{}by {}{}\n", margin, object.str(), place_of(object));
    for (const auto& note : hop.notes) out_ += fmt::format("{}{}\n", margin, note);
    bool own = hop.ends() && std::ranges::none_of(hop.hops, &Hop::ends);
    if (own) {
      out_ += fmt::format("{}✗ {}\n", margin, hop.outcome.reason);
      if (!hop.outcome.fix.empty()) out_ += fmt::format("{}→ {}\n", margin, hop.outcome.fix);
    }
    hops(hop.hops, below);
  }

  std::string& out_;
};

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::works:
      return "works";
    case Verdict::partly:
      return "partly";
    case Verdict::denied:
      return "denied";
    case Verdict::refused:
      return "refused";
    case Verdict::dropped:
      return "dropped";
    case Verdict::no_name:
      return "no name";
    case Verdict::no_way:
      return "no way";
    case Verdict::error:
      return "error";
    case Verdict::unknown:
      return "unknown";
  }
  return "?";
}

Outcome in_sequence(const std::vector<Hop>& hops) {
  for (const auto& hop : hops) {
    if (hop.ends()) return hop.outcome;
  }
  // Of several ways with a status of their own the last one on the way has the say.
  for (const auto& hop : hops) {
    if (hop.outcome.status != 0) return hop.outcome;
  }
  return {};
}

Outcome any_of(const std::vector<Hop>& hops) {
  const Hop* fails = nullptr;
  size_t failing = 0;
  bool known = false;
  for (const auto& hop : hops) {
    if (!hop.ends()) continue;
    ++failing;
    // Of a way that nobody knows and one that is known to fail the latter tells more.
    if (!fails || (!known && hop.outcome.verdict != Verdict::unknown)) fails = &hop;
    known = known || hop.outcome.verdict != Verdict::unknown;
  }
  if (!fails) return hops.empty() ? Outcome{} : hops[0].outcome;
  auto out = fails->outcome;
  bool all_same = std::ranges::all_of(
      hops, [&](const Hop& hop) { return hop.outcome.verdict == fails->outcome.verdict; });
  if (all_same) return out;
  if (!known) return out;
  out.verdict = Verdict::partly;
  out.reason = fmt::format("{} of {} ways: {}", failing, hops.size(), out.reason);
  return out;
}

json::object Hop::to_json() const {
  json::object out{{"step", step}, {"text", text}};
  add_outcome(out, outcome);
  json::array objects;
  for (const auto& object : by) objects.push_back(trace::to_json(object));
  out["by"] = std::move(objects);
  if (!notes.empty()) out["notes"] = json::value_from(notes);
  out["hops"] = list_of(hops);
  return out;
}

int Trace::exit_code() const {
  if (outcome.verdict == Verdict::works) return 0;
  return outcome.verdict == Verdict::unknown ? 3 : 1;
}

json::object Trace::to_json() const {
  json::object out{{"from", from}, {"to", to}};
  add_outcome(out, outcome);
  out["hops"] = list_of(hops);
  out["notes"] = json::value_from(notes);
  return out;
}

std::string Trace::to_text() const {
  std::string out = fmt::format("{} → {}\n", from, to);
  TreePrinter(out).hops(hops, "");
  out += std::string(name_of(outcome.verdict));
  if (outcome.status != 0) out += fmt::format(" ({})", outcome.status);
  if (!outcome.reason.empty()) out += ": " + outcome.reason;
  out += "\n";
  if (!outcome.fix.empty()) out += "to mend it: " + outcome.fix + "\n";
  for (const auto& note : notes) out += "note: " + note + "\n";
  return out;
}

}  // namespace weft::trace
