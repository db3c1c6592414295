#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "gateway/infrastructure.h"
#include "gateway/mesh.h"
#include "service/forwarding.h"
#include "trace/hints.h"
#include "trace/walk.h"

/// From a Service's address to its endpoints, by the plan of the node that sees the connection.
namespace weft::trace {
namespace {

/// Of many nodes the rest tells nothing new.
constexpr size_t kMaxEntries = 16;

std::string where(const IpAddr& addr, uint16_t port) {
  return addr.is_v6() ? fmt::format("[{}]:{}", addr.str(), port) : fmt::format("{}:{}", addr.str(), port);
}

std::string_view words(service::Exclusion reason) {
  switch (reason) {
    case service::Exclusion::not_ready:
      return "it is not ready";
    case service::Exclusion::terminating:
      return "it is being deleted";
    case service::Exclusion::other_node:
      return "it is on another node, and traffic stays on this one (a Local policy, or hints)";
    case service::Exclusion::other_zone:
      return "its hints are for another zone";
    case service::Exclusion::duplicate:
      return "another slice has it too";
  }
  return "";
}

std::string_view words(service::Choice choice) {
  switch (choice) {
    case service::Choice::ready:
      return "those that are ready";
    case service::Choice::same_node:
      return "those that hints give to this node";
    case service::Choice::same_zone:
      return "those that hints give to this zone";
    case service::Choice::terminating:
      return "those that still serve while they are deleted, as none is ready";
    case service::Choice::none:
      return "none";
  }
  return "";
}

std::string_view words(service::FrontendKind kind) {
  switch (kind) {
    case service::FrontendKind::cluster_ip:
      return "the cluster address";
    case service::FrontendKind::external_ip:
      return "the external address";
    case service::FrontendKind::load_balancer:
      return "the load balancer's address";
    case service::FrontendKind::node_port:
      return "a node port";
  }
  return "";
}

}  // namespace

const std::vector<service::SlicePtr>& Walk::slices_of(const std::string& service) const {
  static const std::vector<service::SlicePtr> none;
  auto at = world_.slices.find(service);
  return at == world_.slices.end() ? none : at->second;
}

/// Where a connection from outside comes in.
std::string Walk::entry_node(const Target& to) const {
  if (auto node = world_.node_at.find(to.addr); node != world_.node_at.end()) return node->second;
  const auto& announcement = world_.announcements.announcement(to.addr);
  if (!announcement.owner.empty()) return announcement.owner;
  return world_.nodes.empty() ? std::string() : world_.nodes.begin()->first;
}

/// Which node announces an address hangs on the address: where that is an example, any of those that may do.
/// It matters where traffic stays on the node, and where policies see the node. The one that would announce
/// the example is first.
std::vector<std::string> Walk::entry_nodes(const Target& to) const {
  std::vector<std::string> out{entry_node(to)};
  auto add = [&](const std::string& node) {
    if (out.size() < kMaxEntries && std::ranges::find(out, node) == out.end()) out.push_back(node);
  };
  auto at = world_.services_at.find(to.addr);
  if (!world_.assumed_balancers.contains(to.addr) || at == world_.services_at.end()) return out;
  for (const auto& key : at->second) {
    const auto& service = *world_.services.at(key);
    std::map<std::string, service::SlicePtr> slices;
    for (const auto& slice : slices_of(key)) {
      if (!service::is_mesh(*slice)) slices[slice->metadata.name] = slice;
    }
    if (service.spec.externalTrafficPolicy == "Local") {
      std::ranges::for_each(service::nodes_with_endpoints(service, slices, to.addr.is_v6()), add);
    } else {
      for (const auto& [name, node] : world_.nodes) {
        if (!service::announce_node(*node).excluded) add(name);
      }
    }
  }
  return out;
}

std::optional<Walk::Way> Walk::find_way(const Target& to, const std::string& node,
                                        std::vector<std::string>& owners) const {
  auto at = world_.services_at.find(to.addr);
  bool is_node = world_.node_at.contains(to.addr);
  const auto& candidates = at != world_.services_at.end() ? at->second : world_.node_port_services;
  if (at == world_.services_at.end() && !is_node) return std::nullopt;
  auto facts = world_.facts_of(node);
  for (const auto& key : candidates) {
    const auto& service = world_.services.at(key);
    auto plan = service::plan_service(*service, slices_of(key), facts);
    for (size_t i = 0; i < plan.frontends.size(); ++i) {
      const auto& front = plan.frontends[i];
      if (front.addr == to.addr && front.port == to.port &&
          static_cast<uint8_t>(front.protocol) == request_.protocol)
        return Way{.key = key,
                   .service = service,
                   .plan = std::move(plan),
                   .frontend = i,
                   .node = node,
                   .by_edge = !is_inside() || node != source_.node};
    }
    if (!is_node) owners.push_back(key);
  }
  return std::nullopt;
}

Hop Walk::refuse_port(const Target& to, const std::vector<std::string>& owners) const {
  const auto& key = owners.front();
  auto hop =
      make_hop("service", fmt::format("{}, an address of Service {}", to.addr.str(), fmt::join(owners, ", ")),
               {world_.origins.find("Service", key, "spec.ports")});
  auto hint = why_no_port(world_, key, to.port, request_.protocol);
  // Cluster addresses refuse what they have no port for; others answer with nothing.
  const auto& spec = world_.services.at(key)->spec;
  bool cluster = spec.clusterIP == to.addr.str() || std::ranges::count(spec.clusterIPs, to.addr.str()) > 0;
  hop.end(cluster && is_inside() ? Verdict::refused : Verdict::no_way, hint.reason, hint.fix);
  return hop;
}

/// loadBalancerSourceRanges: nodes may always, pods and those outside only if they are listed.
bool Walk::is_kept_out(const Way& way, Hop& hop) const {
  const auto& front = way.front();
  if (!front.sources || (source_.kind == Source::Kind::node)) return false;
  auto from = source_.address_for(front.addr);
  if (from &&
      std::ranges::any_of(*front.sources, [&](const IpPrefix& range) { return range.contains(*from); }))
    return false;
  hop.by.push_back(world_.origins.find("Service", way.key, "spec.loadBalancerSourceRanges"));
  hop.end(Verdict::dropped,
          fmt::format("{} is in none of the loadBalancerSourceRanges of Service {}",
                      from ? from->str() : "the client", way.key),
          fmt::format("add a range with {} to spec.loadBalancerSourceRanges", from ? from->str() : "it"));
  return true;
}

Hop Walk::through_service(const Target& to, const Way& way, const std::string& node) {
  const auto& front = way.front();
  const auto& port = way.service->spec.ports[front.port_index];
  auto hop =
      make_hop("service", fmt::format("{}, {} of Service {}{}{}", where(to.addr, to.port), words(front.kind),
                                      way.key, port.name.empty() ? "" : ", port " + port.name,
                                      way.by_edge ? fmt::format("; it comes in by {}", node) : ""));
  auto field = front.kind == service::FrontendKind::node_port ? ".nodePort" : ".port";
  hop.by.push_back(
      world_.origins.find("Service", way.key, fmt::format("spec.ports[{}]{}", front.port_index, field)));
  for (const auto& problem : way.plan.problems) hop.notes.push_back(problem);
  if (front.affinity_seconds > 0)
    hop.notes.push_back(fmt::format("a client stays with its endpoint for {} s", front.affinity_seconds));
  if (is_kept_out(way, hop)) return hop;
  // What a pod sends there leaves it as it is.
  if (way.by_edge && is_inside()) ask_policies(hop, party(to.addr), {.pod = {}, .address = to.addr}, to.port);
  settle_sequence(hop);
  if (hop.ends()) return hop;
  const auto& set = way.plan.sets[way.by_edge ? front.edge_set : front.set];
  hop.hops.push_back(slices_hop(way, set, way.by_edge ? front.edge_when_empty : front.when_empty, node));
  settle_sequence(hop);
  return hop;
}

Hop Walk::slices_hop(const Way& way, const service::BackendSet& set, service::WhenEmpty when_empty,
                     const std::string& node) {
  if (set.scope == service::Scope::mesh) return proxies_hop(way, set);
  const auto& slices = slices_of(way.key);
  auto hop = make_hop("slices", fmt::format("{} of {} endpoints: {}", set.backends.size(),
                                            set.backends.size() + set.excluded.size(), words(set.choice)));
  for (const auto& out : set.excluded)
    hop.notes.push_back(fmt::format("left out: {}: {}", service::why(slices, out.from), words(out.reason)));
  for (const auto& [pod, why] : world_.left_out.contains(way.key)
                                    ? world_.left_out.at(way.key)
                                    : std::vector<std::pair<std::string, std::string>>{})
    hop.notes.push_back(fmt::format("left out: Pod {}: {}", pod, why));
  for (const auto& backend : set.backends) hop.hops.push_back(endpoint_hop(way, backend));
  if (!set.backends.empty()) {
    settle_any(hop);
    return hop;
  }
  if (world_.has_unknown_endpoints(way.key)) {
    hop.text = "the cluster's own endpoints";
    hop.end(Verdict::unknown,
            fmt::format("what is behind Service {}, which every cluster has, no manifest says", way.key));
    return hop;
  }
  const auto& port = way.service->spec.ports[set.port];
  if (when_empty == service::WhenEmpty::drop) {
    bool inside = !way.by_edge;
    hop.end(Verdict::dropped,
            fmt::format("{}TrafficPolicy of Service {} is Local, and none of its endpoints is on {}",
                        inside ? "internal" : "external", way.key, node),
            fmt::format("set spec.{}TrafficPolicy: Cluster, or run a pod of it on every node (a DaemonSet)",
                        inside ? "internal" : "external"));
    hop.by.push_back(world_.origins.find(
        "Service", way.key, inside ? "spec.internalTrafficPolicy" : "spec.externalTrafficPolicy"));
    return hop;
  }
  auto hint = why_no_endpoints(world_, way.key, port, set.v6);
  hop.end(Verdict::refused, std::move(hint.reason), std::move(hint.fix));
  hop.by.push_back(world_.origins.find("Service", way.key, "spec.selector"));
  return hop;
}

/// Of a Service that is the parent of routes: its slices lead to nodes' proxies.
Hop Walk::proxies_hop(const Way& way, const service::BackendSet& set) {
  auto hop = make_hop("slices", fmt::format("it is the parent of routes: {} of {} proxies",
                                            set.backends.size(), set.backends.size() + set.excluded.size()));
  for (const auto& backend : set.backends) hop.hops.push_back(endpoint_hop(way, backend));
  if (!hop.hops.empty()) {
    settle_any(hop);
  } else {
    hop.end(Verdict::refused,
            fmt::format("Service {} is the parent of routes, and no node's proxy serves", way.key),
            "see whether weft gateway runs on the nodes: weft status");
  }
  return hop;
}

policy::Party Walk::party_behind(const Way& way, const IpAddr& peer, const std::string& node,
                                 Hop& hop) const {
  auto by = world_.nodes.find(way.node);
  if (!way.by_edge || node == way.node || by == world_.nodes.end()) return party(peer);
  auto address = service::source_behind(*by->second, peer, world_.pod_at.contains(peer));
  if (address) {
    hop.notes.push_back(
        world_.node_at.contains(*address)
            ? fmt::format("{} passes it on with its own address {}", way.node, address->str())
            : fmt::format(
                  "{} passes it on through the overlay, with {}, the first address of its pods' range",
                  way.node, address->str()));
    return {.pod = {}, .address = address};
  }
  if (service::forwarding_of(*by->second) == service::Forwarding::dsr)
    hop.notes.push_back(fmt::format("{} passes it on as it is (direct server return)", way.node));
  return party(peer);
}

/// What another node passes on as it is to the very node whose own it is, that node takes for a forgery.
bool Walk::comes_back(const Way& way, const IpAddr& peer, const std::string& node) const {
  auto by = world_.nodes.find(way.node);
  if (!way.by_edge || node == way.node || node != source_.node || by == world_.nodes.end()) return false;
  auto own = source_.address_for(peer);
  return own && world_.node_at.contains(*own) &&
         service::forwarding_of(*by->second) == service::Forwarding::dsr;
}

Hop Walk::endpoint_hop(const Way& way, const service::Backend& backend) {
  const auto& slice = *slices_of(way.key)[backend.from.slice];
  const auto& endpoint = slice.endpoints[backend.from.endpoint];
  policy::Party to{.pod = {}, .address = backend.addr};
  std::string whose;
  if (auto pod = world_.pod_at.find(backend.addr); pod != world_.pod_at.end()) {
    to.pod = pod->second;
    whose = fmt::format(", Pod {}", pod->second);
  } else if (auto node = world_.node_at.find(backend.addr); node != world_.node_at.end()) {
    whose = fmt::format(", Node {}", node->second);
  }
  auto at = endpoint.nodeName && !whose.starts_with(", Node") ? " on " + *endpoint.nodeName : "";
  auto hop =
      make_hop("endpoint", fmt::format("{}{}{}", where(backend.addr, backend.port), whose, at),
               {world_.origins.find("EndpointSlice", key_of(slice.metadata.namespace_, slice.metadata.name),
                                    fmt::format("endpoints[{}]", backend.from.endpoint))});
  if (!to.pod.empty()) {
    hop.by.push_back(world_.origins.find("Pod", to.pod));
    note_undeclared(hop, *world_.pods.at(to.pod), backend.port);
  } else if (endpoint.targetRef && endpoint.targetRef->kind == "Pod") {
    // Of the node's network: for policies it is the node.
    auto key = key_of(slice.metadata.namespace_, endpoint.targetRef->name);
    if (world_.pods.contains(key)) hop.by.push_back(world_.origins.find("Pod", key));
  }
  if (!to.pod.empty() && to.pod == source_.pod) hop.notes.emplace_back("the pod gets to itself");
  if (comes_back(way, backend.addr, endpoint.nodeName.value_or(""))) {
    hop.end(Verdict::dropped,
            fmt::format("{} passes it back as it is (direct server return), and {} takes nothing from others "
                        "that has its own address",
                        way.node, source_.node),
            fmt::format("ask {} itself, or the cluster address of Service {}", source_.node, way.key));
    return hop;
  }
  auto from = party_behind(way, backend.addr, endpoint.nodeName.value_or(""), hop);
  ask_policies(hop, from, to, backend.port, way.front().port, way.by_edge);
  settle_sequence(hop);
  if (hop.ends()) return hop;
  auto gateway = service::is_mesh(slice) ? gateway::mesh_key(way.key) : gateway::gateway_of(*way.service);
  if (gateway) {
    hop.hops.push_back(through_gateway(
        *gateway, {.port = way.front().port, .udp = way.front().protocol == service::Protocol::udp},
        backend.addr));
    settle_sequence(hop);
  }
  return hop;
}

}  // namespace weft::trace
