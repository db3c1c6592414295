#include "service/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/text.h"

namespace weft::service {
namespace {

constexpr uint32_t kDefaultAffinitySeconds = 10'800;
constexpr std::string_view kMeshOf = "weft.dev/mesh-of";

/// An endpoint of the right family that has the Service port.
struct Candidate {
  IpAddr addr;
  uint16_t port = 0;
  bool ready = false;
  bool serving = false;
  bool terminating = false;
  bool local = false;
  const kube::Endpoint* endpoint = nullptr;
  EndpointRef from;

  bool same_address(const Candidate& other) const { return addr == other.addr && port == other.port; }
  bool falls_back() const { return serving && terminating; }
};

std::optional<Protocol> protocol_of(std::string_view name) {
  if (name == "TCP" || name.empty()) return Protocol::tcp;
  if (name == "UDP") return Protocol::udp;
  if (name == "SCTP") return Protocol::sctp;
  return std::nullopt;
}

bool valid_port(int32_t port) { return port > 0 && port <= 65'535; }

template <class Names>
bool names(const Names& list, std::string_view name) {
  return std::any_of(list.begin(), list.end(), [&](const auto& item) { return item.name == name; });
}

/// Makes one Service's plan.
class Planner {
 public:
  Planner(const kube::Service& service, std::span<const SlicePtr> slices, const NodeFacts& node)
      : service_(service), slices_(slices), node_(node) {}

  ServicePlan run() &&;

 private:
  std::vector<IpAddr> cluster_addresses();
  void add_external(Scope edge);
  void add_frontend(FrontendKind kind, const IpAddr& addr, uint32_t address, uint32_t port, Scope inside,
                    Scope edge);
  WhenEmpty when_empty(uint32_t set) const;
  std::optional<std::vector<IpPrefix>> sources(bool v4);
  std::optional<IpAddr> parse(const std::string& field, const std::string& text);
  uint32_t affinity_seconds() const;
  uint32_t set_for(uint32_t port, Protocol protocol, bool v6, Scope scope);
  bool has_mesh(const kube::ServicePort& port, Protocol protocol, bool v6) const;
  std::vector<Candidate> candidates(const kube::ServicePort& port, Protocol protocol, bool v6,
                                    BackendSet& set);
  void add_candidates(uint32_t slice, int32_t port, bool v6, std::vector<Candidate>& out);
  Choice choice_by_hints(const std::vector<Candidate>& all) const;
  void choose_cluster(const std::vector<Candidate>& all, BackendSet& set) const;
  void choose_local(const std::vector<Candidate>& all, BackendSet& set) const;

  const kube::Service& service_;
  std::span<const SlicePtr> slices_;
  const NodeFacts& node_;
  ServicePlan plan_;
};

ServicePlan Planner::run() && {
  plan_.ignored = ignored(service_);
  if (plan_.ignored != Ignored::no) return std::move(plan_);

  const auto& spec = service_.spec;
  Scope inside = spec.internalTrafficPolicy == "Local" ? Scope::local : Scope::cluster;
  plan_.addresses = cluster_addresses();
  for (uint32_t port = 0; port < spec.ports.size(); ++port) {
    if (protocol_of(spec.ports[port].protocol) && valid_port(spec.ports[port].port)) continue;
    plan_.problems.push_back(fmt::format("spec.ports[{}]: not a valid port and protocol: {} {}", port,
                                         spec.ports[port].port, spec.ports[port].protocol));
  }
  for (uint32_t address = 0; address < plan_.addresses.size(); ++address) {
    for (uint32_t port = 0; port < spec.ports.size(); ++port)
      add_frontend(FrontendKind::cluster_ip, plan_.addresses[address], address, port, inside, inside);
  }
  add_external(spec.externalTrafficPolicy == "Local" ? Scope::local : Scope::cluster);
  return std::move(plan_);
}

/// Clients on the node itself may use all endpoints of an external address, whatever its policy.
void Planner::add_external(Scope edge) {
  const auto& spec = service_.spec;
  auto add = [&](FrontendKind kind, const IpAddr& addr, uint32_t address) {
    bool serves_family = std::ranges::any_of(
        plan_.addresses, [&](const IpAddr& cluster) { return cluster.is_v4() == addr.is_v4(); });
    if (!serves_family) return;
    for (uint32_t port = 0; port < spec.ports.size(); ++port)
      add_frontend(kind, addr, address, port, Scope::cluster, edge);
  };
  for (uint32_t i = 0; i < spec.externalIPs.size(); ++i) {
    if (auto addr = parse(fmt::format("spec.externalIPs[{}]", i), spec.externalIPs[i]))
      add(FrontendKind::external_ip, *addr, i);
  }
  if (spec.type != "NodePort" && spec.type != "LoadBalancer") return;
  for (uint32_t i = 0; i < node_.addresses.size(); ++i) add(FrontendKind::node_port, node_.addresses[i], i);
  if (spec.type != "LoadBalancer") return;
  const auto& ingress = service_.status.loadBalancer.ingress;
  for (uint32_t i = 0; i < ingress.size(); ++i) {
    // Packets for the others do not come with that address.
    if (ingress[i].ip.empty() || ingress[i].ipMode.value_or("VIP") != "VIP") continue;
    if (auto addr = parse(fmt::format("status.loadBalancer.ingress[{}].ip", i), ingress[i].ip))
      add(FrontendKind::load_balancer, *addr, i);
  }
}

void Planner::add_frontend(FrontendKind kind, const IpAddr& addr, uint32_t address, uint32_t port,
                           Scope inside, Scope edge) {
  const auto& spec = service_.spec.ports[port];
  auto protocol = protocol_of(spec.protocol);
  int32_t number = kind == FrontendKind::node_port ? spec.nodePort : spec.port;
  if (!protocol || !valid_port(number)) return;
  Frontend frontend;
  frontend.kind = kind;
  frontend.addr = addr;
  frontend.port = static_cast<uint16_t>(number);
  frontend.protocol = *protocol;
  if (kind == FrontendKind::cluster_ip && has_mesh(spec, *protocol, addr.is_v6()))
    inside = edge = Scope::mesh;
  frontend.set = set_for(port, *protocol, addr.is_v6(), inside);
  frontend.when_empty = when_empty(frontend.set);
  frontend.edge_set = set_for(port, *protocol, addr.is_v6(), edge);
  frontend.edge_when_empty = when_empty(frontend.edge_set);
  if (kind == FrontendKind::load_balancer) frontend.sources = sources(addr.is_v4());
  frontend.affinity_seconds = affinity_seconds();
  frontend.address_index = address;
  frontend.port_index = port;
  plan_.frontends.push_back(frontend);
}

/// A range that cannot be read admits nobody: the list was meant to keep clients out.
std::optional<std::vector<IpPrefix>> Planner::sources(bool v4) {
  const auto& ranges = service_.spec.loadBalancerSourceRanges;
  if (ranges.empty()) return std::nullopt;
  std::vector<IpPrefix> out;
  for (size_t i = 0; i < ranges.size(); ++i) {
    auto range = IpPrefix::parse(trimmed(ranges[i]));
    if (!range) {
      plan_.problems.push_back(
          fmt::format("spec.loadBalancerSourceRanges[{}]: not a prefix: \"{}\"", i, ranges[i]));
    } else if (range->addr.is_v4() == v4) {
      out.push_back(*range);
    }
  }
  return out;
}

/// Endpoints elsewhere that the policy forbids are no reason to tell the client that there are none.
WhenEmpty Planner::when_empty(uint32_t set) const {
  const auto& chosen = plan_.sets[set];
  return chosen.scope == Scope::local && chosen.any_usable ? WhenEmpty::drop : WhenEmpty::reject;
}

std::optional<IpAddr> Planner::parse(const std::string& field, const std::string& text) {
  auto addr = IpAddr::parse(text);
  if (!addr) plan_.problems.push_back(fmt::format("{}: not an IP address: \"{}\"", field, text));
  return addr;
}

std::vector<IpAddr> Planner::cluster_addresses() {
  const auto& spec = service_.spec;
  std::vector<IpAddr> out;
  auto add = [&](const std::string& field, const std::string& text) {
    if (auto addr = parse(field, text)) out.push_back(*addr);
  };
  if (spec.clusterIPs.empty()) add("spec.clusterIP", spec.clusterIP);
  for (size_t i = 0; i < spec.clusterIPs.size(); ++i)
    add(fmt::format("spec.clusterIPs[{}]", i), spec.clusterIPs[i]);
  return out;
}

uint32_t Planner::affinity_seconds() const {
  const auto& spec = service_.spec;
  if (spec.sessionAffinity != "ClientIP") return 0;
  if (!spec.sessionAffinityConfig || !spec.sessionAffinityConfig->clientIP) return kDefaultAffinitySeconds;
  int32_t seconds = spec.sessionAffinityConfig->clientIP->timeoutSeconds.value_or(kDefaultAffinitySeconds);
  return seconds > 0 ? static_cast<uint32_t>(seconds) : kDefaultAffinitySeconds;
}

uint32_t Planner::set_for(uint32_t port, Protocol protocol, bool v6, Scope scope) {
  for (uint32_t i = 0; i < plan_.sets.size(); ++i) {
    const auto& set = plan_.sets[i];
    if (set.port == port && set.v6 == v6 && set.scope == scope) return i;
  }
  BackendSet set{.port = port, .v6 = v6, .scope = scope};
  auto all = candidates(service_.spec.ports[port], protocol, v6, set);
  bool is_here = std::ranges::any_of(all, [](const auto& c) { return c.local && c.ready; });
  if (scope == Scope::local || (scope == Scope::mesh && is_here)) {
    choose_local(all, set);
  } else {
    choose_cluster(all, set);
  }
  set.any_usable =
      std::any_of(all.begin(), all.end(), [](const auto& c) { return c.ready || c.falls_back(); });
  plan_.sets.push_back(std::move(set));
  return static_cast<uint32_t>(plan_.sets.size() - 1);
}

bool is_offered(const kube::EndpointPort& offered, const kube::ServicePort& port, Protocol protocol) {
  return offered.name.value_or("") == port.name && offered.port && valid_port(*offered.port) &&
         protocol_of(offered.protocol.value_or("TCP")) == protocol;
}

bool Planner::has_mesh(const kube::ServicePort& port, Protocol protocol, bool v6) const {
  return std::ranges::any_of(slices_, [&](const SlicePtr& slice) {
    return is_mesh(*slice) && slice->addressType == (v6 ? "IPv6" : "IPv4") && !slice->endpoints.empty() &&
           std::ranges::any_of(slice->ports,
                               [&](const auto& offered) { return is_offered(offered, port, protocol); });
  });
}

/// Endpoints that have the port, each address once, by address and port.
std::vector<Candidate> Planner::candidates(const kube::ServicePort& port, Protocol protocol, bool v6,
                                           BackendSet& set) {
  std::vector<Candidate> found;
  for (uint32_t i = 0; i < slices_.size(); ++i) {
    if (slices_[i]->addressType != (v6 ? "IPv6" : "IPv4")) continue;
    if (is_mesh(*slices_[i]) != (set.scope == Scope::mesh)) continue;
    for (const auto& offered : slices_[i]->ports) {
      if (is_offered(offered, port, protocol)) add_candidates(i, *offered.port, v6, found);
    }
  }
  // An endpoint on its way from one slice to another may be in both for a moment: the better one counts.
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.addr, a.port, b.ready, b.serving, a.from.slice, a.from.endpoint) <
           std::tie(b.addr, b.port, a.ready, a.serving, b.from.slice, b.from.endpoint);
  });
  std::vector<Candidate> out;
  out.reserve(found.size());
  for (auto& candidate : found) {
    if (!out.empty() && out.back().same_address(candidate)) {
      set.excluded.push_back({candidate.from, Exclusion::duplicate});
    } else {
      out.push_back(candidate);
    }
  }
  return out;
}

