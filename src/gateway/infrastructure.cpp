#include "gateway/infrastructure.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/fnv.h"
#include "gateway/mesh.h"
#include "kube/node_addresses.h"

namespace weft::gateway {
namespace {

constexpr std::string_view kGatewayLabel = "gateway.networking.k8s.io/gateway-name";
constexpr std::string_view kClassLabel = "gateway.networking.k8s.io/gateway-class-name";
constexpr std::string_view kManagedByLabel = "app.kubernetes.io/managed-by";
constexpr std::string_view kAddresses = "weft.dev/addresses";
constexpr size_t kLongestName = 63;  ///< of a Service (RFC 1035)

json::array owned_by(const char* api_version, const char* kind, const std::string& name,
                     const std::string& uid) {
  return {{{"apiVersion", api_version}, {"kind", kind}, {"name", name}, {"uid", uid}, {"controller", true}}};
}

std::string port_name(const PortKey& key) { return fmt::format("{}-{}", key.udp ? "udp" : "tcp", key.port); }

json::object to_json(const kube::StringMap& map) {
  json::object out;
  for (const auto& [name, value] : map) out[name] = value;
  return out;
}

bool is_ready(const kube::Node& node) {
  return !node.metadata.deletionTimestamp &&
         std::ranges::any_of(node.status.conditions, [](const kube::NodeCondition& condition) {
           return condition.type == "Ready" && condition.status == "True";
         });
}

std::string zone_of(const kube::Node& node) {
  auto zone = node.metadata.labels.find("topology.kubernetes.io/zone");
  return zone == node.metadata.labels.end() ? std::string() : zone->second;
}

}  // namespace

json::array endpoints_of(const std::map<std::string, const kube::Node*>& nodes, bool v6) {
  json::array out;
  for (const auto& [name, node] : nodes) {
    auto addresses = kube::internal_addresses(*node);
    auto at = std::ranges::find(addresses, v6, &IpAddr::is_v6);
    if (at == addresses.end() || !is_ready(*node)) continue;
    json::object endpoint{{"addresses", {at->str()}},
                          {"conditions", {{"ready", true}, {"serving", true}, {"terminating", false}}},
                          {"nodeName", name},
                          {"hints", {{"forNodes", {{{"name", name}}}}}}};
    if (auto zone = zone_of(*node); !zone.empty()) endpoint["zone"] = zone;
    out.push_back(std::move(endpoint));
  }
  return out;
}

std::string Entrance::key() const {
  auto own = namespace_ + "/" + gateway;
  return service_ports.empty() ? own : mesh_key(own);
}

std::optional<std::string> gateway_of(const kube::Service& service) {
  const auto& labels = service.metadata.labels;
  auto manager = labels.find(std::string(kManagedByLabel));
  auto gateway = labels.find(std::string(kGatewayLabel));
  if (manager == labels.end() || manager->second != kInfrastructureManager || gateway == labels.end())
    return {};
  return service.metadata.namespace_ + "/" + gateway->second;
}

Infrastructure infrastructure_of(const kube::Service& service) {
  Infrastructure out;
  for (const auto& way : service.status.loadBalancer.ingress) {
    if (auto address = IpAddr::parse(way.ip)) out.addresses.push_back(*address);
  }
  for (const auto& port : service.spec.ports) {
    out.bind_ports[{static_cast<uint16_t>(port.port), port.protocol == "UDP"}] =
        static_cast<uint16_t>(port.targetPort.number());
  }
  return out;
}

void BindPortTable::put(const std::string& gateway, const BindPorts& ports) {
  if (by_gateway_.contains(gateway)) return;
  for (const auto& [key, bind] : ports) owners_.try_emplace({key.udp, bind}, gateway);
  by_gateway_[gateway] = ports;
}

void BindPortTable::erase(const std::string& gateway) {
  auto at = by_gateway_.find(gateway);
  if (at == by_gateway_.end()) return;
  for (const auto& [key, bind] : at->second) {
    auto owner = owners_.find({key.udp, bind});
    if (owner != owners_.end() && owner->second == gateway) owners_.erase(owner);
  }
  by_gateway_.erase(at);
}

std::optional<uint16_t> BindPortTable::take(bool udp, const std::string& gateway) {
  for (int tries = kLastBindPort - kFirstBindPort + 1; tries > 0; --tries) {
    uint16_t port = next_;
    next_ = port == kLastBindPort ? kFirstBindPort : port + 1;
    if (owners_.try_emplace({udp, port}, gateway).second) return port;
  }
  return {};
}

Expected<BindPorts> BindPortTable::assign(const std::string& gateway, const std::set<PortKey>& wanted) {
  const BindPorts before = std::exchange(by_gateway_[gateway], {});
  BindPorts& now = by_gateway_[gateway];
  for (const auto& [key, bind] : before) {
    auto owner = owners_.find({key.udp, bind});
    // A port that somebody else had first is none of ours, whatever the Service says.
    bool ours = owner != owners_.end() && owner->second == gateway;
    if (ours && wanted.contains(key)) {
      now[key] = bind;
    } else if (ours) {
      owners_.erase(owner);
    }
  }
  for (const PortKey& key : wanted) {
    if (now.contains(key)) continue;
    auto bind = take(key.udp, gateway);
    if (!bind)
      return fail(ErrorCode::exhausted,
                  fmt::format("Gateway {}: all ports from {} to {} are taken: remove listeners of Gateways",
                              gateway, kFirstBindPort, kLastBindPort));
    now[key] = *bind;
  }
  return now;
}

std::string service_name(const Entrance& entrance) {
  if (entrance.uid.empty()) return entrance.gateway;
  auto name = entrance.gateway + "-" + entrance.class_;
  std::ranges::replace(name, '.', '-');
  bool is_label = name[0] >= 'a' && name[0] <= 'z';
  if (name.size() <= kLongestName && is_label) return name;
  auto hash = fmt::format("-{:08x}", static_cast<uint32_t>(fnv1a(name)));
  return (is_label ? "" : "gw-") + name.substr(0, kLongestName - 3 - hash.size()) + hash;
}

json::object entrance_service(const Entrance& entrance, const BindPorts& ports) {
  auto labels = to_json(entrance.labels);
  labels[kGatewayLabel] = entrance.gateway;
  labels[kClassLabel] = entrance.class_;
  labels[kManagedByLabel] = kInfrastructureManager;
  auto annotations = to_json(entrance.annotations);
  std::vector<std::string> wanted;
  for (const auto& address : entrance.addresses) wanted.push_back(address.str());
  if (!wanted.empty()) annotations[kAddresses] = fmt::format("{}", fmt::join(wanted, ","));
  json::array list;
  for (const auto& [key, bind] : ports)
    list.push_back({{"name", port_name(key)},
                    {"protocol", key.udp ? "UDP" : "TCP"},
                    {"port", int{key.port}},
                    {"targetPort", int{bind}}});
  json::object meta{{"name", service_name(entrance)},
                    {"namespace", entrance.namespace_},
                    {"labels", std::move(labels)},
                    {"annotations", std::move(annotations)}};
  if (!entrance.uid.empty())
    meta["ownerReferences"] =
        owned_by("gateway.networking.k8s.io/v1", "Gateway", entrance.gateway, entrance.uid);
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", std::move(meta)},
          {"spec",
           {{"type", "LoadBalancer"},
            {"ipFamilyPolicy", "PreferDualStack"},
            // The node that a connection comes to serves it: one way less, and the client's address stays.
            {"externalTrafficPolicy", "Local"},
            {"trafficDistribution", "PreferSameNode"},
            {"allocateLoadBalancerNodePorts", false},
            {"ports", std::move(list)}}}};
}

