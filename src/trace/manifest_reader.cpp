#include "trace/manifest_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/node_addresses.h"
#include "kube/resource.h"

namespace weft::trace {
namespace {

constexpr const char* kNamespaceName = "kubernetes.io/metadata.name";
/// Addresses of a range that pods do not get: its base, and the node's own.
constexpr uint64_t kFirstPod = 2;
/// Of one workload; more of them tell nothing more.
constexpr int64_t kMostPods = 10'000;

std::string place_of(const kube::YamlDocument* document) {
  return document && !document->file.empty() ? fmt::format("{}:{}: ", document->file, document->line)
                                             : std::string();
}

bool is_workload(std::string_view kind) {
  return kind == "Deployment" || kind == "ReplicaSet" || kind == "StatefulSet" || kind == "DaemonSet" ||
         kind == "Job" || kind == "CronJob";
}

/// What a workload says of its pods; a CronJob's are those of the Job that it would make.
const json::value& spec_of(const json::value& workload) {
  static const json::value none = json::object();
  const auto* spec = kube::at_path(
      workload, kube::string_at(workload, "kind") == "CronJob" ? "spec.jobTemplate.spec" : "spec");
  return spec ? *spec : none;
}

/// "Kind/namespace/name" of the controller that owns it; empty: none.
std::string controller_of(const json::value& object) {
  const auto* owners = kube::at_path(object, "metadata.ownerReferences");
  if (!owners || !owners->is_array()) return {};
  for (const auto& owner : owners->get_array()) {
    const auto* controls = kube::member(owner, "controller");
    if (controls && controls->is_bool() && controls->get_bool())
      return fmt::format("{}/{}/{}", kube::string_at(owner, "kind"),
                         kube::string_at(object, "metadata.namespace"), kube::string_at(owner, "name"));
  }
  return {};
}

int64_t number_at(const json::value& object, std::string_view path, int64_t otherwise) {
  const auto* value = kube::at_path(object, path);
  return value && value->is_int64() ? value->get_int64() : otherwise;
}

/// The volumes of a workload's pod: one for each claim of a StatefulSet, and those of the template that have
/// other names.
json::array volumes_of(const json::value& spec, const std::string& pod) {
  json::array out;
  std::set<std::string> claimed;
  if (const auto* claims = kube::at_path(spec, "volumeClaimTemplates"); claims && claims->is_array()) {
    for (const auto& claim : claims->get_array()) {
      std::string name(kube::string_at(claim, "metadata.name"));
      out.push_back({{"name", name}, {"persistentVolumeClaim", {{"claimName", name + "-" + pod}}}});
      claimed.insert(std::move(name));
    }
  }
  const auto* own = kube::at_path(spec, "template.spec.volumes");
  if (!own || !own->is_array()) return out;
  for (const auto& volume : own->get_array()) {
    if (!claimed.contains(std::string(kube::string_at(volume, "name")))) out.push_back(volume);
  }
  return out;
}

}  // namespace

Expected<ManifestReader::Item> ManifestReader::complete(const kube::YamlDocument& document, bool assumed) {
  Item item{.value = document.value, .document = assumed ? nullptr : &document, .kind = {}, .key = {}};
  Expected<void> done;
  if (!machinery_.observed) done = machinery_.complete(item.value);
  if (!done)
    return fail(ErrorCode::invalid,
                place_of(item.document) + fmt::format("{} {}: {}", kube::string_at(item.value, "kind"),
                                                      kube::string_at(item.value, "metadata.name"),
                                                      done.error().message));
  item.kind = kube::string_at(item.value, "kind");
  item.key =
      key_of(kube::string_at(item.value, "metadata.namespace"), kube::string_at(item.value, "metadata.name"));
  return item;
}

Expected<void> ManifestReader::read(const std::vector<kube::YamlDocument>& manifests) {
  std::vector<Item> items;
  std::set<std::string> written;
  for (const auto& document : manifests) {
    WEFT_TRY(auto item, complete(document, false));
    world_.origins.written(item.kind, item.key, document);
    written.insert(item.kind + "/" + item.key);
    if (auto owner = controller_of(item.value); !owner.empty()) {
      owners_.insert(owner);
      if (is_workload(item.kind)) owner_of_[item.kind + "/" + item.key] = owner;
    }
    items.push_back(std::move(item));
  }
  for (const auto& document : machinery_.assumed) {
    // One that gives way is not completed: its addresses are those of the one that is written.
    auto namespace_ = kube::string_at(document.value, "metadata.namespace");
    auto name = kube::string_at(document.value, "metadata.name");
    // A Service that is written comes with its own slices.
    const auto* labels = kube::at_path(document.value, "metadata.labels");
    auto of = labels ? kube::member(*labels, "kubernetes.io/service-name") : nullptr;
    bool replaced = of && of->is_string() &&
                    written.contains("Service/" + key_of(namespace_, std::string_view(of->get_string())));
    if (replaced || written.contains(fmt::format("{}/{}", kube::string_at(document.value, "kind"),
                                                 key_of(namespace_, name))))
      continue;
    WEFT_TRY(auto item, complete(document, true));
    world_.origins.assumed(item.kind, item.key);
    items.push_back(std::move(item));
  }
  for (const auto& item : items) note_addresses(item);
  // Pods are placed on nodes, so these are known first; those that are written before those that are made.
  auto rank = [](const Item& item) { return item.kind == "Node" ? 0 : is_workload(item.kind) ? 2 : 1; };
  for (int now = 0; now < 3; ++now) {
    for (const auto& item : items) {
      if (rank(item) == now) WEFT_CHECK(add(item));
    }
  }
  name_namespaces();
  return {};
}

/// Those that pods have already.
void ManifestReader::note_addresses(const Item& item) {
  if (item.kind != "Pod") return;
  if (auto address = IpAddr::parse(kube::string_at(item.value, "status.podIP"))) stated_.insert(*address);
  const auto* all = kube::at_path(item.value, "status.podIPs");
  if (!all || !all->is_array()) return;
  for (const auto& one : all->get_array()) {
    if (auto address = IpAddr::parse(kube::string_at(one, "ip"))) stated_.insert(*address);
  }
}

template <class T>
Expected<Ptr<T>> ManifestReader::decoded(const Item& item) const {
  auto object = kube::decode<T>(item.value);
  if (!object)
    return fail(ErrorCode::invalid, place_of(item.document) + fmt::format("{} {}: {}", item.kind, item.key,
                                                                          object.error().message));
  return std::make_shared<const T>(std::move(*object));
}

template <class T>
Expected<void> ManifestReader::add_to(ByKey<T>& list, const Item& item) {
  WEFT_TRY(auto object, decoded<T>(item));
  list[item.key] = std::move(object);
  return {};
}

template <class T>
Expected<void> ManifestReader::add_for_gateways(const Item& item) {
  WEFT_TRY(auto object, decoded<T>(item));
  for_gateways.push_back([object](gateway::GatewayPlan& plan) { plan.apply<T>(nullptr, object); });
  return {};
}

template <class T>
Expected<void> ManifestReader::add_route(const Item& item) {
  WEFT_TRY(auto object, decoded<T>(item));
  RouteNames names{.kind = item.kind, .key = item.key, .hostnames = {}};
  if constexpr (requires { object->spec.hostnames; }) names.hostnames = object->spec.hostnames;
  world_.routes.push_back(std::move(names));
  for_gateways.push_back([object](gateway::GatewayPlan& plan) { plan.apply<T>(nullptr, object); });
  return {};
}

Expected<void> ManifestReader::add(const Item& item) {
  const auto& kind = item.kind;
  if (kind == "Node") return add_to(world_.nodes, item);
  if (kind == "Pod") return add_pod(item);
  if (is_workload(kind)) return add_workload(item);
  if (kind == "Namespace") return add_to(world_.namespaces, item);
  if (kind == "Service") return add_to(world_.services, item);
  if (kind == "Endpoints") return add_to(endpoints, item);
  if (kind == "AddressPool") return add_to(pools, item);
  if (kind == "NetworkPolicy") return add_to(policies, item);
  if (kind == "ClusterNetworkPolicy") return add_to(cluster_policies, item);
  if (kind == "EndpointSlice") {
    WEFT_TRY(auto slice, decoded<kube::EndpointSlice>(item));
    slices.push_back(std::move(slice));
    return {};
  }
  if (kind == "Gateway") {
    WEFT_CHECK(add_to(world_.gateways, item));
    return add_for_gateways<kube::Gateway>(item);
  }
  if (kind == "GatewayClass") return add_for_gateways<kube::GatewayClass>(item);
  if (kind == "ListenerSet") return add_for_gateways<kube::ListenerSet>(item);
  if (kind == "HTTPRoute") return add_route<kube::HTTPRoute>(item);
  if (kind == "GRPCRoute") return add_route<kube::GRPCRoute>(item);
  if (kind == "TLSRoute") return add_route<kube::TLSRoute>(item);
  if (kind == "TCPRoute") return add_route<kube::TCPRoute>(item);
  if (kind == "UDPRoute") return add_route<kube::UDPRoute>(item);
  if (kind == "ReferenceGrant") return add_for_gateways<kube::ReferenceGrant>(item);
  if (kind == "BackendTLSPolicy") return add_for_gateways<kube::BackendTLSPolicy>(item);
  if (kind == "ConfigMap") return add_for_gateways<kube::ConfigMap>(item);
  if (kind == "Ingress") {
    WEFT_TRY(auto object, decoded<kube::Ingress>(item));
    RouteNames names{.kind = kind, .key = item.key, .hostnames = {}};
    for (const auto& rule : object->spec.rules) names.hostnames.push_back(rule.host);
    world_.routes.push_back(std::move(names));
    return add_for_gateways<kube::Ingress>(item);
  }
  if (kind == "IngressClass") return add_for_gateways<kube::IngressClass>(item);
  // Proxies read no others.
  if (kind == "Secret" && kube::string_at(item.value, "type") == "kubernetes.io/tls")
    return add_for_gateways<kube::Secret>(item);
  return {};
}

Expected<void> ManifestReader::add_pod(const Item& item) {
  WEFT_TRY(auto object, decoded<kube::Pod>(item));
  if (auto owner = controller_of(item.value); !owner.empty()) {
    world_.workloads[owner].push_back(item.key);
    if (auto above = owner_of_.find(owner); above != owner_of_.end())
      world_.workloads[above->second].push_back(item.key);
  }
  put_pod(item.key, *object);
  return {};
}

void ManifestReader::put_pod(const std::string& key, kube::Pod pod) {
  if (!machinery_.observed) {
    place(pod);
    give_address(pod);
  }
  world_.pods[key] = std::make_shared<const kube::Pod>(std::move(pod));
}

bool ManifestReader::has_own_pods(const Item& workload) const {
  return owners_.contains(workload.kind + "/" + workload.key);
}

Expected<void> ManifestReader::add_workload(const Item& item) {
  auto& pods = world_.workloads[item.kind + "/" + item.key];
  if (!machinery_.observed && !has_own_pods(item)) WEFT_CHECK(make_pods(item));
  // A ReplicaSet without pods is a former state of its Deployment.
  if (!pods.empty() || !controller_of(item.value).empty()) return {};
  auto& idle = world_.idle.emplace_back();
  idle.name = fmt::format("{} {}", item.kind, item.key);
  idle.namespace_ = kube::string_at(item.value, "metadata.namespace");
  if (const auto* labels = kube::at_path(spec_of(item.value), "template.metadata.labels");
      labels && labels->is_object()) {
    for (const auto& [name, value] : labels->get_object()) {
      if (value.is_string()) idle.labels[name] = value.get_string();
    }
  }
  if (!machinery_.observed) world_.notes.push_back(fmt::format("{} has no pods", idle.name));
  return {};
}

/// What its controller would make.
Expected<void> ManifestReader::make_pods(const Item& item) {
  auto name = std::string(kube::string_at(item.value, "metadata.name"));
  std::vector<Replica> replicas;
  if (item.kind == "DaemonSet") {
    for (const auto& node : nodes_for(item))
      replicas.push_back({.name = fmt::format("{}-{}", name, replicas.size()), .node = node});
  } else {
    const auto& spec = spec_of(item.value);
    bool runs_to_end = item.kind == "Job" || item.kind == "CronJob";
    int64_t count = std::min(kMostPods, number_at(spec, runs_to_end ? "parallelism" : "replicas", 1));
    int64_t first = number_at(spec, "ordinals.start", 0);
    bool ordered = item.kind == "StatefulSet";
    for (int64_t i = first; i < first + count; ++i)
      replicas.push_back({.name = fmt::format("{}-{}", name, i), .node = {}, .ordinal = ordered ? i : -1});
  }
  return add_pods_of(item, replicas);
}

/// Pods of the workload's template, as its controller would make them.
Expected<void> ManifestReader::add_pods_of(const Item& workload, const std::vector<Replica>& replicas) {
  const auto& spec = spec_of(workload.value);
  const auto* pod_template = kube::at_path(spec, "template");
  if (!pod_template || !pod_template->is_object() || replicas.empty()) return {};
  auto ns = std::string(kube::string_at(workload.value, "metadata.namespace"));
  auto object = pod_template->get_object();
  object["apiVersion"] = "v1";
  object["kind"] = "Pod";
  auto& meta = kube::object_at(object, "metadata");
  meta["name"] = replicas.front().name;
  meta["namespace"] = ns;
  meta["ownerReferences"] = json::array{{{"apiVersion", kube::string_at(workload.value, "apiVersion")},
                                         {"kind", workload.kind},
                                         {"name", kube::string_at(workload.value, "metadata.name")},
                                         {"uid", kube::string_at(workload.value, "metadata.uid")},
                                         {"controller", true}}};
  if (auto volumes = volumes_of(spec, replicas.front().name); !volumes.empty())
    kube::object_at(object, "spec")["volumes"] = std::move(volumes);
  Item first{.value = std::move(object),
             .document = workload.document,
             .kind = "Pod",
             .key = workload.key + "'s pods"};
  if (auto done = machinery_.complete(first.value); !done)
    return fail(ErrorCode::invalid,
                place_of(workload.document) +
                    fmt::format("{} {}: its pods: {}", workload.kind, workload.key, done.error().message));
  WEFT_TRY(auto decoded_pod, decoded<kube::Pod>(first));
  auto& pods = world_.workloads[workload.kind + "/" + workload.key];
  for (const auto& replica : replicas) {
    auto pod = *decoded_pod;
    pod.metadata.name = replica.name;
    pod.metadata.uid += "-" + replica.name;
    if (!replica.node.empty()) pod.spec.nodeName = replica.node;
    if (replica.ordinal >= 0) {
      pod.metadata.labels["statefulset.kubernetes.io/pod-name"] = replica.name;
      pod.metadata.labels["apps.kubernetes.io/pod-index"] = std::to_string(replica.ordinal);
      pod.spec.hostname = replica.name;
      pod.spec.subdomain = kube::string_at(workload.value, "spec.serviceName");
    }
    if (workload.kind == "Job") {
      for (const char* label : {"job-name", "batch.kubernetes.io/job-name"})
        pod.metadata.labels[label] = kube::string_at(workload.value, "metadata.name");
    }
    auto key = key_of(ns, replica.name);
    world_.origins.made("Pod", key, workload.kind, workload.key);
    pods.push_back(key);
    put_pod(key, std::move(pod));
  }
  return {};
}

/// The nodes that a DaemonSet's pods may run on.
std::vector<std::string> ManifestReader::nodes_for(const Item& daemon_set) const {
  std::vector<std::string> out;
  kube::Pod pod;
  if (const auto* spec = kube::at_path(spec_of(daemon_set.value), "template.spec")) {
    if (auto decoded = kube::decode<kube::PodSpec>(*spec)) pod.spec = std::move(*decoded);
  }
  for (const auto& [name, node] : world_.nodes) {
    if (!machinery_.place(pod, {}, {{name, node}}).empty()) out.push_back(name);
  }
  return out;
}

void ManifestReader::place(kube::Pod& pod) {
  if (pod.spec.nodeName.empty() && pod.status.podIP.empty())
    pod.spec.nodeName = machinery_.place(pod, pods_of_nodes_, world_.nodes);
  if (!pod.spec.nodeName.empty()) ++pods_of_nodes_[pod.spec.nodeName];
}

/// The first one of a node's range that no pod has.
IpAddr ManifestReader::next_address(const std::string& text, const IpPrefix& range) {
  auto [at, first] = next_address_.try_emplace(text, kFirstPod);
  auto address = range.base().plus(at->second++);
  while (stated_.contains(address)) address = range.base().plus(at->second++);
  return address;
}

/// What a pod's status says once it runs, unless it says something itself.
void ManifestReader::give_address(kube::Pod& pod) {
  auto& status = pod.status;
  bool told = !status.podIP.empty() || (!status.phase.empty() && status.phase != "Pending");
  auto node = world_.nodes.find(pod.spec.nodeName);
  if (told || node == world_.nodes.end()) return;
  std::vector<std::string> addresses;
  auto of_node = kube::internal_addresses(*node->second);
  for (const auto& address : of_node) status.hostIPs.emplace_back().ip = address.str();
  if (!status.hostIPs.empty()) status.hostIP = status.hostIPs.front().ip;
  if (pod.spec.hostNetwork) {
    for (const auto& address : of_node) addresses.push_back(address.str());
  } else {
    for (const auto& text : node->second->spec.podCIDRs) {
      auto range = IpPrefix::parse(text);
      if (!range) continue;
      addresses.push_back(next_address(text, *range).str());
    }
  }
  if (addresses.empty()) return;
  status.phase = "Running";
  status.podIP = addresses.front();
  for (auto& address : addresses) status.podIPs.emplace_back().ip = std::move(address);
  status.conditions.clear();
  for (const char* type : {"Initialized", "ContainersReady", "Ready", "PodScheduled"}) {
    auto& condition = status.conditions.emplace_back();
    condition.type = type;
    condition.status = "True";
  }
}

/// Namespaces that objects name and nobody has written.
void ManifestReader::name_namespaces() {
  std::set<std::string> named{"default", "kube-system"};
  auto note = [&](const auto& list) {
    for (const auto& [key, object] : list) named.insert(object->metadata.namespace_);
  };
  note(world_.pods);
  note(world_.services);
  note(world_.gateways);
  note(policies);
  for (const auto& route : world_.routes) named.insert(route.key.substr(0, route.key.find('/')));
  for (const auto& name : named) {
    if (machinery_.observed || world_.namespaces.contains(name)) continue;
    kube::Namespace made;
    made.metadata.name = name;
    made.metadata.labels[kNamespaceName] = name;
    world_.namespaces[name] = std::make_shared<const kube::Namespace>(std::move(made));
    world_.origins.assumed("Namespace", name);
    if (name != "default" && name != "kube-system")
      world_.notes.push_back(fmt::format(
          "Namespace {} is not among the manifests: it is taken to have no labels of its own", name));
  }
  for (const auto& [name, object] : world_.namespaces)
    for_gateways.push_back(
        [object](gateway::GatewayPlan& plan) { plan.apply<kube::Namespace>(nullptr, object); });
}

}  // namespace weft::trace