void Planner::add_candidates(uint32_t slice, int32_t port, bool v6, std::vector<Candidate>& out) {
  const auto& endpoints = slices_[slice]->endpoints;
  for (uint32_t i = 0; i < endpoints.size(); ++i) {
    const auto& endpoint = endpoints[i];
    if (endpoint.addresses.empty()) continue;
    // Only the first counts: the API promises that all of them are the same endpoint.
    auto addr = IpAddr::parse(endpoint.addresses[0]);
    if (!addr || addr->is_v6() != v6) {
      plan_.problems.push_back(fmt::format("{}: addresses[0]: not an {} address: \"{}\"",
                                           why(slices_, {slice, i}), v6 ? "IPv6" : "IPv4",
                                           endpoint.addresses[0]));
      continue;
    }
    Candidate candidate{
        .addr = *addr, .port = static_cast<uint16_t>(port), .endpoint = &endpoint, .from = {slice, i}};
    candidate.ready = endpoint.conditions.ready.value_or(true);
    candidate.serving = endpoint.conditions.serving.value_or(candidate.ready);
    candidate.terminating = endpoint.conditions.terminating.value_or(false);
    candidate.local = !node_.name.empty() && endpoint.nodeName == node_.name;
    out.push_back(candidate);
  }
}

/// Hints count only if every ready endpoint has them and one of them means this node (or its zone).
Choice Planner::choice_by_hints(const std::vector<Candidate>& all) const {
  bool all_for_nodes = true, all_for_zones = true, this_node = false, this_zone = false;
  for (const auto& candidate : all) {
    if (!candidate.ready) continue;
    const auto& hints = candidate.endpoint->hints;
    all_for_nodes = all_for_nodes && hints && !hints->forNodes.empty();
    all_for_zones = all_for_zones && hints && !hints->forZones.empty();
    this_node = this_node || (hints && !node_.name.empty() && names(hints->forNodes, node_.name));
    this_zone = this_zone || (hints && !node_.zone.empty() && names(hints->forZones, node_.zone));
  }
  if (all_for_nodes && this_node) return Choice::same_node;
  if (all_for_zones && this_zone) return Choice::same_zone;
  return Choice::ready;
}

