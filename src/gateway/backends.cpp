#include "gateway/backends.h"

#include <fmt/core.h>

#include <algorithm>

#include "gateway/policies.h"

namespace weft::gateway {
namespace {

const kube::ServicePort* find_port(const kube::Service& service, const BackendId& id) {
  const std::string_view wanted = id.use == Use::udp ? "UDP" : "TCP";
  auto at = std::ranges::find_if(service.spec.ports, [&](const kube::ServicePort& port) {
    return port.port == id.port && (port.protocol.empty() ? "TCP" : port.protocol) == wanted;
  });
  return at == service.spec.ports.end() ? nullptr : &*at;
}

/// The number of the slice's port that stands for the Service's.
std::optional<uint16_t> number_of(const kube::EndpointSlice& slice, const kube::ServicePort& wanted) {
  for (const auto& port : slice.ports) {
    auto protocol = wanted.protocol.empty() ? "TCP" : wanted.protocol;
    if (port.name.value_or("") == wanted.name && port.protocol.value_or("TCP") == protocol && port.port)
      return static_cast<uint16_t>(*port.port);
  }
  return {};
}

void add_endpoint(const kube::Endpoint& endpoint, uint16_t port, Endpoints& out) {
  if (endpoint.addresses.empty()) return;
  auto address = IpAddr::parse(endpoint.addresses.front());
  if (!address) return;
  std::string pod;
  if (endpoint.targetRef && endpoint.targetRef->kind == "Pod")
    pod = endpoint.targetRef->namespace_ + "/" + endpoint.targetRef->name;
  out.push_back({*address, port, std::move(pod)});
}

Endpoints of_family(const std::map<std::string, Ptr<kube::EndpointSlice>>& slices,
                    const kube::ServicePort& port, std::string_view family) {
  Endpoints ready, ending;
  for (const auto& [key, slice] : slices) {
    auto number = slice->addressType == family ? number_of(*slice, port) : std::nullopt;
    if (!number) continue;
    for (const auto& endpoint : slice->endpoints) {
      const auto& now = endpoint.conditions;
      if (now.ready.value_or(true)) {
        add_endpoint(endpoint, *number, ready);
      } else if (now.serving.value_or(false) && now.terminating.value_or(false)) {
        add_endpoint(endpoint, *number, ending);
      }
    }
  }
  auto& out = ready.empty() ? ending : ready;
  auto place = [](const Endpoint& endpoint) { return std::pair(endpoint.addr, endpoint.port); };
  std::ranges::sort(out);
  auto twice = std::ranges::unique(out, {}, place);
  out.erase(twice.begin(), twice.end());
  return std::move(out);
}

}  // namespace

std::string BackendId::endpoints_key() const {
  return fmt::format("{}:{}{}", service, port, use == Use::udp ? "/udp" : "");
}

std::string BackendId::key() const {
  std::string out = endpoints_key();
  if (use == Use::grpc) out += "+grpc";
  if (use == Use::raw) out += "+raw";
  if (!gateway.empty()) out += "@" + gateway;
  return out;
}

Target resolve_backend(Lookup& look, const Referrer& from, const kube::BackendObjectReference& ref, Use use,
                       const std::string& gateway) {
  auto group = ref.group.value_or("");
  auto kind = ref.kind.value_or("Service");
  if (!group.empty() || kind != "Service")
    return {{},
            {"InvalidKind", fmt::format("{}/{} {}: only a Service can be a backend", group, kind, ref.name)}};
  auto ns = ref.namespace_.empty() ? from.namespace_ : ref.namespace_;
  BackendId id{ns + "/" + ref.name, static_cast<uint16_t>(ref.port), use, gateway};
  if (!is_granted(look, from, "", "Service", ns, ref.name))
    return {
        {},
        {"RefNotPermitted", fmt::format("No ReferenceGrant allows the reference to Service {}", id.service)}};
  auto service = look.get<kube::Service>(id.service);
  if (!service) return {{}, {"BackendNotFound", fmt::format("Service {} is not there", id.service)}};
  if (service->spec.type == "ExternalName")
    return {{},
            {"BackendNotFound",
             fmt::format("Service {} is of type ExternalName, which is not supported", id.service)}};
  if (!find_port(*service, id))
    return {{},
            {"BackendNotFound", fmt::format("Service {} has no {} port {}", id.service,
                                            use == Use::udp ? "UDP" : "TCP", ref.port)}};
  return {std::move(id), {}};
}

Backend build_backend(Lookup& look, CertificateStore& store, const BackendId& id,
                      const std::string& client_certificate, Loaded& loaded) {
  Backend out;
  auto slash = id.service.find('/');
  out.why = {"Service", id.service.substr(0, slash), id.service.substr(slash + 1), std::to_string(id.port),
             -1};
  out.endpoints = id.endpoints_key();
  if (id.use == Use::grpc) out.protocol = BackendProtocol::h2c;
  auto service = look.get<kube::Service>(id.service);
  const auto* port = service ? find_port(*service, id) : nullptr;
  if (!port || id.use == Use::raw || id.use == Use::udp) return out;
  if (port->appProtocol == "kubernetes.io/h2c") out.protocol = BackendProtocol::h2c;
  auto policy = policy_for(look, id.service, port->name);
  if (!policy) return out;
  auto verdict = judge_policy(look, store, *policy);
  out.broken = static_cast<bool>(verdict.unaccepted);
  out.tls = std::move(verdict.tls);
  out.tls->client_certificate = client_certificate;
  loaded.bundles.merge(verdict.loaded.bundles);
  return out;
}

Endpoints build_endpoints(Lookup& look, const BackendId& id) {
  auto service = look.get<kube::Service>(id.service);
  const auto* port = service ? find_port(*service, id) : nullptr;
  if (!port) return {};
  const auto& slices = look.group<kube::EndpointSlice>(id.service);
  std::vector<std::string> families = service->spec.ipFamilies;
  for (const auto* family : {"IPv4", "IPv6"}) {
    if (std::ranges::find(families, family) == families.end()) families.emplace_back(family);
  }
  for (const auto& family : families) {
    if (auto found = of_family(slices, *port, family); !found.empty()) return found;
  }
  return {};
}

}  // namespace weft::gateway
