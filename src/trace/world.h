#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "dns/plan.h"
#include "gateway/plan.h"
#include "gateway/route/router.h"
#include "kube/config.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/pod_dns.h"
#include "kube/service.h"
#include "policy/plan.h"
#include "service/announce_plan.h"
#include "service/plan.h"
#include "trace/machinery.h"
#include "trace/origin.h"

/// A cluster at one moment, as the plans of all chapters see it. Explanations are read off these plans, the
/// very same that the engines follow; nothing that they decide is decided again here.
namespace weft::trace {

template <class T>
using Ptr = std::shared_ptr<const T>;
template <class T>
using ByKey = std::map<std::string, Ptr<T>>;  ///< by "namespace/name", or "name"

/// The names that a route is for, and whose it wants to be.
struct RouteNames {
  std::string kind;
  std::string key;
  std::vector<std::string> hostnames;  ///< empty: any
};

/// A workload that makes pods, and has none.
struct IdleWorkload {
  std::string name;  ///< "Deployment shop/web"
  std::string namespace_;
  kube::StringMap labels;  ///< of its template
};

struct World {
  ByKey<kube::Namespace> namespaces;
  ByKey<kube::Node> nodes;
  ByKey<kube::Pod> pods;
  ByKey<kube::Service> services;
  std::map<std::string, std::vector<service::SlicePtr>> slices;  ///< by Service
  ByKey<kube::Gateway> gateways;
  std::vector<RouteNames> routes;
  /// Pods of a workload, by "kind/namespace/name".
  std::map<std::string, std::vector<std::string>> workloads;
  std::vector<IdleWorkload> idle;
  Origins origins;
  /// Selected pods that no slice has, with the reason, by Service.
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> left_out;
  /// Why a load balancer has no address, by Service.
  std::map<std::string, std::string> without_address;
  /// Load balancers' addresses that manifests do not say: examples, of which nobody knows who announces them.
  std::set<IpAddr> assumed_balancers;
  std::vector<std::string> notes;  ///< what was assumed, a line each

  // The plans.
  dns::Zone zone;
  policy::PolicyPlan policies{{.node = {}}};
  gateway::GatewayPlan gateway_plan;
  service::AnnouncePlanner announcements;

  // Who has an address.
  std::map<IpAddr, std::string> pod_at;
  std::map<IpAddr, std::string> node_at;
  std::map<IpAddr, std::vector<std::string>> services_at;  ///< without those that are at nodes' addresses
  std::vector<std::string> node_port_services;

  /// Where pods ask for names.
  kube::ClusterDns dns;

  /// Whether it is a Service that every cluster has, whose endpoints are the cluster's own: no manifest tells
  /// of them.
  bool has_unknown_endpoints(const std::string& service) const;
  service::NodeFacts facts_of(const std::string& node) const;
  /// A proxy's port (of gateway_plan's snapshot) as the proxy looks things up in it; made when it is first
  /// asked for. Not for several threads.
  const gateway::CompiledPort& compiled(const std::shared_ptr<const gateway::Port>& port) const;

 private:
  mutable gateway::RouteCompiler compiler_;
  mutable std::map<const gateway::Port*, std::shared_ptr<const gateway::CompiledPort>> compiled_;
};

/// What the manifests would come to in a cluster that has them and nothing else but what `machinery` assumes.
/// Pods are ready, have addresses and are placed unless they have a status that says otherwise. `manifests`
/// have to outlive the world: it points into them. Fails on an object that cannot be understood or that an
/// API server would refuse: "FILE:LINE: field: why".
Expected<std::unique_ptr<World>> build_world(const std::vector<kube::YamlDocument>& manifests,
                                             const Machinery& machinery);

}  // namespace weft::trace