Backend backend_of(const Candidate& candidate) {
  return {candidate.addr, candidate.port, candidate.local, candidate.terminating, candidate.from};
}

/// Puts each candidate where `reason` says: no reason against it makes it a backend.
template <class Reason>
void divide(const std::vector<Candidate>& all, BackendSet& set, Reason reason) {
  for (const auto& candidate : all) {
    std::optional<Exclusion> against = reason(candidate);
    if (!against) {
      set.backends.push_back(backend_of(candidate));
      continue;
    }
    set.excluded.push_back({candidate.from, *against});
    if (candidate.serving) set.still_serving.push_back(backend_of(candidate));
  }
}

std::optional<Exclusion> unless_ready(const Candidate& candidate) {
  if (candidate.ready) return std::nullopt;
  return candidate.terminating ? Exclusion::terminating : Exclusion::not_ready;
}

std::optional<Exclusion> unless_falling_back(const Candidate& candidate) {
  if (candidate.falls_back()) return std::nullopt;
  return candidate.terminating ? Exclusion::terminating : Exclusion::not_ready;
}

void Planner::choose_cluster(const std::vector<Candidate>& all, BackendSet& set) const {
  bool any_ready = std::any_of(all.begin(), all.end(), [](const auto& c) { return c.ready; });
  if (!any_ready) {
    divide(all, set, unless_falling_back);
    set.choice = set.backends.empty() ? Choice::none : Choice::terminating;
    return;
  }
  set.choice = choice_by_hints(all);
  divide(all, set, [&](const Candidate& candidate) -> std::optional<Exclusion> {
    if (auto against = unless_ready(candidate)) return against;
    const auto& hints = candidate.endpoint->hints;
    if (set.choice == Choice::same_node && !names(hints->forNodes, node_.name)) return Exclusion::other_node;
    if (set.choice == Choice::same_zone && !names(hints->forZones, node_.zone)) return Exclusion::other_zone;
    return std::nullopt;
  });
}

