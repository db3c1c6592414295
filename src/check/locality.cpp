#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "check/context.h"
#include "service/plan.h"

/// Services whose traffic stays on the node that it comes to, and nodes that have nobody to take it.
namespace weft::check {
namespace {

struct Policy {
  const char* code;
  const char* field;
  bool outside;  ///< about connections from outside the cluster
};
constexpr Policy kExternal{"WEFT0112", "spec.externalTrafficPolicy", true};
constexpr Policy kInternal{"WEFT0113", "spec.internalTrafficPolicy", false};

class LocalityCheck {
 public:
  LocalityCheck(const Context& context, std::string key, const kube::Service& service)
      : context_(context), key_(std::move(key)), service_(service) {}

  void run() const {
    const auto& spec = service_.spec;
    if (spec.type == "ExternalName" || spec.clusterIP == "None") return;
    if (spec.externalTrafficPolicy == "Local") check(kExternal);
    if (spec.internalTrafficPolicy == "Local") check(kInternal);
  }

 private:
  void add(const Policy& policy, Severity severity, std::string message, std::string fix) const {
    context_.add(policy.code, severity, context_.world.origins.find("Service", key_, policy.field),
                 std::move(message), std::move(fix));
  }

  void check(const Policy& policy) const {
    if (service_.spec.selector.empty()) return check_slices(policy);
    auto pods = context_.pods.selected(service_.metadata.namespace_, service_.spec.selector);
    if (pods.empty()) return;
    // A load balancer asks the nodes and leads nobody to one that has no endpoint.
    if (policy.outside && service_.spec.type == "LoadBalancer" && service_.spec.externalIPs.empty()) return;
    auto nodes = written_nodes();
    if (nodes.size() > 1) return check_nodes(policy, nodes, pods);
    auto owner = context_.pods.owner_of(*pods.front());
    if (owner.starts_with("DaemonSet ") || !nodes.empty()) return;
    add(policy, Severity::note,
        fmt::format("only a node that has a pod of {} answers {}, and not every node needs to have one",
                    owner, policy.outside ? "those who come to it" : "clients on it"),
        "If that is not meant: Cluster, or a DaemonSet");
  }

  /// Endpoints that somebody has written; those without a node are on none.
  void check_slices(const Policy& policy) const {
    auto all = context_.world.slices.find(key_);
    if (all == context_.world.slices.end()) return;
    bool any = false;
    for (const auto& slice : all->second) {
      if (service::is_mesh(*slice)) continue;
      for (const auto& endpoint : slice->endpoints) {
        if (endpoint.nodeName) return;
        any = true;
      }
    }
    if (any)
      add(policy, Severity::error,
          "no endpoint of its EndpointSlices names a node (nodeName): no node has one of its own, so that "
          "nobody "
          "is answered",
          "Name the nodes, or set it to Cluster");
  }

  std::vector<std::string> written_nodes() const {
    std::vector<std::string> out;
    for (const auto& [name, node] : context_.world.nodes) {
      if (context_.is_written("Node", name)) out.push_back(name);
    }
    return out;
  }

  /// By the plan that the node would follow.
  bool drops(const std::string& node, bool outside) const {
    auto slices = context_.world.slices.find(key_);
    if (slices == context_.world.slices.end()) return false;
    auto plan = service::plan_service(service_, slices->second, context_.world.facts_of(node));
    return std::ranges::any_of(plan.frontends, [&](const service::Frontend& front) {
      if ((front.kind == service::FrontendKind::cluster_ip) == outside) return false;
      const auto& set = plan.sets[outside ? front.edge_set : front.set];
      return set.backends.empty() &&
             (outside ? front.edge_when_empty : front.when_empty) == service::WhenEmpty::drop;
    });
  }

  void check_nodes(const Policy& policy, const std::vector<std::string>& nodes, const Pods& pods) const {
    std::vector<std::string> without;
    std::ranges::copy_if(nodes, std::back_inserter(without),
                         [&](const auto& node) { return drops(node, policy.outside); });
    if (without.empty()) return;
    bool placed = std::ranges::all_of(pods, [&](const auto& pod) {
      auto key = trace::key_of(pod->metadata.namespace_, pod->metadata.name);
      return context_.written("Pod", key, "spec.nodeName") ||
             context_.pods.owner_of(*pod).starts_with("DaemonSet ");
    });
    add(policy, Severity::warning,
        fmt::format("{} has no pod on {}{}: {} gets no answer", context_.pods.owner_of(*pods.front()),
                    fmt::join(without, ", "), placed ? "" : ", as it may be placed",
                    policy.outside ? "who comes to it there" : "a client there"),
        "Set it to Cluster, or run a pod of it on every node (a DaemonSet)");
  }

  const Context& context_;
  const std::string key_;
  const kube::Service& service_;
};

}  // namespace

void check_locality(const Context& context) {
  for (const auto& [key, service] : context.world.services) {
    if (context.is_written("Service", key)) LocalityCheck(context, key, *service).run();
  }
}

}  // namespace weft::check
