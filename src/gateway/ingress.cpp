#include "gateway/ingress.h"

#include <algorithm>

#include "gateway/filters.h"
#include "gateway/names.h"
#include "kube/client/informer.h"

namespace weft::gateway {
namespace {

constexpr const char* kKind = "Ingress";

bool is_ours(const kube::IngressClass& class_) { return class_.spec.controller == kIngressController; }

BoundListener listener(std::string name, uint16_t port, Protocol protocol) {
  BoundListener out;
  out.owner = "Gateway/" + std::string(kIngressGateway);
  out.owner_namespace = kIngressGateway.substr(0, kIngressGateway.find('/'));
  out.name = std::move(name);
  out.port = port;
  out.protocol = protocol;
  out.usable = true;
  return out;
}

BoundListener http_listener() { return listener("http", 80, Protocol::http); }
BoundListener https_listener() { return listener("https", 443, Protocol::https); }

/// The number of a Service's port that may be given by name; 0: it is not there.
int32_t port_number(Lookup& look, const std::string& service_key, const kube::ServiceBackendPort& port) {
  if (port.name.empty()) return port.number;
  auto service = look.get<kube::Service>(service_key);
  if (!service) return 0;
  auto at = std::ranges::find(service->spec.ports, port.name, &kube::ServicePort::name);
  return at == service->spec.ports.end() ? 0 : at->port;
}

class IngressCompiler {
 public:
  IngressCompiler(Lookup& look, const kube::Ingress& ingress, RouteBuild& out)
      : ingress_(ingress),
        at_{look, {"networking.k8s.io", kKind, ingress.metadata.namespace_}, Use::http, none_, compiled_},
        out_(out) {}

  void compile() {
    int index = 0;
    for (const auto& rule : ingress_.spec.rules) {
      if (rule.http) {
        for (const auto& path : rule.http->paths) add_path(rule.host, path, index);
      } else if (ingress_.spec.defaultBackend) {
        add(rule.host, {}, *ingress_.spec.defaultBackend, index);
      }
      ++index;
    }
    if (ingress_.spec.defaultBackend) add("", {}, *ingress_.spec.defaultBackend, -1);
    out_.backends = std::move(compiled_.backends);
  }

 private:
  void add_path(const std::string& host, const kube::HTTPIngressPath& path, int index) {
    Match match;
    if (path.pathType.value_or("") == "Exact") match.path_kind = PathKind::exact;
    if (!path.path.empty()) match.path = path.path;
    add(host, std::move(match), path.backend, index);
  }

  void add(const std::string& host, Match match, const kube::IngressBackend& backend, int index) {
    auto rule = std::make_shared<Rule>();
    rule->matches.push_back(std::move(match));
    rule->why = {kKind, ingress_.metadata.namespace_, ingress_.metadata.name, "", index};
    WeightedBackend target;
    if (backend.service) {
      kube::BackendObjectReference ref;
      ref.name = backend.service->name;
      ref.port = port_number(at_.look, ingress_.metadata.namespace_ + "/" + ref.name, backend.service->port);
      target.backend = compile_backend(at_, ref);
    }
    rule->backends.push_back(std::move(target));
    auto& piece = out_.by_host[host];
    piece.rules.push_back(std::move(rule));
    piece.one_label = host.starts_with("*.");
  }

  const kube::Ingress& ingress_;
  const std::string none_;
  RouteRules compiled_;
  Compiling at_;
  RouteBuild& out_;
};

}  // namespace

std::string default_ingress_class(Lookup& look) {
  const kube::IngressClass* best = nullptr;
  for (const auto& [name, class_] : look.group<kube::IngressClass>("")) {
    auto at = class_->metadata.annotations.find(std::string(kDefaultIngressClass));
    if (at == class_->metadata.annotations.end() || at->second != "true") continue;
    if (!best || class_->metadata.creationTimestamp > best->metadata.creationTimestamp) best = class_.get();
  }
  return best ? best->metadata.name : std::string();
}

bool is_our_ingress(Lookup& look, const kube::Ingress& ingress) {
  std::string name = ingress.spec.ingressClassName.value_or("");
  const auto& annotations = ingress.metadata.annotations;
  if (auto old = annotations.find(std::string(kIngressClass)); name.empty() && old != annotations.end())
    name = old->second;
  if (name.empty()) name = default_ingress_class(look);
  if (name.empty()) return false;
  auto class_ = look.get<kube::IngressClass>(name);
  return class_ && is_ours(*class_);
}

std::optional<GatewayView> view_ingresses(Lookup& look, CertificateStore& store) {
  const auto& classes = look.group<kube::IngressClass>("");
  if (std::ranges::none_of(classes, [](const auto& entry) { return is_ours(*entry.second); })) return {};
  GatewayView view;
  view.key = kIngressGateway;
  view.listeners.push_back(http_listener());
  auto https = https_listener();
  for (const auto& [key, ingress] : look.group<kube::Ingress>("tls")) {
    if (!is_our_ingress(look, *ingress)) continue;
    for (const auto& tls : ingress->spec.tls) {
      kube::SecretObjectReference ref;
      ref.name = tls.secretName;
      std::string pair;
      resolve_pair(look, store, {"networking.k8s.io", kKind, ingress->metadata.namespace_}, ref, "Invalid",
                   view.loaded, pair);
      if (!pair.empty() && std::ranges::find(https.certificates, pair) == https.certificates.end())
        https.certificates.push_back(std::move(pair));
    }
  }
  https.usable = !https.certificates.empty();
  view.listeners.push_back(std::move(https));
  auto slash = kIngressGateway.find('/');
  view.entrance.namespace_ = kIngressGateway.substr(0, slash);
  view.entrance.gateway = kIngressGateway.substr(slash + 1);
  view.entrance.ports = {{80, false}, {443, false}};
  return view;
}

RouteBuild build_ingress(Lookup& look, const kube::Ingress& ingress) {
  RouteBuild out;
  out.order = {ingress.metadata.creationTimestamp, kube::object_key(ingress.metadata), kKind};
  if (ingress.metadata.deletionTimestamp || !is_our_ingress(look, ingress)) return out;
  IngressCompiler(look, ingress, out).compile();
  std::vector<std::string> hostnames;
  for (const auto& [hostname, piece] : out.by_host) hostnames.push_back(hostname);
  for (const auto& listener : {http_listener(), https_listener()})
    out.attachments.push_back({std::string(kIngressGateway), listener.id(), hostnames, {}});
  return out;
}

kube::IngressStatus ingress_status(const Infrastructure* infrastructure) {
  kube::IngressStatus out;
  if (!infrastructure) return out;
  for (const auto& address : infrastructure->addresses)
    out.loadBalancer.ingress.emplace_back().ip = address.str();
  return out;
}

}  // namespace weft::gateway