void Planner::choose_local(const std::vector<Candidate>& all, BackendSet& set) const {
  bool any_ready = std::any_of(all.begin(), all.end(), [](const auto& c) { return c.local && c.ready; });
  divide(all, set, [&](const Candidate& candidate) -> std::optional<Exclusion> {
    if (!candidate.local) return Exclusion::other_node;
    return any_ready ? unless_ready(candidate) : unless_falling_back(candidate);
  });
  if (set.backends.empty()) {
    set.choice = Choice::none;
  } else {
    set.choice = any_ready ? Choice::ready : Choice::terminating;
  }
}

}  // namespace

std::string_view name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "TCP";
    case Protocol::udp:
      return "UDP";
    case Protocol::sctp:
      return "SCTP";
  }
  return "?";
}

Ignored ignored(const kube::Service& service) {
  const auto& labels = service.metadata.labels;
  if (labels.contains("service.kubernetes.io/service-proxy-name")) return Ignored::other_proxy;
  if (labels.contains("service.kubernetes.io/headless")) return Ignored::headless;
  if (service.spec.type == "ExternalName") return Ignored::external_name;
  if (service.spec.clusterIP == "None") return Ignored::headless;
  if (service.spec.clusterIP.empty() && service.spec.clusterIPs.empty()) return Ignored::no_cluster_ip;
  return Ignored::no;
}

