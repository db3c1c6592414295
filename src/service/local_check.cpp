#include "service/local_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/fnv.h"
#include "base/log.h"

namespace weft::service {
namespace {

/// Of other nodes' endpoints while the own one is down: enough that one answers, too few to be a load.
constexpr size_t kOthers = 4;

struct Candidate {
  size_t index;  ///< in the slice
  CheckTarget target;
};

std::optional<uint16_t> tcp_port(const kube::EndpointSlice& slice) {
  for (const auto& port : slice.ports) {
    if (port.protocol.value_or("TCP") == "TCP" && port.port && *port.port > 0 && *port.port <= 65'535)
      return static_cast<uint16_t>(*port.port);
  }
  return std::nullopt;
}

void leave_out(kube::Endpoint& endpoint, bool serving) {
  endpoint.conditions.ready = false;
  endpoint.conditions.serving = serving;
}

void erase(kube::EndpointSlice& slice, const std::set<size_t>& endpoints) {
  size_t index = 0;
  std::erase_if(slice.endpoints, [&](const auto&) { return endpoints.contains(index++); });
}

/// What can be asked for among the cluster addresses of a Service that wants to be checked.
std::optional<IpAddr> asked_address(const kube::Service& service) {
  auto annotation = service.metadata.annotations.find(std::string(kLocalCheckAnnotation));
  if (annotation == service.metadata.annotations.end()) return std::nullopt;
  auto key = service.metadata.namespace_ + "/" + service.metadata.name;
  if (annotation->second != "dns") {
    spdlog::warn("Service {}: annotation {}: \"{}\": only \"dns\" is known; it is not checked", key,
                 kLocalCheckAnnotation, annotation->second);
    return std::nullopt;
  }
  return IpAddr::parse(service.spec.clusterIP);
}

}  // namespace

LocalCheckPlan plan_local_check(const SlicePtr& slice, const std::string& node, const Verdicts& verdicts) {
  LocalCheckPlan plan{.targets = {}, .slice = slice};
  auto port = tcp_port(*slice);
  if (!port) return plan;
  std::vector<Candidate> own, others;
  for (size_t i = 0; i < slice->endpoints.size(); ++i) {
    const auto& endpoint = slice->endpoints[i];
    auto addr = endpoint.addresses.empty() ? std::nullopt : IpAddr::parse(endpoint.addresses[0]);
    if (!addr) continue;
    if (endpoint.nodeName == node)
      own.push_back({i, {*addr, *port}});
    else if (endpoint.conditions.ready.value_or(true))
      others.push_back({i, {*addr, *port}});
  }
  auto health_of = [&](const Candidate& candidate) {
    auto known = verdicts.find(candidate.target);
    return known == verdicts.end() ? Health::up : known->second;
  };
  auto is_down = [&](const Candidate& candidate) { return health_of(candidate) != Health::up; };
  for (const auto& candidate : own) plan.targets.push_back(candidate.target);
  bool all_down = !own.empty() && std::ranges::all_of(own, is_down);
  if (std::ranges::none_of(own, is_down) || (all_down && others.empty())) return plan;

  auto changed = std::make_shared<kube::EndpointSlice>(*slice);
  // What answers no more is not there: nobody waits for it.
  std::set<size_t> gone;
  auto take_out = [&](const Candidate& candidate) {
    if (health_of(candidate) == Health::down)
      gone.insert(candidate.index);
    else
      leave_out(changed->endpoints[candidate.index], false);
  };
  for (const auto& candidate : own) {
    if (is_down(candidate)) take_out(candidate);
  }
  if (all_down) {
    // Other nodes choose other ones.
    std::ranges::sort(others, {}, [&](const Candidate& candidate) {
      return std::pair(fnv1a(node + " " + candidate.target.addr.str()), candidate.target);
    });
    size_t few = std::min(kOthers, others.size());
    for (size_t i = 0; i < few; ++i) plan.targets.push_back(others[i].target);
    bool any = !std::all_of(others.begin(), others.begin() + static_cast<ptrdiff_t>(few), is_down);
    for (size_t i = 0; any && i < others.size(); ++i) {
      if (is_down(others[i]))
        take_out(others[i]);
      else if (i >= few)
        leave_out(changed->endpoints[others[i].index], true);
    }
  }
  erase(*changed, gone);
  plan.slice = std::move(changed);
  return plan;
}

void LocalChecks::service_changed(const ServicePtr& before, const ServicePtr& after) {
  const auto& known = after ? after : before;
  auto key = known->metadata.namespace_ + "/" + known->metadata.name;
  auto asked = after ? asked_address(*after) : std::nullopt;
  auto at = checked_.find(key);
  if (at != checked_.end() && asked == at->second.asked) return;
  if (at != checked_.end()) end(key);
  if (!asked) return;
  auto& checked = checked_[key];
  checked.asked = *asked;
  for (const auto& slice : options_.slices_of(key)) checked.slices[slice->metadata.name] = {slice, slice};
  refresh(key, checked);
}

void LocalChecks::slice_changed(const SlicePtr& before, const SlicePtr& after) {
  auto was = before ? service_of(*before) : std::string();
  auto is = after ? service_of(*after) : std::string();
  if (auto at = checked_.find(was); at != checked_.end() && was != is) {
    at->second.slices.erase(before->metadata.name);
    refresh(was, at->second);
  }
  auto at = checked_.find(is);
  if (at == checked_.end()) return options_.on_slice(before, after);
  auto shown = plan_local_check(after, options_.node, at->second.verdicts).slice;
  at->second.slices[after->metadata.name] = {after, shown};
  options_.on_slice(before, shown);
  refresh(is, at->second);
}

/// Follows whom the plans ask for, and shows what has become different.
void LocalChecks::refresh(const std::string& key, Checked& checked) {
  std::set<CheckTarget> wanted;
  std::vector<std::pair<SlicePtr, SlicePtr>> changes;
  for (auto& [name, slice] : checked.slices) {
    auto plan = plan_local_check(slice.real, options_.node, checked.verdicts);
    wanted.insert(plan.targets.begin(), plan.targets.end());
    if (*plan.slice == *slice.shown) continue;
    changes.emplace_back(slice.shown, plan.slice);
    slice.shown = plan.slice;
  }
  std::erase_if(checked.followed, [&](const auto& entry) { return !wanted.contains(entry.first); });
  std::erase_if(checked.verdicts, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (const auto& target : wanted) {
    if (!checked.followed.contains(target)) follow(key, checked, target);
  }
  for (const auto& [before, after] : changes) options_.on_slice(before, after);
}

void LocalChecks::follow(const std::string& key, Checked& checked, const CheckTarget& target) {
  checked.followed[target] = options_.follow(
      target, checked.asked,
      [this, key, target](Health health, const std::string& why) { verdict(key, target, health, why); });
}

void LocalChecks::verdict(const std::string& key, const CheckTarget& target, Health health,
                          const std::string& why) {
  auto at = checked_.find(key);
  if (at == checked_.end() || !at->second.followed.contains(target)) return;
  auto [known, first] = at->second.verdicts.try_emplace(target, health);
  if (!first && known->second == health) return;
  known->second = health;
  auto where = fmt::format("{}{}{}:{}", target.addr.is_v6() ? "[" : "", target.addr.str(),
                           target.addr.is_v6() ? "]" : "", target.port);
  if (health != Health::up)
    spdlog::warn("Service {}: {} is down: {}; this node's pods use others", key, where, why);
  else if (!first)
    spdlog::info("Service {}: {} is up again", key, where);
  refresh(key, at->second);
}

void LocalChecks::end(const std::string& key) {
  auto gone = checked_.extract(key);
  for (const auto& [name, slice] : gone.mapped().slices) {
    if (slice.shown != slice.real) options_.on_slice(slice.shown, slice.real);
  }
}

}  // namespace weft::service
