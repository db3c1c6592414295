#include "gateway/listeners.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "gateway/hostname.h"
#include "gateway/names.h"
#include "kube/client/informer.h"
#include "kube/selector.h"

namespace weft::gateway {
namespace {

std::optional<Protocol> protocol_of(const std::string& name) {
  if (name == "HTTP") return Protocol::http;
  if (name == "HTTPS") return Protocol::https;
  if (name == "TLS") return Protocol::tls;
  if (name == "TCP") return Protocol::tcp;
  if (name == "UDP") return Protocol::udp;
  return {};
}

std::vector<std::string> kinds_for(Protocol protocol) {
  switch (protocol) {
    case Protocol::http:
    case Protocol::https:
      return {"HTTPRoute", "GRPCRoute"};
    case Protocol::tls:
      return {"TLSRoute"};
    case Protocol::tcp:
      return {"TCPRoute"};
    case Protocol::udp:
      return {"UDPRoute"};
  }
  return {};
}

/// Fills in kinds; what is wrong with those that are asked for.
Problem choose_kinds(const kube::GatewayListener& spec, BoundListener& out) {
  if (!out.protocol) return {};
  auto possible = kinds_for(*out.protocol);
  if (!spec.allowedRoutes || spec.allowedRoutes->kinds.empty()) {
    out.kinds = std::move(possible);
    return {};
  }
  Problem problem;
  for (const auto& kind : spec.allowedRoutes->kinds) {
    bool fits = kind.group.value_or(std::string(kGroup)) == kGroup &&
                std::ranges::find(possible, kind.kind) != possible.end();
    if (fits) {
      out.kinds.push_back(kind.kind);
    } else if (!problem) {
      problem = {"InvalidRouteKinds", fmt::format("{} cannot be attached to a listener with protocol {}",
                                                  kind.kind, spec.protocol)};
    }
  }
  return problem;
}

bool uses_certificates(const BoundListener& listener) {
  return listener.protocol == Protocol::https || (listener.protocol == Protocol::tls && listener.terminate);
}

/// What stays the same for all listeners of a Gateway.
struct Surroundings {
  Lookup& look;
  CertificateStore& store;
  const kube::Gateway& gateway;
  Loaded& loaded;
};

Problem load_certificates(const Surroundings& in, const kube::GatewayListener& spec, const Referrer& from,
                          BoundListener& out) {
  Problem first;
  if (!spec.tls || spec.tls->certificateRefs.empty())
    return {"InvalidCertificateRef", "It has no certificateRefs: name a Secret with tls.crt and tls.key"};
  for (const auto& ref : spec.tls->certificateRefs) {
    std::string key;
    auto problem = resolve_pair(in.look, in.store, from, ref, "InvalidCertificateRef", in.loaded, key);
    if (problem && !first) first = std::move(problem);
    if (!key.empty()) out.certificates.push_back(std::move(key));
  }
  return first;
}

const kube::FrontendTLSValidation* validation_for(const kube::Gateway& gateway, int32_t port) {
  if (!gateway.spec.tls || !gateway.spec.tls->frontend) return nullptr;
  const auto& frontend = *gateway.spec.tls->frontend;
  auto at = std::ranges::find(frontend.perPort, port, &kube::TLSPortConfig::port);
  const auto& tls = at == frontend.perPort.end() ? frontend.default_ : at->tls;
  return tls.validation ? &*tls.validation : nullptr;
}

/// Fills in how clients are checked; what is wrong with the CAs.
Problem load_client_validation(const Surroundings& in, const kube::GatewayListener& spec,
                               BoundListener& out) {
  const auto* validation = validation_for(in.gateway, spec.port);
  if (!validation) return {};
  auto& made = out.client_validation.emplace();
  made.allow_insecure = validation->mode == "AllowInsecureFallback";
  const Referrer from{kGroup, "Gateway", in.gateway.metadata.namespace_};
  auto problem =
      resolve_bundles(in.look, in.store, from, validation->caCertificateRefs, "InvalidCACertificateKind",
                      "InvalidCACertificateRef", in.loaded, made.ca_bundles);
  if (made.ca_bundles.empty())
    out.unaccepted = {"NoValidCACertificate", "No CA certificate for clients is valid: " + problem.message};
  return problem;
}

BoundListener bind(const Surroundings& in, const kube::GatewayListener& spec, std::string_view owner_kind,
                   const kube::ObjectMeta& owner) {
  BoundListener out;
  out.owner = fmt::format("{}/{}", owner_kind, kube::object_key(owner));
  out.owner_namespace = owner.namespace_;
  out.name = spec.name;
  out.hostname = spec.hostname;
  out.port = static_cast<uint16_t>(spec.port);
  out.protocol = protocol_of(spec.protocol);
  out.terminate = spec.tls && spec.tls->mode.value_or("Terminate") == "Terminate";
  if (spec.allowedRoutes && spec.allowedRoutes->namespaces) out.namespaces = *spec.allowedRoutes->namespaces;
  if (!out.protocol) {
    out.unaccepted = {"UnsupportedProtocol", fmt::format("Protocol {} is not supported", spec.protocol)};
    return out;
  }
  out.unresolved = choose_kinds(spec, out);
  bool loaded = true;
  if (uses_certificates(out)) {
    auto problem = load_certificates(in, spec, {kGroup, owner_kind, owner.namespace_}, out);
    if (problem && !out.unresolved) out.unresolved = std::move(problem);
    loaded = !out.certificates.empty();
  }
  if (out.protocol == Protocol::https) {
    auto problem = load_client_validation(in, spec, out);
    if (problem && !out.unresolved) out.unresolved = std::move(problem);
  }
  out.usable = loaded && !out.kinds.empty();
  return out;
}

/// Protocols that can share a port: those that are told apart by server name.
bool share(Protocol a, Protocol b) {
  auto with_tls = [](Protocol p) { return p == Protocol::https || p == Protocol::tls; };
  return a == b ? a != Protocol::tcp && a != Protocol::udp : with_tls(a) && with_tls(b);
}

/// Listeners stand in the order of their precedence: of two that conflict the first one holds.
void find_conflicts(std::vector<BoundListener>& listeners) {
  for (size_t i = 0; i < listeners.size(); ++i) {
    auto& one = listeners[i];
    if (!one.protocol) continue;
    for (size_t j = 0; j < i; ++j) {
      const auto& other = listeners[j];
      if (other.conflict || !other.protocol || other.port != one.port) continue;
      if ((one.protocol == Protocol::udp) != (other.protocol == Protocol::udp)) continue;
      if (!share(*one.protocol, *other.protocol) && one.protocol != other.protocol) {
        one.conflict = {"ProtocolConflict",
                        fmt::format("Listener {} has port {} with another protocol", other.name, one.port)};
      } else if (one.hostname == other.hostname) {
        one.conflict = {"HostnameConflict",
                        fmt::format("Listener {} has port {} with the same hostname", other.name, one.port)};
      }
      if (one.conflict) break;
    }
  }
}

void find_overlaps(std::vector<BoundListener>& listeners) {
  for (auto& one : listeners) {
    for (const auto& other : listeners) {
      if (&one == &other || one.protocol != Protocol::https || other.protocol != Protocol::https ||
          one.port != other.port || !one.accepted() || !other.accepted() || one.hostname == other.hostname)
        continue;
      if (intersect_hostnames(one.hostname, other.hostname)) one.overlap = other.name;
      if (!one.overlap.empty()) break;
    }
  }
}

bool selects(Lookup& look, const kube::FromNamespaces& from, const std::string& own, const std::string& ns,
             std::string_view by_default) {
  auto which = from.from.value_or(std::string(by_default));
  if (which == "All") return true;
  if (which == "Same") return own == ns;
  if (which != "Selector" || !from.selector) return false;
  auto selector = kube::Selector::from(*from.selector);
  auto namespace_ = look.get<kube::Namespace>(ns);
  return selector && namespace_ && selector->matches(namespace_->metadata.labels);
}

bool allows_sets_of(Lookup& look, const kube::Gateway& gateway, const std::string& ns) {
  if (!gateway.spec.allowedListeners || !gateway.spec.allowedListeners->namespaces) return false;
  return selects(look, *gateway.spec.allowedListeners->namespaces, gateway.metadata.namespace_, ns, "None");
}

/// The Gateway's listeners, then those of its ListenerSets, older ones first.
void bind_all(const Surroundings& in, GatewayView& view) {
  for (const auto& spec : in.gateway.spec.listeners)
    view.listeners.push_back(bind(in, spec, "Gateway", in.gateway.metadata));
  std::vector<Ptr<kube::ListenerSet>> sets;
  for (const auto& [key, set] : in.look.group<kube::ListenerSet>(view.key)) sets.push_back(set);
  std::ranges::sort(sets, {}, [](const auto& set) {
    return std::make_tuple(set->metadata.creationTimestamp, kube::object_key(set->metadata));
  });
  for (const auto& set : sets) {
    BoundSet bound{kube::object_key(set->metadata), set->metadata.generation,
                   allows_sets_of(in.look, in.gateway, set->metadata.namespace_)};
    view.sets.push_back(bound);
    if (!bound.allowed) continue;
    for (const auto& spec : set->spec.listeners)
      view.listeners.push_back(bind(in, spec, "ListenerSet", set->metadata));
  }
  find_conflicts(view.listeners);
  find_overlaps(view.listeners);
  for (auto& listener : view.listeners) listener.usable = listener.usable && listener.accepted();
}

Problem check_whole(const kube::Gateway& gateway, std::vector<IpAddr>& wanted) {
  const auto& infrastructure = gateway.spec.infrastructure;
  if (infrastructure && infrastructure->parametersRef)
    return {"InvalidParameters",
            fmt::format("infrastructure.parametersRef: {} {} is not known here",
                        infrastructure->parametersRef->kind, infrastructure->parametersRef->name)};
  for (const auto& address : gateway.spec.addresses) {
    if (address.type.value_or("IPAddress") != "IPAddress")
      return {"UnsupportedAddress", fmt::format("Addresses of type {} are not supported", *address.type)};
    auto parsed = IpAddr::parse(address.value);
    if (!address.value.empty() && !parsed)
      return {"UnsupportedAddress", fmt::format("{} is not an IP address", address.value)};
    if (parsed) wanted.push_back(*parsed);
  }
  return {};
}

void describe_entrance(const kube::Gateway& gateway, GatewayView& view) {
  auto& entrance = view.entrance;
  entrance.namespace_ = gateway.metadata.namespace_;
  entrance.gateway = gateway.metadata.name;
  entrance.uid = gateway.metadata.uid;
  entrance.class_ = gateway.spec.gatewayClassName;
  if (gateway.spec.infrastructure) {
    entrance.labels = gateway.spec.infrastructure->labels;
    entrance.annotations = gateway.spec.infrastructure->annotations;
  }
  for (const auto& address : view.wanted) {
    bool first = std::ranges::none_of(entrance.addresses,
                                      [&](const IpAddr& other) { return other.is_v4() == address.is_v4(); });
    if (first) entrance.addresses.push_back(address);
  }
  if (view.unaccepted) return;
  for (const auto& listener : view.listeners) {
    if (listener.accepted()) entrance.ports.insert({listener.port, listener.protocol == Protocol::udp});
  }
}

}  // namespace

std::optional<GatewayView> view_gateway(Lookup& look, CertificateStore& store, const std::string& key) {
  auto gateway = look.get<kube::Gateway>(key);
  if (!gateway || gateway->metadata.deletionTimestamp) return {};
  auto class_ = look.get<kube::GatewayClass>(gateway->spec.gatewayClassName);
  if (!class_ || class_->spec.controllerName != kController) return {};
  GatewayView view;
  view.key = key;
  view.generation = gateway->metadata.generation;
  view.unaccepted = check_whole(*gateway, view.wanted);
  const auto& tls = gateway->spec.tls;
  if (tls && tls->backend && tls->backend->clientCertificateRef) {
    view.unresolved = resolve_pair(look, store, {kGroup, "Gateway", gateway->metadata.namespace_},
                                   *tls->backend->clientCertificateRef, "InvalidClientCertificateRef",
                                   view.loaded, view.client_certificate);
  }
  bind_all({look, store, *gateway, view.loaded}, view);
  view.insecure = std::ranges::any_of(view.listeners, [](const BoundListener& listener) {
    return listener.client_validation && listener.client_validation->allow_insecure;
  });
  describe_entrance(*gateway, view);
  return view;
}

bool admits(Lookup& look, const BoundListener& listener, const std::string& kind, const std::string& ns) {
  return std::ranges::find(listener.kinds, kind) != listener.kinds.end() &&
         selects(look, listener.namespaces, listener.owner_namespace, ns, "Same");
}

}  // namespace weft::gateway
