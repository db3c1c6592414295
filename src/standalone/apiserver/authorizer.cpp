#include "standalone/apiserver/authorizer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace weft::standalone {
namespace {

struct Rule {
  std::string_view who;
  /// "pods/status" for a subresource; "*", "*/status": of every kind of the group.
  std::string_view group, resource;
  bool read = false, write = false;
  std::string_view prefix = {};  ///< of the names of objects that it is about; "": all
};

constexpr auto kRules = std::to_array<Rule>({
    {kAgentGroup, "", "services", true, false},
    {kAgentGroup, "discovery.k8s.io", "endpointslices", true, false},
    {kAgentGroup, "", "nodes", true, false},
    {kAgentGroup, "", "pods", true, false},
    {kAgentGroup, "", "namespaces", true, false},
    {kAgentGroup, "networking.k8s.io", "networkpolicies", true, false},
    {kAgentGroup, "policy.networking.k8s.io", "clusternetworkpolicies", true, false},
    {kAgentGroup, "", "events", false, true},
    {kDnsGroup, "", "services", true, false},
    {kDnsGroup, "discovery.k8s.io", "endpointslices", true, false},
    {kDnsGroup, "", "pods", true, false},
    {kDnsGroup, "", "namespaces", true, false},
    {kControllerGroup, "", "pods", true, false},
    {kControllerGroup, "", "nodes", true, false},
    {kControllerGroup, "", "namespaces", true, false},
    {kControllerGroup, "", "endpoints", true, false},
    {kControllerGroup, "networking.k8s.io", "networkpolicies", true, false},
    {kControllerGroup, "policy.networking.k8s.io", "clusternetworkpolicies", true, false},
    {kControllerGroup, "", "services/status", false, true},
    {kControllerGroup, "weft.dev", "addresspools", true, false},
    {kControllerGroup, "weft.dev", "addresspools/status", false, true},
    {kControllerGroup, "discovery.k8s.io", "endpointslices", true, true},
    {kControllerGroup, "coordination.k8s.io", "leases", true, true},
    {kControllerGroup, "", "events", false, true},
    // Gateways: their entrances are Services; what certificates are worth is told in statuses.
    {kControllerGroup, "gateway.networking.k8s.io", "*", true, false},
    {kControllerGroup, "gateway.networking.k8s.io", "*/status", false, true},
    {kControllerGroup, "gateway.networking.x-k8s.io", "xmeshes", true, false},
    {kControllerGroup, "gateway.networking.x-k8s.io", "xmeshes/status", false, true},
    {kControllerGroup, "networking.k8s.io", "ingresses", true, false},
    {kControllerGroup, "networking.k8s.io", "ingresses/status", false, true},
    {kControllerGroup, "networking.k8s.io", "ingressclasses", true, false},
    {kControllerGroup, "", "services", true, true},
    {kControllerGroup, "", "secrets", true, false},
    {kControllerGroup, "", "configmaps", true, false},
    {kGatewayGroup, "gateway.networking.k8s.io", "*", true, false},
    {kGatewayGroup, "gateway.networking.x-k8s.io", "xmeshes", true, false},
    {kGatewayGroup, "networking.k8s.io", "ingresses", true, false},
    {kGatewayGroup, "networking.k8s.io", "ingressclasses", true, false},
    {kGatewayGroup, "", "services", true, false},
    {kGatewayGroup, "", "secrets", true, false},
    {kGatewayGroup, "", "configmaps", true, false},
    {kGatewayGroup, "", "namespaces", true, false},
    // Of namespaces with routes to Services of others: who the clients are.
    {kGatewayGroup, "", "pods", true, false},
    {kGatewayGroup, "discovery.k8s.io", "endpointslices", true, false},
    {kGatewayGroup, "coordination.k8s.io", "leases", false, true, "weft-gateway-"},
});

bool is_read(std::string_view verb) { return verb == "get" || verb == "list" || verb == "watch"; }

/// Whether a rule is about it: a star stands for any kind, not for a subresource.
bool is_about(const Rule& rule, const Access& access) {
  if (rule.group != access.group) return false;
  auto slash = rule.resource.find('/');
  auto kind = rule.resource.substr(0, slash);
  auto subresource = slash == std::string_view::npos ? std::string_view() : rule.resource.substr(slash + 1);
  return (kind == "*" || kind == access.resource) && subresource == access.subresource &&
         access.name.starts_with(rule.prefix);
}

}  // namespace

bool may(const std::vector<std::string>& groups, const Access& access) {
  return std::ranges::any_of(groups, [&](std::string_view group) {
    if (group == kAdminGroup) return true;
    return std::ranges::any_of(kRules, [&](const Rule& rule) {
      return rule.who == group && is_about(rule, access) && (is_read(access.verb) ? rule.read : rule.write);
    });
  });
}

Error forbidden_access(const std::string& user, const Access& access) {
  auto resource = access.subresource.empty() ? access.resource : access.resource + "/" + access.subresource;
  auto qualified = access.group.empty() ? access.resource : access.resource + "." + access.group;
  auto subject = access.name.empty() ? qualified : fmt::format("{} \"{}\"", qualified, access.name);
  auto where = access.ns.empty() ? std::string("at the cluster scope")
                                 : fmt::format("in the namespace \"{}\"", access.ns);
  return {ErrorCode::forbidden,
          fmt::format("{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}",
                      subject, user, access.verb, resource, access.group, where)};
}

}  // namespace weft::standalone