ServicePlan plan_service(const kube::Service& service, std::span<const SlicePtr> slices,
                         const NodeFacts& node) {
  return Planner(service, slices, node).run();
}

bool is_mesh(const kube::EndpointSlice& slice) {
  return slice.metadata.labels.contains(std::string(kMeshOf));
}

std::string service_of(const kube::EndpointSlice& slice) {
  const auto& labels = slice.metadata.labels;
  auto label = labels.find("kubernetes.io/service-name");
  if (label == labels.end()) label = labels.find(std::string(kMeshOf));
  if (label == slice.metadata.labels.end() || label->second.empty()) return {};
  return slice.metadata.namespace_ + "/" + label->second;
}

std::string why(const kube::Service& service, const Frontend& frontend) {
  const char* field = "spec.clusterIPs";
  switch (frontend.kind) {
    case FrontendKind::cluster_ip:
      break;
    case FrontendKind::external_ip:
      field = "spec.externalIPs";
      break;
    case FrontendKind::load_balancer:
      field = "status.loadBalancer.ingress";
      break;
    case FrontendKind::node_port:
      field = "node addresses";
      break;
  }
  const auto& name = service.spec.ports[frontend.port_index].name;
  return fmt::format("Service {}/{} {}[{}] spec.ports[{}]{}", service.metadata.namespace_,
                     service.metadata.name, field, frontend.address_index, frontend.port_index,
                     name.empty() ? "" : " (" + name + ")");
}

std::string why(std::span<const SlicePtr> slices, const EndpointRef& ref) {
  const auto& slice = *slices[ref.slice];
  const auto& target = slice.endpoints[ref.endpoint].targetRef;
  std::string object;
  if (target) object = fmt::format(" ({} {}/{})", target->kind, target->namespace_, target->name);
  return fmt::format("EndpointSlice {}/{} endpoints[{}]{}", slice.metadata.namespace_, slice.metadata.name,
                     ref.endpoint, object);
}

}  // namespace weft::service
