#include "trace/world.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "endpoints/mirror_plan.h"
#include "endpoints/plan.h"
#include "endpoints/topology.h"
#include "gateway/infrastructure.h"
#include "gateway/mesh_slices.h"
#include "kube/codec.h"
#include "kube/node_addresses.h"
#include "kube/selector.h"
#include "service/pool_plan.h"
#include "trace/manifest_reader.h"

namespace weft::trace {
namespace {

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

/// So that the work for a Service is that of the pods that it may select.
class PodsByLabel {
 public:
  void add(const endpoints::PodPtr& pod) {
    for (const auto& label : pod->metadata.labels) pods_[pod->metadata.namespace_][label].push_back(pod);
  }

  /// Those that have the rarest label of the selector, which is not empty.
  const std::vector<endpoints::PodPtr>& candidates(const kube::Service& service) const {
    static const std::vector<endpoints::PodPtr> kNone;
    auto in_namespace = pods_.find(service.metadata.namespace_);
    if (in_namespace == pods_.end()) return kNone;
    const std::vector<endpoints::PodPtr>* best = nullptr;
    for (const auto& label : service.spec.selector) {
      auto at = in_namespace->second.find(label);
      if (at == in_namespace->second.end()) return kNone;
      if (!best || at->second.size() < best->size()) best = &at->second;
    }
    return best ? *best : kNone;
  }

 private:
  using Label = std::pair<std::string, std::string>;
  std::map<std::string, std::map<Label, std::vector<endpoints::PodPtr>>> pods_;
};

/// Does what the controllers of a cluster do, once each, in the order in which they wait for each other.
class WorldBuilder {
 public:
  WorldBuilder(World& world, const Machinery& machinery, ManifestReader& read)
      : world_(world), machinery_(machinery), read_(read) {}

  Expected<void> run();

 private:
  void take_slices();
  void plan_slices(const std::string& key, const kube::Service& service, const PodsByLabel& pods);
  void mirror();
  void change_slices(const std::string& service, endpoints::SliceChanges changes, const std::string& of_kind,
                     const std::string& of_key);
  Expected<void> open_gateways();
  Expected<void> add_entrance(const gateway::Entrance& entrance, const gateway::BindPorts& ports);
  Expected<void> add_mesh(const gateway::Entrance& entrance, const gateway::BindPorts& ports);
  std::map<std::string, const kube::Node*> nodes_by_name() const;
  void give_load_balancers();
  void fill_plans();
  void index_addresses();