std::vector<json::object> entrance_slices(const Entrance& entrance, const std::string& service_uid,
                                          const BindPorts& ports,
                                          const std::map<std::string, const kube::Node*>& nodes) {
  auto service = service_name(entrance);
  json::array list;
  for (const auto& [key, bind] : ports)
    list.push_back({{"name", port_name(key)}, {"protocol", key.udp ? "UDP" : "TCP"}, {"port", int{bind}}});
  std::vector<json::object> out;
  for (bool v6 : {false, true}) {
    auto endpoints = endpoints_of(nodes, v6);
    for (size_t from = 0; from < endpoints.size(); from += kEndpointsInASlice) {
      auto to = std::min(from + kEndpointsInASlice, endpoints.size());
      out.push_back({{"apiVersion", "discovery.k8s.io/v1"},
                     {"kind", "EndpointSlice"},
                     {"metadata",
                      {{"name", fmt::format("{}-v{}-{}", service, v6 ? 6 : 4, from / kEndpointsInASlice)},
                       {"namespace", entrance.namespace_},
                       {"labels",
                        {{"kubernetes.io/service-name", service},
                         {"endpointslice.kubernetes.io/managed-by", kInfrastructureManager}}},
                       {"ownerReferences", owned_by("v1", "Service", service, service_uid)}}},
                     {"addressType", v6 ? "IPv6" : "IPv4"},
                     {"endpoints", json::array(endpoints.begin() + static_cast<std::ptrdiff_t>(from),
                                               endpoints.begin() + static_cast<std::ptrdiff_t>(to))},
                     {"ports", list}});
    }
  }
  return out;
}

bool serves_alike(const kube::Node& a, const kube::Node& b) {
  return is_ready(a) == is_ready(b) && zone_of(a) == zone_of(b) &&
         kube::internal_addresses(a) == kube::internal_addresses(b);
}

bool has_all(const json::value& actual, const json::value& wanted) {
  if (const auto* members = wanted.if_object()) {
    const auto* have = actual.if_object();
    return have && std::ranges::all_of(*members, [&](const auto& member) {
             const auto* value = have->if_contains(member.key());
             return value && has_all(*value, member.value());
           });
  }
  if (const auto* elements = wanted.if_array()) {
    const auto* have = actual.if_array();
    return have && have->size() == elements->size() && std::ranges::equal(*have, *elements, has_all);
  }
  return actual == wanted;
}

}  // namespace weft::gateway
