#include "trace/walk.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gateway/infrastructure.h"
#include "kube/node_addresses.h"
#include "policy/rules.h"
#include "trace/hints.h"

namespace weft::trace {
namespace {

std::string where(const Target& to) {
  return to.addr.is_v6() ? fmt::format("[{}]:{}", to.addr.str(), to.port)
                         : fmt::format("{}:{}", to.addr.str(), to.port);
}

std::vector<IpAddr> addresses_of(const kube::Pod& pod) {
  std::vector<IpAddr> out;
  for (const auto& ip : pod.status.podIPs) {
    if (auto address = IpAddr::parse(ip.ip)) out.push_back(*address);
  }
  return out;
}

bool declares_any(const kube::Pod& pod) {
  return std::ranges::any_of(pod.spec.containers,
                             [](const auto& container) { return !container.ports.empty(); });
}

/// The port of a destination that names none, where there is only one.
Expected<uint16_t> only_port(const World& world, const Destination& to) {
  std::vector<int> ports;
  if (to.kind == Destination::Kind::service) {
    for (const auto& port : world.services.at(to.key)->spec.ports) ports.push_back(port.port);
  } else if (to.kind == Destination::Kind::pod) {
    for (const auto& container : world.pods.at(to.key)->spec.containers) {
      for (const auto& port : container.ports) ports.push_back(port.containerPort);
    }
  } else if (to.kind == Destination::Kind::gateway) {
    for (const auto& listener : world.gateways.at(to.key)->spec.listeners) ports.push_back(listener.port);
  }
  std::ranges::sort(ports);
  ports.erase(std::ranges::unique(ports).begin(), ports.end());
  if (ports.size() == 1) return static_cast<uint16_t>(ports.front());
  return fail(ErrorCode::invalid, ports.empty()
                                      ? fmt::format("TO {}: say which port is meant, with --port", to.label)
                                      : fmt::format("TO {}: say with --port which of its ports is meant: {}",
                                                    to.label, fmt::join(ports, ", ")));
}

}  // namespace

bool declares(const kube::Pod& pod, uint16_t port, uint8_t protocol) {
  return std::ranges::any_of(pod.spec.containers, [&](const auto& container) {
    return std::ranges::any_of(container.ports, [&](const auto& have) {
      return have.containerPort == port &&
             (have.protocol.empty() ? "TCP" : have.protocol) == protocol_text(protocol);
    });
  });
}

void settle_sequence(Hop& hop) { hop.outcome = in_sequence(hop.hops); }
void settle_any(Hop& hop) { hop.outcome = any_of(hop.hops); }

Walk::Walk(const World& world, const Source& source, const Destination& to, const Request& request)
    : world_(world), source_(source), to_(to), request_(request) {}

Hop Walk::from_hop() const {
  std::vector<std::string> addresses;
  for (const auto& address : source_.addresses) addresses.push_back(address.str());
  auto text = source_.label;
  if (source_.stated) text += fmt::format(" at {}", fmt::join(addresses, ", "));
  if (!source_.pod.empty()) text += " on " + source_.node;
  auto hop = make_hop("from", text);
  if (!source_.pod.empty()) hop.by.push_back(world_.origins.find("Pod", source_.pod));
  if (source_.kind == Source::Kind::node) hop.by.push_back(world_.origins.find("Node", source_.node));
  if (!source_.stated)
    hop.notes.push_back(
        fmt::format("as an example: {}; name an address to be exact", fmt::join(addresses, ", ")));
  if (!source_.pod.empty() && source_.addresses.empty())
    hop.end(Verdict::no_way, fmt::format("{} has no address: {}", source_.label,
                                         source_.node.empty() ? "no node takes it" : "it does not run"));
  return hop;
}

std::vector<Hop> Walk::run() {
  switch (to_.kind) {
    case Destination::Kind::name:
      return to_name();
    case Destination::Kind::address:
      return to_addresses({*to_.address}, *request_.port);
    case Destination::Kind::service:
      return to_service();
    case Destination::Kind::pod:
      return to_addresses(addresses_of(*world_.pods.at(to_.key)), *request_.port);
    case Destination::Kind::gateway:
      return to_gateway();
    case Destination::Kind::node:
      return to_nodes(world_.facts_of(to_.key).addresses, *request_.port);
  }
  return {};
}

std::vector<Hop> Walk::to_name() {
  std::vector<IpAddr> addresses;
  std::vector<Hop> out{resolve(to_.host, addresses)};
  if (out.back().ends()) return out;
  std::ranges::move(to_addresses(addresses, *request_.port), std::back_inserter(out));
  return out;
}

/// A client takes whichever it likes, so all count; of families that it does not have, none.
std::vector<Hop> Walk::to_addresses(const std::vector<IpAddr>& addresses, uint16_t port) {
  std::vector<Hop> out;
  for (const auto& address : addresses) {
    if (!source_.address_for(address)) continue;
    targets_.push_back({address, port});
    out.push_back(connect({address, port}));
  }
  if (out.empty()) {
    auto hop = make_hop("address", addresses.empty() ? "there is none" : "of another family");
    hop.end(Verdict::no_way, addresses.empty() ? fmt::format("{} has no address", to_.label)
                                               : fmt::format("{} has no address of the family of {}",
                                                             source_.label, addresses.front().str()));
    out.push_back(std::move(hop));
  }
  if (out.size() <= 1) return out;
  auto all = make_hop("address", fmt::format("any of {}", out.size()));
  all.hops = std::move(out);
  settle_any(all);
  return {std::move(all)};
}

/// A node port is there in the families of its Service alone, so nobody asks for it in others.
std::vector<Hop> Walk::to_nodes(std::vector<IpAddr> addresses, uint16_t port) {
  auto is_meant = [&](const kube::ServicePort& have) {
    return have.nodePort == port && policy::protocol_number(have.protocol) == request_.protocol;
  };
  std::string note;
  for (const auto& key : world_.node_port_services) {
    const auto& spec = world_.services.at(key)->spec;
    if (spec.ipFamilies.size() != 1 || std::ranges::none_of(spec.ports, is_meant)) continue;
    const auto& family = spec.ipFamilies.front();
    std::erase_if(addresses, [&](const IpAddr& address) { return address.is_v4() != (family == "IPv4"); });
    note = fmt::format("Service {} is of {} alone", key, family);
  }
  auto out = to_addresses(addresses, port);
  if (!note.empty()) out.front().notes.push_back(std::move(note));
  return out;
}

std::vector<Hop> Walk::to_service() {
  const auto& service = *world_.services.at(to_.key);
  auto ref = world_.origins.find("Service", to_.key);
  std::vector<IpAddr> addresses;
  auto add = [&](const std::string& text) {
    if (auto address = IpAddr::parse(text)) addresses.push_back(*address);
  };
  if (!is_inside()) {
    for (const auto& way : service.status.loadBalancer.ingress) add(way.ip);
    for (const auto& text : service.spec.externalIPs) add(text);
    if (!addresses.empty()) return to_addresses(addresses, *request_.port);
    auto hop = make_hop("service", fmt::format("Service {} from outside", to_.key), {ref});
    auto why = world_.without_address.find(to_.key);
    for (const auto& port : service.spec.ports) {
      if (port.port != *request_.port || port.nodePort == 0) continue;
      hop.notes.push_back(fmt::format("by its nodePort {} of each node", port.nodePort));
      std::vector<IpAddr> nodes;
      for (const auto& [address, node] : world_.node_at) nodes.push_back(address);
      auto hops = to_nodes(std::move(nodes), static_cast<uint16_t>(port.nodePort));
      hops.insert(hops.begin(), std::move(hop));
      return hops;
    }
    hop.end(Verdict::no_way,
            why != world_.without_address.end()
                ? fmt::format("Service {} has no address: {}", to_.key, why->second)
                : fmt::format("Service {} is of type {} and has no way in from outside", to_.key,
                              service.spec.type),
            "make it a LoadBalancer, or put a Gateway or Ingress before it");
    return {std::move(hop)};
  }
  if (service.spec.type == "ExternalName") {
    auto hop =
        make_hop("service",
                 fmt::format("Service {} stands for the name {}", to_.key, service.spec.externalName), {ref});
    hop.end(Verdict::no_way, fmt::format("Service {} has no address: it is a name only", to_.key),
            fmt::format("ask for its name, {}.{}", service.metadata.name, service.metadata.namespace_));
    return {std::move(hop)};
  }
  if (service.spec.clusterIP == "None") {
    auto hop = make_hop(
        "service", fmt::format("Service {} is headless: its name stands for its endpoints", to_.key), {ref});
    hop.end(Verdict::no_way, fmt::format("Service {} has no address of its own", to_.key),
            fmt::format("ask for its name, {}.{}", service.metadata.name, service.metadata.namespace_));
    return {std::move(hop)};
  }
  for (const auto& text : service.spec.clusterIPs) add(text);
  if (addresses.empty()) add(service.spec.clusterIP);
  return to_addresses(addresses, *request_.port);
}

std::vector<Hop> Walk::to_gateway() {
  std::vector<IpAddr> addresses;
  std::string service;
  for (const auto& [key, object] : world_.services) {
    if (gateway::gateway_of(*object) != to_.key) continue;
    service = key;
    for (const auto& way : object->status.loadBalancer.ingress) {
      if (auto address = IpAddr::parse(way.ip)) addresses.push_back(*address);
    }
  }
  if (!addresses.empty()) return to_addresses(addresses, *request_.port);
  auto hop = unserved(to_.key, {.port = *request_.port, .udp = false});
  if (auto why = world_.without_address.find(service); why != world_.without_address.end())
    hop.end(Verdict::no_way, fmt::format("Gateway {} has no address: {}", to_.key, why->second),
            "make an AddressPool that has a free one");
  return {std::move(hop)};
}

Hop Walk::connect(const Target& to) {
  if (to.addr.is_loopback()) {
    auto hop = make_hop("address", where(to));
    hop.end(Verdict::unknown,
            fmt::format("{} is {} itself; what listens there no object says", to.addr.str(), source_.label));
    return hop;
  }
  // A node's ports are its own: on others nothing is known of them.
  if (is_inside() && !world_.node_at.contains(to.addr)) return connect_by(to, source_.node);
  auto nodes = entry_nodes(to);
  auto all = make_hop("address", fmt::format("{} is an example, which any of {} nodes may announce",
                                             to.addr.str(), nodes.size()));
  for (const auto& node : nodes) all.hops.push_back(connect_by(to, node));
  auto verdict = all.hops.front().outcome.verdict;
  if (std::ranges::all_of(all.hops, [&](const Hop& hop) { return hop.outcome.verdict == verdict; }))
    return std::move(all.hops.front());
  settle_any(all);
  return all;
}

/// `node` sees the connection first.
Hop Walk::connect_by(const Target& to, const std::string& node) {
  std::vector<std::string> owners;
  if (auto way = find_way(to, node, owners)) {
    if (!is_inside() && way->front().kind == service::FrontendKind::cluster_ip)
      return unroutable(to, fmt::format("the cluster address of Service {}", way->key));
    return through_service(to, *way, node);
  }
  if (!owners.empty()) return refuse_port(to, owners);
  if (auto pod = world_.pod_at.find(to.addr); pod != world_.pod_at.end()) {
    if (!is_inside()) return unroutable(to, fmt::format("the address of Pod {}", pod->second));
    return connect_to_pod(to, pod->second);
  }
  if (auto at = world_.node_at.find(to.addr); at != world_.node_at.end())
    return connect_to_node(to, at->second);
  return connect_to_outside(to);
}

Hop Walk::unroutable(const Target& to, const std::string& what) const {
  auto hop = make_hop("address", where(to));
  hop.end(Verdict::no_way,
          fmt::format("{} is {}, which is known inside the cluster only", to.addr.str(), what),
          "make a Service a LoadBalancer, or put a Gateway or Ingress before it");
  return hop;
}

Hop Walk::connect_to_pod(const Target& to, const std::string& pod) {
  const auto& object = *world_.pods.at(pod);
  auto hop = make_hop("pod", fmt::format("{}, Pod {} on {}", where(to), pod, object.spec.nodeName),
                      {world_.origins.find("Pod", pod)});
  note_undeclared(hop, object, to.port);
  ask_policies(hop, party(to.addr), {.pod = pod, .address = to.addr}, to.port);
  settle_sequence(hop);
  return hop;
}

void Walk::note_undeclared(Hop& hop, const kube::Pod& pod, uint16_t port) const {
  if (declares_any(pod) && !declares(pod, port, request_.protocol))
    hop.notes.push_back(
        fmt::format("no container of it declares port {}/{}: whether a program listens there is not known",
                    port, protocol_text(request_.protocol)));
}

/// What listens on a node is no object's business, but for pods on its network that say so.
Hop Walk::connect_to_node(const Target& to, const std::string& node) {
  auto hop = make_hop("node", fmt::format("{}, Node {} itself", where(to), node),
                      {world_.origins.find("Node", node)});
  ask_policies(hop, party(to.addr), {.pod = {}, .address = to.addr}, to.port);
  settle_sequence(hop);
  if (hop.ends()) return hop;
  for (const auto& [key, pod] : world_.pods) {
    if (!pod->spec.hostNetwork || pod->spec.nodeName != node || !declares(*pod, to.port, request_.protocol))
      continue;
    hop.hops.push_back(make_hop("pod", fmt::format("Pod {}, on the node's network", key),
                                {world_.origins.find("Pod", key)}));
    return hop;
  }
  hop.end(Verdict::unknown,
          fmt::format("it gets to Node {}; what listens there at port {} no object says", node, to.port));
  return hop;
}

Hop Walk::connect_to_outside(const Target& to) {
  auto hop = make_hop("outside", fmt::format("{}, of nothing in the cluster", where(to)));
  if (!is_inside()) {
    hop.end(Verdict::unknown, fmt::format("{} is no address of the cluster", to.addr.str()));
    return hop;
  }
  ask_policies(hop, party(to.addr), {.pod = {}, .address = to.addr}, to.port);
  settle_sequence(hop);
  if (hop.ends()) return hop;
  hop.end(Verdict::unknown,
          fmt::format("it may leave the cluster; what answers at {} no object says", where(to)));
  return hop;
}

Expected<Trace> trace_connection(const World& world, const std::vector<Source>& sources,
                                 const Destination& to, const Request& asked) {
  Request request = asked;
  if (to.port && asked.port && *to.port != *asked.port)
    return fail(ErrorCode::invalid,
                fmt::format("TO {} and --port {} name different ports", to.label, *asked.port));
  if (!request.port) request.port = to.port;
  if (!request.port) {
    if (to.kind == Destination::Kind::name || to.kind == Destination::Kind::address)
      return fail(ErrorCode::invalid,
                  fmt::format("TO {}: say which port is meant: {}:PORT, or --port", to.label, to.label));
    WEFT_TRY(request.port, only_port(world, to));
  }
  Trace out{.from = sources.size() == 1 ? sources.front().label
                                        : fmt::format("{} and its like", sources.front().label),
            .to = fmt::format(
                "{}{}", to.label,
                to.port ? "" : fmt::format(" port {}/{}", *request.port, protocol_text(request.protocol))),
            .outcome = {},
            .hops = {},
            .notes = world.notes,
            .targets = {},
            .host = {}};
  for (const auto& source : sources) {
    Walk walk(world, source, to, request);
    auto hop = walk.from_hop();
    if (!hop.ends()) {
      hop.hops = walk.run();
      settle_sequence(hop);
    }
    out.targets = walk.targets();
    out.host = walk.host_name();
    out.name_taken = walk.name_taken();
    out.hops.push_back(std::move(hop));
  }
  out.outcome = any_of(out.hops);
  return out;
}

}  // namespace weft::trace
