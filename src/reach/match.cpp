#include "reach/match.h"

#include <fmt/core.h>

#include <map>
#include <set>
#include <utility>

namespace weft::reach {
namespace {

using Sides = std::pair<std::optional<size_t>, std::optional<size_t>>;

/// Indices of pods' workloads, of those without an owner.
std::map<std::string, size_t> by_pod(const Reach& reach) {
  std::map<std::string, size_t> out;
  for (size_t i = 0; i < reach.workloads().size(); ++i) {
    const auto& workload = reach.workloads()[i];
    for (const auto& pod : workload.pods) {
      if (!workload.owned) out.emplace(pod, i);
    }
  }
  return out;
}

template <class List>
std::map<std::string, Sides> by_name(const List& before, const List& after, auto counts) {
  std::map<std::string, Sides> out;
  for (size_t i = 0; i < before.size(); ++i) {
    if (counts(before[i])) out[before[i].name].first = i;
  }
  for (size_t i = 0; i < after.size(); ++i) {
    if (counts(after[i])) out[after[i].name].second = i;
  }
  return out;
}

/// By workload and port.
std::map<std::pair<size_t, PortNumber>, size_t> pod_targets(const Reach& reach) {
  std::map<std::pair<size_t, PortNumber>, size_t> out;
  for (size_t i = 0; i < reach.targets().size(); ++i) {
    const auto& target = reach.targets()[i];
    if (target.kind == Target::Kind::pods) out[{target.workload, target.port}] = i;
  }
  return out;
}

}  // namespace

std::vector<Match> match_workloads(const Reach& before, const Reach& after) {
  std::vector<Match> out;
  auto owned = [](const Workload& workload) { return workload.owned; };
  for (const auto& [name, sides] : by_name(before.workloads(), after.workloads(), owned))
    out.push_back({sides.first, sides.second, name});
  std::map<std::string, Sides> pods;
  for (const auto& [pod, at] : by_pod(before)) pods[pod].first = at;
  for (const auto& [pod, at] : by_pod(after)) pods[pod].second = at;
  std::map<Sides, std::vector<std::string>> alike;
  for (const auto& [pod, sides] : pods) alike[sides].push_back(pod);
  for (const auto& [sides, names] : alike) {
    auto name = "Pod " + names.front();
    if (names.size() > 1) name += fmt::format(" and {} like it", names.size() - 1);
    out.push_back({sides.first, sides.second, std::move(name)});
  }
  return out;
}

std::vector<Match> match_targets(const Reach& before, const Reach& after,
                                 const std::vector<Match>& workloads) {
  std::vector<Match> out;
  auto others = [](const Target& target) { return target.kind != Target::Kind::pods; };
  for (const auto& [name, sides] : by_name(before.targets(), after.targets(), others))
    out.push_back({sides.first, sides.second, name});
  auto was = pod_targets(before), is = pod_targets(after);
  for (const auto& workload : workloads) {
    std::map<PortNumber, Sides> ports;
    auto collect = [&](const auto& targets, std::optional<size_t> of, auto side) {
      if (!of) return;
      for (auto at = targets.lower_bound({*of, {}}); at != targets.end() && at->first.first == *of; ++at)
        ports[at->first.second].*side = at->second;
    };
    collect(was, workload.before, &Sides::first);
    collect(is, workload.after, &Sides::second);
    for (const auto& [port, sides] : ports)
      out.push_back({sides.first, sides.second, fmt::format("{} {}", workload.name, port.str())});
  }
  return out;
}

}  // namespace weft::reach
