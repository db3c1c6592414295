#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gateway/assembly.h"
#include "gateway/backends.h"
#include "gateway/certificates.h"
#include "gateway/config/config.h"
#include "gateway/infrastructure.h"
#include "gateway/mesh.h"
#include "gateway/objects.h"
#include "gateway/routes.h"
#include "gateway/status.h"
#include "kube/client/informer.h"

/// From the objects of Gateway API and Ingress to what proxies do and to the statuses of these objects. Pure:
/// objects in, values out; no I/O, no clock.
namespace weft::gateway {

/// An object by kind ("HTTPRoute") and key.
using ObjectName = std::pair<std::string, std::string>;

struct PlanChanges {
  std::set<ObjectName> statuses;  ///< whose status is to be another, or is none of our business any more
  /// Gateways (and Services: mesh_key()) that ask for another way in, or for none.
  std::set<std::string> entrances;
  bool snapshot = false;

  bool empty() const { return statuses.empty() && entrances.empty() && !snapshot; }
};

/// apply() tells it of objects, in any order; take_changes() works out what follows. Its cost is that of what
/// the objects touch: each part of the result remembers what it has read, and is made anew only when one of
/// these objects changes.
class GatewayPlan {
 public:
  /// `parents`: what routes say of their parents is kept; who writes no statuses saves the memory.
  explicit GatewayPlan(bool parents = true) : keeps_parents_(parents) {}
  GatewayPlan(const GatewayPlan&) = delete;
  GatewayPlan& operator=(const GatewayPlan&) = delete;

  /// An object is there (`after`), or was removed (`after` is nullptr, `before` what it was). T: a kind of
  /// Objects.
  template <class T>
  void apply(const Ptr<T>& before, const Ptr<T>& after);
  /// What a Gateway ("namespace/name", kIngressGateway for Ingresses) has got; nothing: none of it.
  void put_infrastructure(const std::string& gateway, std::optional<Infrastructure> now);

  PlanChanges take_changes();

  // As of the last take_changes(), without lastTransitionTime; nullptr: none of our business.
  const Snapshot& snapshot() const { return snapshot_; }
  const kube::GatewayClassStatus* class_status(const std::string& name) const;
  const kube::GatewayClassStatus* mesh_status(const std::string& name) const;
  const kube::GatewayStatus* gateway_status(const std::string& key) const;
  const kube::ListenerSetStatus* set_status(const std::string& key) const;
  const kube::IngressStatus* ingress_status(const std::string& key) const;
  /// Entries of ours, to stand beside those of other controllers; `kind`: HTTPRoute and so on.
  std::vector<kube::RouteParentStatus> route_parents(const std::string& kind, const std::string& key) const;
  std::vector<kube::PolicyAncestorStatus> policy_ancestors(const std::string& key) const;
  /// nullptr: it asks for no way in.
  const Entrance* entrance(const std::string& gateway) const;

 private:
  struct BackendState {
    BackendId id;
    int users = 0;
    Ptr<Backend> backend;
    Loaded loaded;
  };
  struct EndpointsState {
    BackendId id;
    int users = 0;
    Ptr<Endpoints> endpoints;
  };

  void born(const kube::ObjectMeta& meta, const std::string& kind);
  void touch(const std::string& what);
  void settle(const PartId& part, PlanChanges& changes);
  void settle_class(const std::string& name, PlanChanges& changes);
  void settle_mesh(const std::string& name, PlanChanges& changes);
  void settle_gateway(const std::string& key, PlanChanges& changes);
  std::optional<GatewayView> view_of_mesh(Lookup& look, const std::string& key);
  void touch_unrouted(const std::string& key);
  void count_mesh(const RouteBuild& route, int by);
  void settle_route(const std::string& part, PlanChanges& changes);
  std::optional<RouteBuild> build(Lookup& look, const std::string& kind, const std::string& key);
  void settle_backend(const std::string& key);
  void settle_endpoints(const std::string& key);
  void settle_policy(const std::string& key, PlanChanges& changes);
  /// As Rivals.
  std::optional<RouteOrder> older_rival(const RouteOrder& order, const Attachment& attachment) const;
  void touch_rivals(const RouteBuild& route);
  void attach(const RouteBuild& route);
  void detach(const RouteBuild& route);
  void use(const BackendId& id, int by);
  void count_services(const RouteBuild& route, int by);
  void settle_statuses(const std::string& gateway, PlanChanges& changes);
  bool is_set_elsewhere(const std::string& set, const std::string& gateway) const;
  void settle_snapshot(PlanChanges& changes);
  void settle_certificates();
  const GatewayView* view(const std::string& gateway) const;

  const bool keeps_parents_;
  Objects objects_;
  Readers readers_;
  CertificateStore certificates_;
  std::set<PartId> dirty_;

  std::map<std::string, GatewayAssembly> gateways_;
  std::unordered_map<std::string, RouteBuild> routes_;  ///< by "kind/namespace/name"
  std::map<std::string, BackendState> backends_;
  std::map<std::string, EndpointsState> endpoints_;
  /// Gateways with routes to a Service, and with how many.
  std::unordered_map<std::string, std::map<std::string, int>> users_;
  std::map<std::string, MeshUsers> mesh_users_;           ///< by mesh_key()
  std::map<std::pair<uint16_t, bool>, Ptr<Port>> ports_;  ///< by bind port

  std::map<std::string, kube::GatewayClassStatus> class_statuses_;
  std::map<std::string, kube::GatewayClassStatus> mesh_statuses_;
  std::map<std::string, kube::GatewayStatus> gateway_statuses_;
  std::map<std::string, kube::ListenerSetStatus> set_statuses_;
  std::map<std::string, std::set<std::string>> sets_of_;  ///< whose status a Gateway's view decides
  std::map<std::string, std::vector<kube::PolicyAncestorStatus>> policies_;
  std::set<std::string> ingresses_;  ///< ours
  kube::IngressStatus ingress_status_;

  Snapshot snapshot_;
  std::set<std::string> touched_gateways_;
  bool backends_changed_ = true;
  bool endpoints_changed_ = true;
  bool certificates_changed_ = true;
};

template <class T>
void GatewayPlan::apply(const Ptr<T>& before, const Ptr<T>& after) {
  const auto& meta = (after ? after : before)->metadata;
  auto changed = objects_.put<T>(kube::object_key(meta), after);
  if (!changed.empty()) born(meta, kube::resource_of<T>().kind);
  for (const auto& what : changed) touch(what);
}

}  // namespace weft::gateway
