#include <memory>

#include "gateway/ingress.h"
#include "gateway/plan.h"

/// The last step: what has been worked out part by part is put together.
namespace weft::gateway {

/// The ListenerSet has gone over to another Gateway of ours, which decides its status now.
bool GatewayPlan::is_set_elsewhere(const std::string& set, const std::string& gateway) const {
  auto object = objects_.find<kube::ListenerSet>(set);
  auto gateways = object ? groups_of(*object) : std::vector<std::string>();
  return !gateways.empty() && gateways.front() != gateway && view(gateways.front());
}

void GatewayPlan::settle_statuses(const std::string& key, PlanChanges& changes) {
  auto held = gateways_.find(key);
  const GatewayView* now = view(key);
  auto infrastructure = objects_.infrastructure.find(key);
  const auto* known = infrastructure == objects_.infrastructure.end() ? nullptr : &infrastructure->second;
  if (key == kIngressGateway) {
    auto status = gateway::ingress_status(now ? known : nullptr);
    if (status == ingress_status_) return;
    ingress_status_ = std::move(status);
    for (const auto& ingress : ingresses_) changes.statuses.emplace("Ingress", ingress);
    return;
  }
  if (meshed_service(key)) return;
  GatewayStatuses statuses;
  if (now) {
    statuses =
        gateway_statuses(*now, known, [&](const std::string& id) { return held->second.attached(id); });
  }
  auto told = gateway_statuses_.find(key);
  if (!now) {
    if (told != gateway_statuses_.end()) changes.statuses.emplace("Gateway", key);
    gateway_statuses_.erase(key);
  } else if (told == gateway_statuses_.end() || told->second != statuses.gateway) {
    gateway_statuses_.insert_or_assign(key, std::move(statuses.gateway));
    changes.statuses.emplace("Gateway", key);
  }
  for (const auto& set : sets_of_[key]) {
    if (statuses.sets.contains(set) || is_set_elsewhere(set, key)) continue;
    set_statuses_.erase(set);
    changes.statuses.emplace("ListenerSet", set);
  }
  sets_of_[key].clear();
  for (auto& [set, status] : statuses.sets) {
    sets_of_[key].insert(set);
    auto at = set_statuses_.find(set);
    if (at != set_statuses_.end() && at->second == status) continue;
    set_statuses_.insert_or_assign(set, std::move(status));
    changes.statuses.emplace("ListenerSet", set);
  }
  if (sets_of_[key].empty()) sets_of_.erase(key);
}

void GatewayPlan::settle_certificates() {
  auto made = std::make_shared<Certificates>();
  auto add = [&](const Loaded& loaded) {
    made->pairs.insert(loaded.pairs.begin(), loaded.pairs.end());
    made->ca_bundles.insert(loaded.bundles.begin(), loaded.bundles.end());
  };
  for (const auto& [key, assembly] : gateways_) {
    if (assembly.view()) add(assembly.view()->loaded);
  }
  for (const auto& [key, backend] : backends_) add(backend.loaded);
  const auto& held = snapshot_.certificates;
  if (held && held->pairs == made->pairs && held->ca_bundles == made->ca_bundles) return;
  snapshot_.certificates = std::move(made);
}

void GatewayPlan::settle_snapshot(PlanChanges& changes) {
  const Snapshot before = snapshot_;
  bool ports_changed = false;
  for (const auto& key : std::exchange(touched_gateways_, {})) {
    auto at = gateways_.find(key);
    if (at != gateways_.end()) {
      for (const auto& [port, made] : at->second.ports()) ports_.erase({made->bind_port, made->udp});
      ports_changed = at->second.settle() || ports_changed;
      for (const auto& [port, made] : at->second.ports()) ports_[{made->bind_port, made->udp}] = made;
    }
    settle_statuses(key, changes);
    if (at != gateways_.end() && at->second.empty()) gateways_.erase(at);
  }
  if (ports_changed) {
    snapshot_.ports.clear();
    for (const auto& [key, port] : ports_) snapshot_.ports.push_back(port);
  }
  if (std::exchange(backends_changed_, false)) {
    auto made = std::make_shared<SharedMap<Backend>>();
    for (const auto& [key, state] : backends_) made->emplace_hint(made->end(), key, state.backend);
    snapshot_.backends = std::move(made);
  }
  if (std::exchange(endpoints_changed_, false)) {
    auto made = std::make_shared<SharedMap<Endpoints>>();
    for (const auto& [key, state] : endpoints_) {
      if (state.endpoints && !state.endpoints->empty()) made->emplace_hint(made->end(), key, state.endpoints);
    }
    snapshot_.endpoints = std::move(made);
  }
  if (std::exchange(certificates_changed_, false)) settle_certificates();
  changes.snapshot = ports_changed || snapshot_.backends != before.backends ||
                     snapshot_.endpoints != before.endpoints || snapshot_.certificates != before.certificates;
}

}  // namespace weft::gateway