  World& world_;
  const Machinery& machinery_;
  ManifestReader& read_;
  std::set<std::string> entrances_;  ///< keys of Services
  endpoints::ZoneShares zone_shares_;
};

Expected<void> WorldBuilder::run() {
  take_slices();
  PodsByLabel pods;
  for (const auto& [key, pod] : world_.pods) pods.add(pod);
  std::vector<Ptr<kube::Node>> nodes;
  for (const auto& [name, node] : world_.nodes) nodes.push_back(node);
  zone_shares_ = endpoints::zone_shares(nodes);
  for (const auto& [key, service] : world_.services) plan_slices(key, *service, pods);
  if (!machinery_.observed) mirror();
  WEFT_CHECK(open_gateways());
  index_addresses();
  fill_plans();
  return {};
}

void WorldBuilder::take_slices() {
  for (const auto& slice : read_.slices) {
    if (auto of = service::service_of(*slice); !of.empty()) world_.slices[of].push_back(slice);
  }
}

void WorldBuilder::change_slices(const std::string& service, endpoints::SliceChanges changes,
                                 const std::string& of_kind, const std::string& of_key) {
  auto& slices = world_.slices[service];
  auto drop = [&](const std::string& name) {
    std::erase_if(slices, [&](const auto& slice) { return slice->metadata.name == name; });
  };
  for (const auto& slice : changes.remove) drop(slice->metadata.name);
  auto put = [&](kube::EndpointSlice slice) {
    drop(slice.metadata.name);
    world_.origins.made("EndpointSlice", key_of(slice.metadata.namespace_, slice.metadata.name), of_kind,
                        of_key);
    slices.push_back(std::make_shared<const kube::EndpointSlice>(std::move(slice)));
  };
  for (auto& slice : changes.update) put(std::move(slice));
  for (auto& slice : changes.create) {
    slice.metadata.name = fmt::format("{}{}", slice.metadata.generateName, slices.size());
    put(std::move(slice));
  }
}

void WorldBuilder::plan_slices(const std::string& key, const kube::Service& service,
                               const PodsByLabel& pods) {
  if (!endpoints::has_slices(service)) return;
  std::vector<endpoints::PodPtr> selected;
  auto selector = kube::Selector::from(service.spec.selector);
  std::ranges::copy_if(pods.candidates(service), std::back_inserter(selected),
                       [&](const auto& pod) { return selector.matches(pod->metadata.labels); });
  std::vector<endpoints::SlicePtr> ours;
  std::ranges::copy_if(world_.slices[key], std::back_inserter(ours), [](const auto& slice) {
    auto manager = slice->metadata.labels.find(endpoints::kManagedBy);
    return manager != slice->metadata.labels.end() && manager->second == endpoints::kController;
  });
  auto plan = endpoints::plan_slices({
      .service = service,
      .pods = std::move(selected),
      .node =
          [this](const std::string& name) {
            auto at = world_.nodes.find(name);
            return at == world_.nodes.end() ? nullptr : at->second.get();
          },
      .slices = std::move(ours),
      .trigger_time = {},
      .zone_shares = zone_shares_,
  });
  for (const auto& left : plan.left_out)
    world_.left_out[key].emplace_back(key_of(left.pod->metadata.namespace_, left.pod->metadata.name),
                                      left.why);
  if (!machinery_.observed) return change_slices(key, std::move(plan), "Service", key);
  if (!plan.empty())
    world_.notes.push_back(fmt::format(
        "the EndpointSlices of Service {} are not what its pods ask for: the controller is behind, or away",
        key));
}

void WorldBuilder::mirror() {
  for (const auto& [key, endpoints] : read_.endpoints) {
    auto service = world_.services.find(key);
    std::vector<endpoints::SlicePtr> ours;
    std::ranges::copy_if(world_.slices[key], std::back_inserter(ours), [](const auto& slice) {
      auto manager = slice->metadata.labels.find(endpoints::kManagedBy);
      return manager != slice->metadata.labels.end() && manager->second == endpoints::kMirrorController;
    });
    auto plan =
        endpoints::plan_mirror({.endpoints = endpoints.get(),
                                .service = service == world_.services.end() ? nullptr : service->second.get(),
                                .slices = std::move(ours)});
    change_slices(key, std::move(plan), "Endpoints", key);
  }
}

/// Gateways ask for ways in, which are Services like others, with addresses and bind ports.
Expected<void> WorldBuilder::open_gateways() {
  auto& plan = world_.gateway_plan;
  for (const auto& tell : read_.for_gateways) tell(plan);
  for (const auto& [key, service] : world_.services) plan.apply<kube::Service>(nullptr, service);
  for (const auto& [key, slices] : world_.slices) {
    for (const auto& slice : slices) plan.apply<kube::EndpointSlice>(nullptr, slice);
  }
  gateway::BindPortTable table;
  for (const auto& [key, service] : world_.services) {
    if (auto gateway = gateway::gateway_of(*service))
      table.put(*gateway, gateway::infrastructure_of(*service).bind_ports);
  }
  auto entrances = plan.take_changes().entrances;
  if (machinery_.observed) entrances.clear();
  for (const auto& gateway : entrances) {
    const auto* entrance = plan.entrance(gateway);
    if (!entrance) continue;
    WEFT_TRY(auto ports, table.assign(gateway, entrance->ports));
    WEFT_CHECK(entrance->service_ports.empty() ? add_entrance(*entrance, ports) : add_mesh(*entrance, ports));
  }
  if (!machinery_.observed) give_load_balancers();
  for (const auto& [key, service] : world_.services) {
    if (auto gateway = gateway::gateway_of(*service))
      plan.put_infrastructure(*gateway, gateway::infrastructure_of(*service));
  }
  plan.take_changes();
  return {};
}

Expected<void> WorldBuilder::add_entrance(const gateway::Entrance& entrance,
                                          const gateway::BindPorts& ports) {
  json::value object = gateway::entrance_service(entrance, ports);
  auto key = key_of(entrance.namespace_, gateway::service_name(entrance));
  entrances_.insert(key);
  bool ingress = entrance.key() == gateway::kIngressGateway;
  if (!world_.services.contains(key)) {
    if (auto done = machinery_.complete(object); !done)
      return fail(ErrorCode::invalid,
                  fmt::format("Gateway {}: its Service {}: {}", entrance.key(), key, done.error().message));
    WEFT_TRY(auto service, kube::decode<kube::Service>(object));
    world_.services[key] = std::make_shared<const kube::Service>(std::move(service));
    ingress ? world_.origins.assumed("Service", key)
            : world_.origins.made("Service", key, "Gateway", entrance.key());
  }
  if (!world_.slices[key].empty()) return {};
  for (auto& slice :
       gateway::entrance_slices(entrance, world_.services[key]->metadata.uid, ports, nodes_by_name())) {
    WEFT_TRY(auto decoded, kube::decode<kube::EndpointSlice>(slice));
    world_.origins.made("EndpointSlice", key_of(decoded.metadata.namespace_, decoded.metadata.name),
                        "Service", key);
    world_.slices[key].push_back(std::make_shared<const kube::EndpointSlice>(std::move(decoded)));
  }
  return {};
}

/// A Service with routes keeps its own way in, and slices lead it to the proxies.
Expected<void> WorldBuilder::add_mesh(const gateway::Entrance& entrance, const gateway::BindPorts& ports) {
  auto service = key_of(entrance.namespace_, entrance.gateway);
  for (auto& slice : gateway::mesh_slices(entrance, ports, nodes_by_name())) {
    WEFT_TRY(auto decoded, kube::decode<kube::EndpointSlice>(slice));
    world_.origins.made("EndpointSlice", key_of(decoded.metadata.namespace_, decoded.metadata.name),
                        "Service", service);
    auto made = std::make_shared<const kube::EndpointSlice>(std::move(decoded));
    world_.gateway_plan.apply<kube::EndpointSlice>(nullptr, made);
    world_.slices[service].push_back(std::move(made));
  }
  return {};
}

std::map<std::string, const kube::Node*> WorldBuilder::nodes_by_name() const {
  std::map<std::string, const kube::Node*> out;
  for (const auto& [name, node] : world_.nodes) out[name] = node.get();
  return out;
}

void WorldBuilder::give_load_balancers() {
  service::PoolPlanner planner;
  for (const auto& [name, object] : world_.namespaces)
    planner.namespace_changed(name, object->metadata.labels);
  for (const auto& [name, pool] : read_.pools) planner.pool_changed(name, pool);
  for (const auto& [key, object] : world_.services) planner.service_changed(key, object);
  planner.begin();
  for (auto& [key, object] : world_.services) {
    const auto& decision = planner.decision(key);
    if (!decision.problem.empty()) world_.without_address[key] = decision.problem;
    if (!decision.ours || decision.addresses.empty()) continue;
    auto changed = *object;
    changed.status.loadBalancer.ingress.clear();
    for (const auto& address : decision.addresses) {
      auto& way = changed.status.loadBalancer.ingress.emplace_back();
      way.ip = address.addr.str();
      way.ipMode = "VIP";
      if (object->spec.loadBalancerIP != way.ip) world_.assumed_balancers.insert(address.addr);
    }
    auto now = std::make_shared<const kube::Service>(std::move(changed));
    if (!entrances_.contains(key)) world_.gateway_plan.apply<kube::Service>(object, now);
    object = std::move(now);
  }
}

void WorldBuilder::index_addresses() {
  for (const auto& [name, node] : world_.nodes) {
    for (const auto& address : kube::internal_addresses(*node)) world_.node_at[address] = name;
  }
  for (const auto& [key, pod] : world_.pods) {
    const auto& phase = pod->status.phase;
    if (pod->spec.hostNetwork || phase == "Succeeded" || phase == "Failed") continue;
    for (const auto& ip : pod->status.podIPs) {
      if (auto address = IpAddr::parse(ip.ip)) world_.pod_at[*address] = key;
    }
  }
  for (const auto& [key, service] : world_.services) {
    std::set<IpAddr> all;
    auto add = [&](const std::string& text) {
      if (auto address = IpAddr::parse(text)) all.insert(*address);
    };
    add(service->spec.clusterIP);
    for (const auto& text : service->spec.clusterIPs) add(text);
    for (const auto& text : service->spec.externalIPs) add(text);
    for (const auto& way : service->status.loadBalancer.ingress) add(way.ip);
    for (const auto& address : all) world_.services_at[address].push_back(key);
    if (std::ranges::any_of(service->spec.ports, [](const auto& port) { return port.nodePort != 0; }))
      world_.node_port_services.push_back(key);
  }
}

void WorldBuilder::fill_plans() {
  std::set<std::string> alive;
  for (const auto& [name, node] : world_.nodes) {
    world_.policies.put(*node);
    auto facts = service::announce_node(*node);
    if (facts.ready) alive.insert(name);
    world_.announcements.node_changed(name, std::move(facts));
  }
  for (const auto& [name, object] : world_.namespaces) {
    world_.policies.put(*object);
    world_.zone.apply(nullptr, object.get());
  }
  for (const auto& [key, pod] : world_.pods) world_.policies.put(*pod);
  for (const auto& [key, object] : read_.policies) world_.policies.put(*object);
  for (const auto& [key, object] : read_.cluster_policies) world_.policies.put(*object);
  for (const auto& [key, object] : world_.services) {
    world_.zone.apply(nullptr, object.get());
    world_.announcements.service_changed(key, object);
  }
  for (const auto& [key, slices] : world_.slices) {
    for (const auto& slice : slices) {
      world_.zone.apply(nullptr, slice.get());
      world_.policies.put(*slice);
      if (!service::is_mesh(*slice)) world_.announcements.slice_changed(key, slice->metadata.name, slice);
    }
  }
  world_.policies.take_changes();
  world_.zone.set_synced();
  world_.announcements.begin(alive);
  auto dns = world_.services.find("kube-system/kube-dns");
  if (dns != world_.services.end()) world_.dns.addresses = dns->second->spec.clusterIPs;
  world_.dns.domain = "cluster.local";
}

}  // namespace

bool World::has_unknown_endpoints(const std::string& service) const {
  auto at = slices.find(service);
  return origins.is_assumed("Service", service) && (at == slices.end() || at->second.empty());
}

service::NodeFacts World::facts_of(const std::string& node) const {
  service::NodeFacts facts{.name = node, .zone = {}, .addresses = {}};
  auto at = nodes.find(node);
  if (at == nodes.end()) return facts;
  facts.addresses = kube::internal_addresses(*at->second);
  auto zone = at->second->metadata.labels.find(kZoneLabel);
  if (zone != at->second->metadata.labels.end()) facts.zone = zone->second;
  return facts;
}

const gateway::CompiledPort& World::compiled(const std::shared_ptr<const gateway::Port>& port) const {
  auto& known = compiled_[port.get()];
  if (!known) known = compiler_.compile(port);
  return *known;
}

Expected<std::unique_ptr<World>> build_world(const std::vector<kube::YamlDocument>& manifests,
                                             const Machinery& machinery) {
  auto world = std::make_unique<World>();
  ManifestReader reader(*world, machinery);
  WEFT_CHECK(reader.read(manifests));
  WEFT_CHECK(WorldBuilder(*world, machinery, reader).run());
  return world;
}

}  // namespace weft::trace
