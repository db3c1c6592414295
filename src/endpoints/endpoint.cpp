#include "endpoints/endpoint.h"

#include <algorithm>
#include <tuple>

#include "base/ip.h"

namespace weft::endpoints {

namespace {

constexpr const char* kZoneLabel = "topology.kubernetes.io/zone";

std::string or_tcp(const std::string& protocol) { return protocol.empty() ? "TCP" : protocol; }

std::optional<int32_t> named_port(const std::vector<kube::ContainerPort>& ports, const std::string& name,
                                  const std::string& protocol) {
  for (const auto& port : ports) {
    if (port.name == name && or_tcp(port.protocol) == protocol) return port.containerPort;
  }
  return std::nullopt;
}

std::optional<int32_t> find_port(const kube::Pod& pod, const kube::ServicePort& port) {
  if (port.targetPort.is_int()) return port.targetPort.number() != 0 ? port.targetPort.number() : port.port;
  const auto name = port.targetPort.str();
  const auto protocol = or_tcp(port.protocol);
  for (const auto& container : pod.spec.containers) {
    if (auto found = named_port(container.ports, name, protocol)) return found;
  }
  for (const auto& container : pod.spec.initContainers) {
    if (container.restartPolicy != "Always") continue;
    if (auto found = named_port(container.ports, name, protocol)) return found;
  }
  return std::nullopt;
}

auto port_tuple(const kube::EndpointPort& port) {
  return std::tuple(port.name.value_or(""), or_tcp(port.protocol.value_or("")), port.port.value_or(-1),
                    port.appProtocol.value_or(""));
}

std::vector<std::string> addresses_of(const kube::Pod& pod, bool v6) {
  std::vector<std::string> out;
  auto take = [&](const std::string& text) {
    auto ip = IpAddr::parse(text);
    if (ip && ip->is_v6() == v6) out.push_back(ip->str());
  };
  for (const auto& each : pod.status.podIPs) take(each.ip);
  if (pod.status.podIPs.empty()) take(pod.status.podIP);
  return out;
}

/// For whom the endpoint is meant (KEP-4444, KEP-3015).
std::optional<kube::EndpointHints> hints_for(const kube::Service& service, const kube::Endpoint& endpoint) {
  const auto wish = service.spec.trafficDistribution.value_or("");
  const bool same_node = wish == "PreferSameNode";
  if (!same_node && wish != "PreferSameZone" && wish != "PreferClose") return std::nullopt;
  if (wants_zone_hints(service) || !endpoint.conditions.ready.value_or(false)) return std::nullopt;
  kube::EndpointHints hints;
  if (endpoint.zone) hints.forZones.emplace_back().name = *endpoint.zone;
  if (same_node && endpoint.nodeName) hints.forNodes.emplace_back().name = *endpoint.nodeName;
  if (hints.forZones.empty() && hints.forNodes.empty()) return std::nullopt;
  return hints;
}

}  // namespace

bool wants_zone_hints(const kube::Service& service) {
  for (const char* key :
       {"service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"}) {
    auto it = service.metadata.annotations.find(key);
    if (it != service.metadata.annotations.end()) return it->second == "Auto" || it->second == "auto";
  }
  return false;
}

bool takes_part(const kube::Pod& pod) {
  if (pod.status.phase == "Succeeded" || pod.status.phase == "Failed") return false;
  return !pod.status.podIP.empty() || !pod.status.podIPs.empty();
}

bool is_ready(const kube::Pod& pod) {
  return std::ranges::any_of(pod.status.conditions, [](const kube::PodCondition& condition) {
    return condition.type == "Ready" && condition.status == "True";
  });
}

std::vector<kube::EndpointPort> resolve_ports(const kube::Service& service, const kube::Pod& pod) {
  std::vector<kube::EndpointPort> out;
  for (const auto& port : service.spec.ports) {
    auto number = find_port(pod, port);
    if (!number) continue;
    auto& resolved = out.emplace_back();
    resolved.name = port.name;
    resolved.protocol = or_tcp(port.protocol);
    resolved.port = number;
    resolved.appProtocol = port.appProtocol;
  }
  std::ranges::sort(out, {}, port_tuple);
  return out;
}

std::string ports_key(const std::vector<kube::EndpointPort>& ports) {
  std::vector<decltype(port_tuple({}))> tuples;
  for (const auto& port : ports) tuples.push_back(port_tuple(port));
  std::ranges::sort(tuples);
  std::string out;
  for (const auto& [name, protocol, number, app] : tuples)
    out.append(name)
        .append("/")
        .append(protocol)
        .append("/")
        .append(std::to_string(number))
        .append("/")
        .append(app)
        .append("\n");
  return out;
}

kube::Endpoint to_endpoint(const kube::Service& service, const kube::Pod& pod, const kube::Node* node,
                           std::string_view family) {
  kube::Endpoint out;
  out.addresses = addresses_of(pod, family == "IPv6");
  const bool terminating = pod.metadata.deletionTimestamp.has_value();
  const bool serving = is_ready(pod);
  // A terminating pod is never ready, unless the Service asks for every address anyhow.
  out.conditions.ready = service.spec.publishNotReadyAddresses || (serving && !terminating);
  out.conditions.serving = serving;
  out.conditions.terminating = terminating;
  auto& target = out.targetRef.emplace();
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  if (!pod.spec.nodeName.empty()) out.nodeName = pod.spec.nodeName;
  if (node && !zone_of(*node).empty()) out.zone = zone_of(*node);
  if (!pod.spec.hostname.empty() && pod.spec.subdomain == service.metadata.name)
    out.hostname = pod.spec.hostname;
  out.hints = hints_for(service, out);
  return out;
}

std::string endpoint_key(const kube::Endpoint& endpoint) {
  std::string out;
  for (const auto& address : endpoint.addresses) out.append(address).append(",");
  out.append("\n").append(endpoint.hostname.value_or(""));
  if (const auto& target = endpoint.targetRef) {
    for (const auto* part : {&target->kind, &target->namespace_, &target->name, &target->uid})
      out.append("\n").append(*part);
  }
  return out;
}

bool same_state(const kube::Endpoint& a, const kube::Endpoint& b) {
  return a.nodeName == b.nodeName && a.zone == b.zone && a.conditions.ready == b.conditions.ready &&
         a.conditions.serving == b.conditions.serving &&
         a.conditions.terminating == b.conditions.terminating && a.hints == b.hints;
}

bool differs_for_endpoints(const kube::Pod& before, const kube::Pod& after) {
  auto state = [](const kube::Pod& pod) {
    return std::tuple(takes_part(pod), is_ready(pod), pod.metadata.deletionTimestamp.has_value());
  };
  auto fields = [](const kube::Pod& pod) {
    return std::tie(pod.metadata.uid, pod.metadata.labels, pod.status.podIP, pod.status.podIPs,
                    pod.spec.nodeName, pod.spec.hostname, pod.spec.subdomain);
  };
  return state(before) != state(after) || fields(before) != fields(after);
}

std::vector<std::string> families_of(const kube::Service& service) {
  std::vector<std::string> out;
  for (const auto& family : service.spec.ipFamilies) {
    if (family == "IPv4" || family == "IPv6") out.push_back(family);
  }
  if (!out.empty()) return out;
  auto address = IpAddr::parse(service.spec.clusterIP);
  if (!address) return {"IPv4", "IPv6"};
  return {address->is_v6() ? "IPv6" : "IPv4"};
}

std::string zone_of(const kube::Node& node) {
  auto it = node.metadata.labels.find(kZoneLabel);
  return it == node.metadata.labels.end() ? std::string() : it->second;
}

}  // namespace weft::endpoints
