#include "gateway/mesh.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "gateway/backends.h"
#include "gateway/mesh_slices.h"
#include "gateway/names.h"

namespace weft::gateway {
namespace {

constexpr std::string_view kKind = "Service";
constexpr std::string_view kPrefix = "Service/";

std::optional<uint16_t> number_in(std::string_view text) {
  uint16_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number == 0) return {};
  return number;
}

bool has_cluster_address(const kube::Service& service) {
  return service.spec.type != "ExternalName" && !service.spec.clusterIP.empty() &&
         service.spec.clusterIP != "None";
}

bool is_tcp(const kube::ServicePort& port) { return port.protocol.empty() || port.protocol == "TCP"; }

bool may_be_http(const kube::ServicePort& port) {
  constexpr std::array<std::string_view, 6> kHttp = {
      "http", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws", "h2c"};
  constexpr std::array<std::string_view, 6> kOther = {"https", "tls", "tcp", "mongo", "mysql", "redis"};
  if (port.appProtocol) return std::ranges::find(kHttp, *port.appProtocol) != kHttp.end();
  return std::ranges::find(kOther, port.name.substr(0, port.name.find('-'))) == kOther.end();
}

std::vector<uint16_t> ports_meant(const kube::Service& service, const kube::RouteParentReference& ref) {
  const bool any = ref.port == 0 && ref.sectionName.empty();
  std::vector<uint16_t> out;
  for (const auto& port : service.spec.ports) {
    bool meant = any ? may_be_http(port)
                     : (ref.port == 0 || ref.port == port.port) &&
                           (ref.sectionName.empty() || ref.sectionName == port.name);
    if (is_tcp(port) && meant) out.push_back(static_cast<uint16_t>(port.port));
  }
  return out;
}

/// Why nothing can be attached to the Service.
Problem problem_of(const kube::Service* service, const RouteFacts& route, const std::string& key) {
  auto none = [](std::string message) { return Problem{"NoMatchingParent", std::move(message)}; };
  if (route.kind != "HTTPRoute" && route.kind != "GRPCRoute")
    return none(fmt::format("A Service takes HTTPRoutes and GRPCRoutes, no {}s", route.kind));
  if (!service) return none(fmt::format("Service {} is not there", key));
  if (!has_cluster_address(*service)) return none(fmt::format("Service {} has no cluster address", key));
  return {};
}

BoundListener listener_of(const std::string& key, const std::string& name) {
  BoundListener out;
  out.owner = key;
  auto begin = kPrefix.size();
  out.owner_namespace = key.substr(begin, key.find('/', begin) - begin);
  out.name = name;
  out.port = number_in(name).value_or(0);
  if (auto slash = name.find('/'); slash != name.npos) out.consumers = name.substr(slash + 1);
  out.protocol = Protocol::http;
  out.usable = true;
  return out;
}

std::shared_ptr<const Rule> rule_to(const Why& why, std::string backend, bool grpc) {
  auto rule = std::make_shared<Rule>();
  auto& match = rule->matches.emplace_back();
  if (grpc) match.headers.push_back({"content-type", "application/grpc.*", true});
  rule->grpc = grpc;
  rule->backends.push_back({.backend = std::move(backend)});
  rule->why = why;
  return rule;
}

}  // namespace

std::string mesh_key(const std::string& service) { return std::string(kPrefix) + service; }

std::optional<std::string> meshed_service(const std::string& key) {
  // A namespace has no capitals.
  if (!key.starts_with(kPrefix)) return {};
  return key.substr(kPrefix.size());
}

std::string mesh_of(const kube::EndpointSlice& slice) {
  auto at = slice.metadata.labels.find(std::string(kMeshOf));
  if (at == slice.metadata.labels.end()) return {};
  return mesh_key(slice.metadata.namespace_ + "/" + at->second);
}

std::optional<std::pair<PortKey, uint16_t>> mesh_port(const kube::EndpointSlice& slice) {
  auto at = slice.metadata.annotations.find(std::string(kMeshPort));
  auto port = at == slice.metadata.annotations.end() ? std::nullopt : number_in(at->second);
  if (!port || slice.ports.size() != 1 || !slice.ports[0].port) return {};
  return std::pair(PortKey{*port, false}, static_cast<uint16_t>(*slice.ports[0].port));
}

bool is_service(const kube::RouteParentReference& ref) {
  return ref.group && ref.group->empty() && ref.kind == kKind;
}

ParentResult resolve_service(Lookup& look, const RouteFacts& route, const kube::RouteParentReference& ref) {
  ParentResult out;
  if (look.group<kube::GatewayClass>(std::string(kController)).empty()) return out;
  out.ours = true;
  auto ns = ref.namespace_.empty() ? route.namespace_ : ref.namespace_;
  auto key = ns + "/" + ref.name;
  auto service = look.get<kube::Service>(key);
  out.unaccepted = problem_of(service.get(), route, key);
  if (out.unaccepted) return out;
  const bool consumer = ns != route.namespace_;
  for (auto port : ports_meant(*service, ref)) {
    auto& attachment = out.attachments.emplace_back();
    attachment.gateway = mesh_key(key);
    auto name = consumer ? fmt::format("{}/{}", port, route.namespace_) : std::to_string(port);
    attachment.listener = listener_of(attachment.gateway, name).id();
    // Clients have chosen the Service by its address; what they call it does not count.
    attachment.hostnames = {""};
    if (consumer) attachment.variant.parent_service = key;
  }
  if (out.attachments.empty())
    out.unaccepted = {"NoMatchingParent", fmt::format("Service {} has no such port for HTTP", key)};
  return out;
}

std::optional<MeshView> view_mesh(Lookup& look, const std::string& key, const MeshUsers& users) {
  auto service_key = *meshed_service(key);
  auto service = look.get<kube::Service>(service_key);
  MeshView out;
  std::set<std::string> names;
  for (const auto& [name, slice] : look.group<kube::EndpointSlice>(key)) {
    auto port = mesh_port(*slice);
    if (!port) continue;
    out.infrastructure.bind_ports.insert(*port);
    names.insert(std::to_string(port->first.port));
  }
  if (!service || !has_cluster_address(*service)) return {};
  auto& entrance = out.view.entrance;
  for (const auto& [name, count] : users) {
    auto number = *number_in(name);
    auto port = std::ranges::find(service->spec.ports, number, &kube::ServicePort::port);
    if (port == service->spec.ports.end()) continue;
    names.insert(name);
    names.insert(std::to_string(number));
    entrance.ports.insert({number, false});
    entrance.service_ports[{number, false}] = port->name;
  }
  if (names.empty()) return {};
  entrance.namespace_ = service->metadata.namespace_;
  entrance.gateway = service->metadata.name;
  entrance.uid = service->metadata.uid;
  out.view.key = key;
  for (const auto& name : names) out.view.listeners.push_back(listener_of(key, name));
  return out;
}

std::optional<RouteBuild> build_unrouted(const GatewayView& view, const std::string& port) {
  auto at = std::ranges::find(view.listeners, port, &BoundListener::name);
  if (at == view.listeners.end()) return {};
  auto service = *meshed_service(view.key);
  RouteBuild out;
  out.order = {{}, service + "/" + port, std::string(kKind)};
  out.attachments.push_back({view.key, at->id(), {""}, {}});
  auto backend = [&](Use use) {
    BackendId id{service, at->port, use, {}};
    out.backends.emplace(id.key(), id);
    return id.key();
  };
  const Why why{std::string(kKind), at->owner_namespace, service.substr(service.find('/') + 1), port, -1};
  auto stream = std::make_shared<StreamRoute>();
  stream->backends.push_back({.backend = backend(Use::raw)});
  stream->why = why;
  out.pieces[Variant{}] = {
      .rules = {rule_to(why, backend(Use::grpc), true), rule_to(why, backend(Use::http), false)},
      .stream = std::move(stream),
      .fallback = true};
  return out;
}

}  // namespace weft::gateway
