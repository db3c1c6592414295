#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "gateway/infrastructure.h"
#include "policy/rules.h"
#include "ui/map.h"

namespace weft::ui {
namespace {

/// Of policies that allow nearly everybody an edge from each would hide all others.
constexpr size_t kMostAllowed = 8;
/// Pairs of workloads that are asked for; beyond, a look at the map would take too long.
constexpr size_t kMostPairs = 40'000;

/// "Deployment/shop/web" as `weft trace` takes it: "deployment/shop/web".
std::string id_of(const std::string& kind, const std::string& key) { return lower(kind) + "/" + key; }

MapNode node_of(const std::string& kind, const std::string& key, Column column) {
  auto slash = key.find('/');
  return {.kind = kind,
          .namespace_ = key.substr(0, slash),
          .name = key.substr(slash + 1),
          .column = column,
          .pods = {},
          .isolated = {},
          .problem = {}};
}

bool is_over(const kube::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

bool is_ready(const kube::Pod& pod) {
  return std::ranges::any_of(pod.status.conditions, [](const auto& condition) {
    return condition.type == "Ready" && condition.status == "True";
  });
}

bool is_external(const kube::Service& service) {
  return service.spec.type == "LoadBalancer" || service.spec.type == "NodePort" ||
         !service.spec.externalIPs.empty();
}

class Builder {
 public:
  explicit Builder(const trace::World& world) : world_(world) {}

  ServiceMap run() {
    add_workloads();
    add_services();
    add_gateways();
    add_policies();
    ask_services();
    return std::move(map_);
  }

 private:
  MapEdge& edge(const std::string& from, const std::string& to, const char* why) {
    auto& edge = map_.edges[{from, to}];
    edge.why.insert(why);
    return edge;
  }
  void add_workloads();
  void add_pod(const std::string& pod, const std::string& kind, const std::string& key);
  void add_services();
  void add_endpoints(const std::string& service, const std::string& id);
  void add_entrance(const std::string& to, Question question);
  void add_gateways();
  void add_port(const gateway::Port& port);
  void add_backends(const std::string& from, const std::vector<gateway::WeightedBackend>& backends,
                    const Question& question);
  void ask_services();
  std::string client_of(const std::string& service, const std::string& but) const;
  void add_policies();
  void add_allowed(const std::string& to, const std::vector<std::string>& clients);
  std::optional<uint16_t> allowed_port(const std::string& from, const std::string& to) const;
  std::vector<std::pair<uint8_t, uint16_t>> ports_of(const std::string& pod) const;

  const trace::World& world_;
  ServiceMap map_;
};

void Builder::add_pod(const std::string& pod, const std::string& kind, const std::string& key) {
  auto object = world_.pods.find(pod);
  if (object == world_.pods.end() || is_over(*object->second) || map_.workload_of.contains(pod)) return;
  auto id = id_of(kind, key);
  auto& node = map_.nodes.try_emplace(id, node_of(kind, key, Column::clients)).first->second;
  node.pods.push_back(pod);
  if (is_ready(*object->second)) ++node.ready;
  if (world_.policies.isolation(pod, policy::Direction::ingress)) node.isolated.insert("ingress");
  if (world_.policies.isolation(pod, policy::Direction::egress)) node.isolated.insert("egress");
  map_.workload_of[pod] = std::move(id);
}

/// A Deployment's pods are its ReplicaSet's too: the Deployment comes first.
void Builder::add_workloads() {
  for (const auto& [workload, pods] : world_.workloads) {
    auto slash = workload.find('/');
    for (const auto& pod : pods) add_pod(pod, workload.substr(0, slash), workload.substr(slash + 1));
  }
  for (const auto& [key, pod] : world_.pods) add_pod(key, "Pod", key);
}

void Builder::add_services() {
  for (const auto& [key, service] : world_.services) {
    // The API server's own: everybody's, and of no pods.
    if (key == "default/kubernetes") continue;
    if (auto gateway = gateway::gateway_of(*service)) {
      map_.service_at[key] =
          *gateway == gateway::kIngressGateway ? std::string("ingress") : id_of("Gateway", *gateway);
      continue;
    }
    auto id = id_of("Service", key);
    map_.service_at[key] = id;
    map_.nodes[id] = node_of("Service", key, Column::services);
    add_endpoints(key, id);
    if (is_external(*service)) {
      Question question{.from = kOutside, .to = id, .host = {}};
      if (!service->spec.ports.empty()) {
        question.port = static_cast<uint16_t>(service->spec.ports.front().port);
        question.protocol = lower(service->spec.ports.front().protocol);
      }
      add_entrance(id, std::move(question));
    }
  }
}

void Builder::add_endpoints(const std::string& service, const std::string& id) {
  auto& node = map_.nodes[id];
  auto slices = world_.slices.find(service);
  std::map<std::string, bool> workloads;  // whether a pod of it is ready
  bool any_ready = world_.services.at(service)->spec.type == "ExternalName";
  if (slices != world_.slices.end()) {
    for (const auto& slice : slices->second) {
      for (const auto& endpoint : slice->endpoints) {
        const bool ready = endpoint.conditions.ready.value_or(true);
        any_ready = any_ready || ready;
        if (!endpoint.targetRef || endpoint.targetRef->kind != "Pod") continue;
        auto pod = slice->metadata.namespace_ + "/" + endpoint.targetRef->name;
        auto workload = map_.workload_of.find(pod);
        if (workload == map_.workload_of.end()) continue;
        auto& known = workloads[workload->second];
        known = known || ready;
        for (const auto& port : slice->ports)
          map_.services_of[{workload->second, static_cast<uint16_t>(port.port.value_or(0))}].insert(service);
      }
    }
  }
  for (const auto& [workload, ready] : workloads) {
    map_.nodes[workload].column = Column::workloads;
    auto& to = edge(id, workload, "selector");
    if (!ready) to.problem = "no pod of it is ready";
  }
  if (!any_ready) node.problem = workloads.empty() ? "no endpoint" : "no endpoint is ready";
}

void Builder::add_entrance(const std::string& to, Question question) {
  auto outside = node_of("Outside", "outside", Column::clients);
  outside.namespace_.clear();
  map_.nodes.try_emplace(kOutside, outside);
  edge(kOutside, to, "entrance").question = std::move(question);
}

void Builder::add_gateways() {
  for (const auto& [key, gateway] : world_.gateways)
    map_.nodes[id_of("Gateway", key)] = node_of("Gateway", key, Column::gateways);
  for (const auto& port : world_.gateway_plan.snapshot().ports) add_port(*port);
  for (auto& [id, node] : map_.nodes) {
    if (node.column == Column::gateways && !map_.edges.contains({kOutside, id}))
      node.problem = "no listener of it is served";
  }
}

void Builder::add_port(const gateway::Port& port) {
  // Of a Service (the mesh): "Service/namespace/name".
  const bool mesh = port.gateway.starts_with("Service/");
  const bool ingress = port.gateway == gateway::kIngressGateway;
  auto id = mesh      ? id_of("Service", port.gateway.substr(port.gateway.find('/') + 1))
            : ingress ? std::string("ingress")
                      : id_of("Gateway", port.gateway);
  Question question{.from = mesh ? std::string() : kOutside,
                    .to = ingress ? "service/" + std::string(gateway::kIngressGateway) : id,
                    .host = {},
                    .port = port.port};
  if (port.udp) question.protocol = "udp";
  std::optional<Question> first;
  for (const auto& listener : port.listeners) {
    for (const auto& host : listener->hosts) {
      auto of_host = question;
      of_host.host = host->hostname.starts_with('*') ? "www" + host->hostname.substr(1) : host->hostname;
      for (const auto& rule : host->rules) {
        if (!first) first = of_host;
        if (ingress && !map_.nodes.contains(id))
          map_.nodes[id] = {.kind = "Ingress",
                            .namespace_ = {},
                            .name = "Ingresses",
                            .column = Column::gateways,
                            .pods = {},
                            .isolated = {},
                            .problem = {}};
        add_backends(id, rule->backends, of_host);
      }
    }
    for (const auto& stream : listener->streams) add_backends(id, stream->backends, question);
  }
  if (!mesh && map_.nodes.contains(id) && !map_.edges.contains({kOutside, id}))
    add_entrance(id, first.value_or(question));
}

void Builder::add_backends(const std::string& from, const std::vector<gateway::WeightedBackend>& backends,
                           const Question& question) {
  const auto& known = world_.gateway_plan.snapshot().backends;
  for (const auto& backend : backends) {
    auto at = known ? known->find(backend.backend) : decltype(known->end()){};
    if (!known || at == known->end() || backend.weight == 0) continue;
    auto to = id_of("Service", at->second->why.namespace_ + "/" + at->second->why.name);
    if (to == from || !map_.nodes.contains(to)) continue;
    auto& route = edge(from, to, "route");
    if (route.question.to.empty()) route.question = question;
    if (at->second->broken) route.problem = "its TLS cannot be set up as it is asked for";
  }
}

/// Who is asked as a client of a Service: whoever is known to be one, else somebody in its own namespace.
std::string Builder::client_of(const std::string& service, const std::string& but) const {
  for (const auto& [ends, edge] : map_.edges) {
    if (ends.second == service && !map_.nodes.at(ends.first).pods.empty()) return ends.first;
  }
  const auto& ns = map_.nodes.at(service).namespace_;
  for (const auto& [id, node] : map_.nodes) {
    if (!node.pods.empty() && node.namespace_ == ns && id != but) return id;
  }
  return world_.nodes.empty() ? std::string(kOutside) : "node/" + world_.nodes.begin()->first;
}

/// What of a Service's own edges is asked, those to workloads and of the mesh.
void Builder::ask_services() {
  for (auto& [ends, edge] : map_.edges) {
    const auto& service = map_.nodes.at(ends.first);
    if (service.kind != "Service") continue;
    const auto& object = world_.services.at(service.namespace_ + "/" + service.name);
    edge.question.from = client_of(ends.first, ends.second);
    edge.question.to = object->spec.clusterIP == "None"
                           ? fmt::format("{}.{}.svc.{}", service.name, service.namespace_, world_.dns.domain)
                           : ends.first;
    if (object->spec.ports.empty() || edge.question.port != 0) continue;
    edge.question.port = static_cast<uint16_t>(object->spec.ports.front().port);
    edge.question.protocol = lower(object->spec.ports.front().protocol);
  }
}

std::vector<std::pair<uint8_t, uint16_t>> Builder::ports_of(const std::string& pod) const {
  std::vector<std::pair<uint8_t, uint16_t>> out;
  for (const auto& container : world_.pods.at(pod)->spec.containers) {
    for (const auto& port : container.ports) {
      auto protocol = policy::protocol_number(port.protocol.empty() ? "TCP" : port.protocol);
      if (protocol) out.emplace_back(*protocol, static_cast<uint16_t>(port.containerPort));
    }
  }
  if (out.empty()) out.emplace_back(policy::protocol_number("TCP").value_or(0), 80);
  return out;
}

/// A port at which policies let the one reach the other.
std::optional<uint16_t> Builder::allowed_port(const std::string& from, const std::string& to) const {
  for (const auto& [protocol, port] : ports_of(to)) {
    auto answer =
        world_.policies.evaluate({.pod = from, .address = {}}, {.pod = to, .address = {}}, protocol, port);
    if (answer && answer->allowed) return port;
  }
  return std::nullopt;
}

void Builder::add_policies() {
  std::vector<std::string> workloads;
  for (const auto& [id, node] : map_.nodes) {
    if (!node.pods.empty() && !world_.pods.at(node.pods.front())->spec.hostNetwork) workloads.push_back(id);
  }
  if (workloads.size() * workloads.size() > kMostPairs) {
    map_.notes.push_back(fmt::format(
        "{} workloads: whom policies allow is not drawn; weft policy matrix tells", workloads.size()));
    return;
  }
  for (const auto& to : workloads) add_allowed(to, workloads);
}

void Builder::add_allowed(const std::string& to, const std::vector<std::string>& clients) {
  const bool isolated = map_.nodes[to].isolated.contains("ingress");
  std::vector<std::pair<std::string, uint16_t>> allowed;
  for (const auto& from : clients) {
    if (from == to || !(isolated || map_.nodes[from].isolated.contains("egress"))) continue;
    if (auto port = allowed_port(map_.nodes[from].pods.front(), map_.nodes[to].pods.front()))
      allowed.emplace_back(from, *port);
  }
  if (allowed.size() > kMostAllowed && allowed.size() * 4 > clients.size() * 3) {
    map_.notes.push_back(fmt::format("{}: policies allow {} of {} workloads, which is not drawn", to,
                                     allowed.size(), clients.size() - 1));
    return;
  }
  for (const auto& [from, port] : allowed) {
    auto services = map_.services_of.find({to, port});
    if (services == map_.services_of.end()) {
      auto pod = map_.nodes[to].pods.front();
      map_.nodes[to].column = Column::workloads;
      edge(from, to, "policy").question = {.from = from, .to = "pod/" + pod, .host = {}, .port = port};
      continue;
    }
    for (const auto& service : services->second) {
      auto& by = edge(from, map_.service_at[service], "policy");
      if (!by.question.to.empty()) continue;
      const auto& ports = world_.services.at(service)->spec.ports;
      by.question = {.from = from, .to = "service/" + service, .host = {}, .port = port};
      if (!ports.empty()) by.question.port = static_cast<uint16_t>(ports.front().port);
    }
  }
}

}  // namespace

ServiceMap declared_map(const trace::World& world) { return Builder(world).run(); }

}  // namespace weft::ui
