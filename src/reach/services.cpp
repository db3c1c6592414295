#include "reach/services.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "policy/rules.h"
#include "service/plan.h"

namespace weft::reach {
namespace {

bool wants_this_node(const kube::Service& service, const std::vector<service::SlicePtr>& slices) {
  if (service.spec.internalTrafficPolicy == "Local") return true;
  return std::ranges::any_of(slices, [](const auto& slice) {
    return std::ranges::any_of(slice->endpoints,
                               [](const auto& endpoint) { return endpoint.hints.has_value(); });
  });
}

}  // namespace

ServicePort::ServicePort(const trace::World& world, const Pods& pods, const std::string& service,
                         size_t index)
    : world_(world), pods_(pods), service_(service), object_(world.services.at(service)), index_(index) {
  by_node_ = wants_this_node(*object_, slices());
  mesh_ = std::ranges::any_of(slices(), [](const auto& slice) { return service::is_mesh(*slice); });
}

const std::vector<service::SlicePtr>& ServicePort::slices() const {
  static const std::vector<service::SlicePtr> kNone;
  auto at = world_.slices.find(service_);
  return at == world_.slices.end() ? kNone : at->second;
}

PortNumber ServicePort::number() const {
  const auto& protocol = port().protocol;
  return {.protocol = policy::protocol_number(protocol.empty() ? "TCP" : protocol).value_or(0),
          .port = static_cast<uint16_t>(port().port)};
}

bool ServicePort::has_way_in() const {
  const auto& service = *object_;
  return !service.status.loadBalancer.ingress.empty() || !service.spec.externalIPs.empty() ||
         port().nodePort != 0;
}

void ServicePort::add(Ways& ways, const IpAddr& address, uint16_t port) const {
  Endpoint out{.kind = {}, .v6 = address.is_v6(), .port = port};
  auto pod = world_.pod_at.find(address);
  auto kind = pod == world_.pod_at.end() ? pods_.kind_of.end() : pods_.kind_of.find(pod->second);
  if (kind != pods_.kind_of.end())
    out.kind = kind->second;
  else
    out.address = address;
  ways.endpoints.push_back(out);
}

/// What a name leads to that stands for its endpoints.
Ways ServicePort::from_slices() const {
  Ways out{.endpoints = {}, .empty = {}, .none = trace::Verdict::no_name};
  for (const auto& slice : slices()) {
    for (const auto& have : slice->ports) {
      if (!have.port || have.name.value_or("") != port().name || slice->addressType == "FQDN") continue;
      for (const auto& endpoint : slice->endpoints) {
        if (!endpoint.conditions.ready.value_or(true)) continue;
        for (const auto& text : endpoint.addresses) {
          if (auto address = IpAddr::parse(text)) add(out, *address, static_cast<uint16_t>(*have.port));
        }
      }
    }
  }
  return out;
}

Ways ServicePort::from_plan(const std::string& node) const {
  Ways out;
  auto plan = service::plan_service(*object_, slices(), world_.facts_of(node));
  for (const auto& front : plan.frontends) {
    if (front.kind != service::FrontendKind::cluster_ip || front.port_index != index_) continue;
    const auto& set = plan.sets[front.set];
    for (const auto& backend : set.backends) add(out, backend.addr, backend.port);
    if (!set.backends.empty()) continue;
    auto verdict = world_.has_unknown_endpoints(service_)         ? trace::Verdict::unknown
                   : front.when_empty == service::WhenEmpty::drop ? trace::Verdict::dropped
                                                                  : trace::Verdict::refused;
    out.empty.push_back({front.addr.is_v6(), verdict});
  }
  return out;
}

Ways ServicePort::make(const std::string& node) const {
  auto out = object_->spec.clusterIP == "None" ? from_slices() : from_plan(node);
  std::ranges::sort(out.endpoints);
  out.endpoints.erase(std::ranges::unique(out.endpoints).begin(), out.endpoints.end());
  return out;
}

const Ways& ServicePort::ways(const std::string& node) const {
  auto [at, is_new] = ways_.try_emplace(by_node_ ? node : std::string());
  if (is_new) at->second = make(node);
  return at->second;
}

std::vector<std::string> ServicePort::leads_to() const {
  std::set<std::string> out;
  auto add_all = [&](const Ways& ways) {
    for (const auto& endpoint : ways.endpoints) {
      auto port = PortNumber{number().protocol, endpoint.port}.str();
      if (endpoint.address) out.insert(fmt::format("{} {}", endpoint.address->str(), port));
      if (!endpoint.kind) continue;
      const auto& members = pods_.kinds[*endpoint.kind];
      if (!members.kind.owner.empty()) out.insert(fmt::format("{} {}", members.kind.owner, port));
      if (!members.kind.owner.empty()) continue;
      for (const auto& pod : members.pods) out.insert(fmt::format("Pod {} {}", pod, port));
    }
  };
  if (!by_node_) add_all(ways({}));
  for (const auto& [node, object] : world_.nodes) {
    if (by_node_) add_all(ways(node));
  }
  return {out.begin(), out.end()};
}

}  // namespace weft::reach
