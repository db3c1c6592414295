#include "gateway/plan.h"

#include <algorithm>
#include <array>

#include "gateway/ingress.h"
#include "gateway/names.h"
#include "gateway/policies.h"

namespace weft::gateway {
namespace {

template <class Map>
auto* find(Map& map, const std::string& key) {
  auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

/// Puts or removes a value; true: that has changed something.
template <class Value>
bool update(std::map<std::string, Value>& map, const std::string& key, std::optional<Value> now) {
  auto at = map.find(key);
  if (!now) return at != map.end() && (map.erase(at), true);
  if (at != map.end() && at->second == *now) return false;
  map.insert_or_assign(key, std::move(*now));
  return true;
}

template <class T, class... Surroundings>
std::optional<RouteBuild> build_if_there(Lookup& look, const std::string& key,
                                         const Surroundings&... surroundings) {
  auto route = look.get<T>(key);
  if (!route || route->metadata.deletionTimestamp) return {};
  return build_route(look, surroundings..., *route);
}

}  // namespace

/// Parts that begin with an object: they have read nothing yet.
void GatewayPlan::born(const kube::ObjectMeta& meta, const std::string& kind) {
  constexpr std::array<std::string_view, 6> kRoutes = {"HTTPRoute", "GRPCRoute", "TLSRoute",
                                                       "TCPRoute",  "UDPRoute",  "Ingress"};
  auto key = kube::object_key(meta);
  if (kind == "GatewayClass") dirty_.insert({Part::class_, key});
  if (kind == "XMesh") dirty_.insert({Part::mesh, key});
  if (kind == "Gateway") dirty_.insert({Part::gateway, key});
  if (kind == "EndpointSlice" && meta.labels.contains(std::string(kMeshOf)))
    dirty_.insert({Part::gateway, mesh_key(meta.namespace_ + "/" + meta.labels.at(std::string(kMeshOf)))});
  if (kind == "IngressClass") dirty_.insert({Part::gateway, std::string(kIngressGateway)});
  if (kind == "BackendTLSPolicy") dirty_.insert({Part::policy, key});
  if (std::ranges::find(kRoutes, kind) != kRoutes.end()) dirty_.insert({Part::route, kind + "/" + key});
}

void GatewayPlan::touch(const std::string& what) {
  const auto* readers = readers_.of(what);
  if (readers) dirty_.insert(readers->begin(), readers->end());
}

void GatewayPlan::put_infrastructure(const std::string& gateway, std::optional<Infrastructure> now) {
  if (!update(objects_.infrastructure, gateway, std::move(now))) return;
  if (auto* assembly = find(gateways_, gateway))
    assembly->set_infrastructure(find(objects_.infrastructure, gateway));
  touched_gateways_.insert(gateway);
}

PlanChanges GatewayPlan::take_changes() {
  PlanChanges changes;
  // What one part touches stands behind it: see the order of Part.
  while (!dirty_.empty()) {
    auto part = dirty_.extract(dirty_.begin()).value();
    settle(part, changes);
  }
  settle_snapshot(changes);
  return changes;
}

void GatewayPlan::settle(const PartId& part, PlanChanges& changes) {
  switch (part.part) {
    case Part::class_:
      return settle_class(part.key, changes);
    case Part::mesh:
      return settle_mesh(part.key, changes);
    case Part::gateway:
      return settle_gateway(part.key, changes);
    case Part::route:
      return settle_route(part.key, changes);
    case Part::backend:
      return settle_backend(part.key);
    case Part::endpoints:
      return settle_endpoints(part.key);
    case Part::policy:
      return settle_policy(part.key, changes);
  }
}

void GatewayPlan::settle_class(const std::string& name, PlanChanges& changes) {
  auto class_ = objects_.find<kube::GatewayClass>(name);
  std::optional<kube::GatewayClassStatus> status;
  if (class_ && class_->spec.controllerName == kController) status = gateway::class_status(*class_);
  if (update(class_statuses_, name, std::move(status))) changes.statuses.emplace("GatewayClass", name);
}

void GatewayPlan::settle_mesh(const std::string& name, PlanChanges& changes) {
  auto mesh = objects_.find<kube::XMesh>(name);
  std::optional<kube::GatewayClassStatus> status;
  if (mesh && mesh->spec.controllerName == kController) status = gateway::mesh_status(*mesh);
  if (update(mesh_statuses_, name, std::move(status))) changes.statuses.emplace("XMesh", name);
}

void GatewayPlan::settle_gateway(const std::string& key, PlanChanges& changes) {
  Lookup look(objects_);
  auto now = key == kIngressGateway ? view_ingresses(look, certificates_)
             : meshed_service(key)  ? view_of_mesh(look, key)
                                    : view_gateway(look, certificates_, key);
  readers_.replace({Part::gateway, key}, look.reads());
  const GatewayView* before = view(key);
  if (!before && !now) return;
  if (before && now && *before == *now) return;
  bool entrance = !before || !now || !(before->entrance == now->entrance);
  if (entrance) changes.entrances.insert(key);
  auto& assembly = gateways_[key];
  touch_unrouted(key);
  assembly.set_infrastructure(find(objects_.infrastructure, key));
  assembly.set_view(now ? std::make_shared<const GatewayView>(std::move(*now)) : nullptr);
  touch_unrouted(key);
  touched_gateways_.insert(key);
  certificates_changed_ = true;
  touch(view_name(key));
}

/// Where proxies listen for a Service its slices say.
std::optional<GatewayView> GatewayPlan::view_of_mesh(Lookup& look, const std::string& key) {
  auto now = view_mesh(look, key, mesh_users_[key]);
  if (mesh_users_[key].empty()) mesh_users_.erase(key);
  put_infrastructure(key, now ? std::optional(std::move(now->infrastructure)) : std::nullopt);
  return now ? std::optional(std::move(now->view)) : std::nullopt;
}

/// What a Service's ports do without routes follows from its view.
void GatewayPlan::touch_unrouted(const std::string& key) {
  const auto* known = meshed_service(key) ? view(key) : nullptr;
  if (!known) return;
  for (const auto& listener : known->listeners) {
    if (listener.consumers.empty()) dirty_.insert({Part::route, key + "/" + listener.name});
  }
}

std::optional<RouteBuild> GatewayPlan::build(Lookup& look, const std::string& kind, const std::string& key) {
  Views views = [this](const std::string& gateway) { return view(gateway); };
  Rivals rivals = [this](const RouteOrder& order, const Attachment& attachment) {
    return older_rival(order, attachment);
  };
  if (kind == "HTTPRoute") return build_if_there<kube::HTTPRoute>(look, key, views, rivals);
  if (kind == "GRPCRoute") return build_if_there<kube::GRPCRoute>(look, key, views, rivals);
  if (kind == "TLSRoute") return build_if_there<kube::TLSRoute>(look, key, views);
  if (kind == "TCPRoute") return build_if_there<kube::TCPRoute>(look, key, views);
  if (kind == "UDPRoute") return build_if_there<kube::UDPRoute>(look, key, views);
  if (kind == "Service") {
    auto slash = key.rfind('/');
    const auto* mesh = view(mesh_key(key.substr(0, slash)));
    return mesh ? build_unrouted(*mesh, key.substr(slash + 1)) : std::nullopt;
  }
  auto ingress = look.get<kube::Ingress>(key);
  if (!ingress) return {};
  return build_ingress(look, *ingress);
}

void GatewayPlan::settle_route(const std::string& part, PlanChanges& changes) {
  auto slash = part.find('/');
  ObjectName name{part.substr(0, slash), part.substr(slash + 1)};
  Lookup look(objects_);
  auto now = build(look, name.first, name.second);
  readers_.replace({Part::route, part}, now ? look.reads() : std::vector<std::string>());
  if (now && !keeps_parents_) now->parents = {};
  auto at = routes_.find(part);
  if (at != routes_.end() && now) keep_pointers(at->second, *now);
  std::vector<kube::RouteParentStatus> told;
  bool moved = at == routes_.end() || !now || at->second.attachments != now->attachments ||
               at->second.order != now->order;
  if (at != routes_.end()) {
    told = std::move(at->second.parents);
    if (moved) touch_rivals(at->second);
    detach(at->second);
  }
  if (now) attach(*now);
  if (now && moved) touch_rivals(*now);
  if (name.first == "Ingress") {
    bool ours = now && !now->attachments.empty();
    bool had_any = !ingresses_.empty();
    if (ours ? ingresses_.insert(name.second).second : ingresses_.erase(name.second) > 0)
      changes.statuses.insert(name);
    if (had_any == ingresses_.empty()) changes.entrances.emplace(kIngressGateway);
  } else if (told != (now ? now->parents : std::vector<kube::RouteParentStatus>())) {
    changes.statuses.insert(name);
  }
  if (now) {
    routes_.insert_or_assign(part, std::move(*now));
  } else if (at != routes_.end()) {
    routes_.erase(at);
  }
}

std::optional<RouteOrder> GatewayPlan::older_rival(const RouteOrder& order,
                                                   const Attachment& attachment) const {
  const auto* assembly = meshed_service(attachment.gateway) ? nullptr : find(gateways_, attachment.gateway);
  return assembly ? assembly->older_rival(order, attachment) : std::nullopt;
}

/// Whether a route has its hostnames may depend on this one. Only younger ones look again, so that this ends.
void GatewayPlan::touch_rivals(const RouteBuild& route) {
  for (const auto& attachment : route.attachments) {
    const auto* assembly = find(gateways_, attachment.gateway);
    if (attachment.refused || !assembly) continue;
    for (const auto& rival : assembly->younger_rivals(route.order, attachment))
      dirty_.insert({Part::route, rival.kind + "/" + rival.key});
  }
}

void GatewayPlan::attach(const RouteBuild& route) {
  for (const auto& attachment : route.attachments) {
    gateways_[attachment.gateway].attach(route, attachment);
    touched_gateways_.insert(attachment.gateway);
  }
  for (const auto& [key, id] : route.backends) use(id, 1);
  count_services(route, 1);
  count_mesh(route, 1);
}

void GatewayPlan::detach(const RouteBuild& route) {
  for (const auto& attachment : route.attachments) {
    gateways_[attachment.gateway].detach(route, attachment);
    touched_gateways_.insert(attachment.gateway);
  }
  for (const auto& [key, id] : route.backends) use(id, -1);
  count_services(route, -1);
  count_mesh(route, -1);
}

void GatewayPlan::use(const BackendId& id, int by) {
  auto key = id.key();
  auto& backend = backends_[key];
  if (backend.users == 0) {
    backend.id = id;
    dirty_.insert({Part::backend, key});
    auto& endpoints = endpoints_[id.endpoints_key()];
    endpoints.id = id;
    if (endpoints.users++ == 0) dirty_.insert({Part::endpoints, id.endpoints_key()});
  }
  backend.users += by;
  if (backend.users > 0) return;
  dirty_.insert({Part::backend, key});
  if (--endpoints_[id.endpoints_key()].users == 0) dirty_.insert({Part::endpoints, id.endpoints_key()});
}

/// Which of a Service's ports proxies are to serve.
void GatewayPlan::count_mesh(const RouteBuild& route, int by) {
  if (route.order.kind == "Service") return;
  for (const auto& attachment : route.attachments) {
    const auto& key = attachment.gateway;
    if (!meshed_service(key)) continue;
    auto& users = mesh_users_[key];
    auto name = attachment.listener.substr(key.size() + 1);
    bool is_new = !users.contains(name);
    users[name] += by;
    bool is_last = users[name] == 0;
    if (is_last) users.erase(name);
    if (is_new || is_last) dirty_.insert({Part::gateway, key});
  }
}

/// Policies say at which Gateways they are in use.
void GatewayPlan::count_services(const RouteBuild& route, int by) {
  std::set<std::string> gateways;
  std::set<std::string> services;
  for (const auto& attachment : route.attachments) {
    if (!attachment.refused) gateways.insert(attachment.gateway);
  }
  for (const auto& [key, id] : route.backends) {
    if (id.use == Use::http || id.use == Use::grpc) services.insert(id.service);
  }
  for (const auto& service : services) {
    auto& users = users_[service];
    for (const auto& gateway : gateways) {
      if (gateway == kIngressGateway || meshed_service(gateway)) continue;
      auto& count = users[gateway];
      bool is_new = count == 0;
      count += by;
      bool is_last = count == 0;
      if (is_last) users.erase(gateway);
      if (!is_new && !is_last) continue;
      for (const auto& [key, policy] : objects_.group<kube::BackendTLSPolicy>(service))
        dirty_.insert({Part::policy, key});
    }
    if (users.empty()) users_.erase(service);
  }
}

void GatewayPlan::settle_backend(const std::string& key) {
  PartId part{Part::backend, key};
  auto& state = backends_[key];
  if (state.users == 0) {
    readers_.erase(part);
    certificates_changed_ = certificates_changed_ || !state.loaded.bundles.empty();
    backends_changed_ = backends_changed_ || state.backend;
    backends_.erase(key);
    return;
  }
  Lookup look(objects_);
  std::string client_certificate;
  if (!state.id.gateway.empty()) {
    look.note(view_name(state.id.gateway));
    if (const auto* gateway = view(state.id.gateway)) client_certificate = gateway->client_certificate;
  }
  Loaded loaded;
  auto now = build_backend(look, certificates_, state.id, client_certificate, loaded);
  readers_.replace(part, look.reads());
  if (!(loaded == state.loaded)) {
    state.loaded = std::move(loaded);
    certificates_changed_ = true;
  }
  if (state.backend && *state.backend == now) return;
  state.backend = std::make_shared<const Backend>(std::move(now));
  backends_changed_ = true;
}

void GatewayPlan::settle_endpoints(const std::string& key) {
  PartId part{Part::endpoints, key};
  auto& state = endpoints_[key];
  if (state.users == 0) {
    readers_.erase(part);
    endpoints_changed_ = endpoints_changed_ || state.endpoints;
    endpoints_.erase(key);
    return;
  }
  Lookup look(objects_);
  auto now = build_endpoints(look, state.id);
  readers_.replace(part, look.reads());
  if (state.endpoints ? *state.endpoints == now : now.empty()) return;
  state.endpoints = std::make_shared<const Endpoints>(std::move(now));
  endpoints_changed_ = true;
}

void GatewayPlan::settle_policy(const std::string& key, PlanChanges& changes) {
  Lookup look(objects_);
  auto policy = look.get<kube::BackendTLSPolicy>(key);
  std::optional<std::vector<kube::PolicyAncestorStatus>> now;
  if (policy) {
    std::set<std::string> gateways;
    for (const auto& service : groups_of(*policy)) {
      if (const auto* users = find(users_, service)) {
        for (const auto& [gateway, count] : *users) gateways.insert(gateway);
      }
    }
    now = policy_status(look, certificates_, *policy, gateways);
  }
  readers_.replace({Part::policy, key}, policy ? look.reads() : std::vector<std::string>());
  if (update(policies_, key, std::move(now))) changes.statuses.emplace("BackendTLSPolicy", key);
}

const GatewayView* GatewayPlan::view(const std::string& gateway) const {
  const auto* assembly = find(gateways_, gateway);
  return assembly ? assembly->view().get() : nullptr;
}

const kube::GatewayClassStatus* GatewayPlan::class_status(const std::string& name) const {
  return find(class_statuses_, name);
}
const kube::GatewayClassStatus* GatewayPlan::mesh_status(const std::string& name) const {
  return find(mesh_statuses_, name);
}
const kube::GatewayStatus* GatewayPlan::gateway_status(const std::string& key) const {
  return find(gateway_statuses_, key);
}
const kube::ListenerSetStatus* GatewayPlan::set_status(const std::string& key) const {
  return find(set_statuses_, key);
}
const kube::IngressStatus* GatewayPlan::ingress_status(const std::string& key) const {
  return ingresses_.contains(key) ? &ingress_status_ : nullptr;
}
std::vector<kube::RouteParentStatus> GatewayPlan::route_parents(const std::string& kind,
                                                                const std::string& key) const {
  const auto* route = find(routes_, kind + "/" + key);
  return route ? route->parents : std::vector<kube::RouteParentStatus>();
}
std::vector<kube::PolicyAncestorStatus> GatewayPlan::policy_ancestors(const std::string& key) const {
  const auto* ancestors = find(policies_, key);
  return ancestors ? *ancestors : std::vector<kube::PolicyAncestorStatus>();
}
const Entrance* GatewayPlan::entrance(const std::string& gateway) const {
  const auto* known = view(gateway);
  // Without Ingresses nobody has to get in.
  if (gateway == kIngressGateway && ingresses_.empty()) return nullptr;
  return known && !known->entrance.ports.empty() ? &known->entrance : nullptr;
}

}  // namespace weft::gateway
