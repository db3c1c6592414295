#pragma once

/// For tests of this room: objects in short YAML, a plan of them, and questions to it.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/plan.h"
#include "gateway/test_certificate.h"
#include "kube/base64.h"
#include "kube/codec.h"
#include "kube/yaml.h"

namespace weft::gateway::test {

class World {
 public:
  /// One or more documents of kinds of the plan; those that are known are changed.
  void put(const std::string& yaml) {
    auto documents = kube::parse_yaml(yaml, "test");
    if (!documents) {
      ADD_FAILURE() << documents.error().message << "\n" << yaml;
      return;
    }
    for (const auto& document : *documents) put_value(document.value);
  }
  template <class T>
  void erase(const std::string& key) {
    apply<T>(key, nullptr);
  }

  /// Class weft, namespaces infra and other, and Gateway infra/edge with these listeners, at 192.0.2.1.
  void gateway(const std::string& listeners = "[{name: http, port: 80, protocol: HTTP}]",
               const std::string& more = "") {
    put(R"(
{kind: GatewayClass, metadata: {name: weft}, spec: {controllerName: weft.dev/gateway-controller}}
---
{kind: Namespace, metadata: {name: infra, labels: {kubernetes.io/metadata.name: infra}}}
---
{kind: Namespace, metadata: {name: other, labels: {kubernetes.io/metadata.name: other, team: a}}}
)");
    put(
        fmt::format("{{kind: Gateway, metadata: {{name: edge, namespace: infra, generation: 1, uid: g}}, "
                    "spec: {{gatewayClassName: weft, listeners: {}{}}}}}",
                    listeners, more.empty() ? "" : ", " + more));
    address("infra/edge");
  }
  void address(const std::string& gateway, const std::string& ip = "192.0.2.1") {
    Infrastructure infrastructure;
    infrastructure.addresses = {*IpAddr::parse(ip)};
    for (uint16_t port : {80, 443, 8080, 8443, 9000})
      infrastructure.bind_ports[{port, false}] = static_cast<uint16_t>(50000 + port);
    infrastructure.bind_ports[{53, true}] = 50053;
    plan.put_infrastructure(gateway, infrastructure);
  }
  /// A Service with TCP port 80 named "web" (and more), and one ready endpoint.
  void service(const std::string& key, const std::string& ip = "10.0.0.1",
               const std::string& ports = "[{name: web, port: 80, targetPort: 8080, protocol: TCP}]") {
    auto [ns, name] = split(key);
    put(fmt::format("{{kind: Service, metadata: {{name: {}, namespace: {}}}, spec: {{ports: {}}}}}", name, ns,
                    ports));
    slice(key, name + "-1", fmt::format("[{{addresses: [{}]}}]", ip));
  }
  void slice(const std::string& service, const std::string& name, const std::string& endpoints,
             const std::string& ports = "[{name: web, port: 8080, protocol: TCP}]") {
    auto [ns, owner] = split(service);
    put(
        fmt::format("{{kind: EndpointSlice, metadata: {{name: {}, namespace: {}, labels: "
                    "{{kubernetes.io/service-name: {}}}}}, addressType: IPv4, endpoints: {}, ports: {}}}",
                    name, ns, owner, endpoints, ports));
  }
  void tls_secret(const std::string& key, const TestCertificate& made) {
    auto [ns, name] = split(key);
    put(fmt::format(
        "{{kind: Secret, metadata: {{name: {}, namespace: {}}}, data: {{tls.crt: {}, tls.key: {}}}}}", name,
        ns, kube::encode_base64(made.certificate), kube::encode_base64(made.key)));
  }
  void ca(const std::string& key, const std::string& pem) {
    auto [ns, name] = split(key);
    kube::ConfigMap map;
    map.metadata.name = name;
    map.metadata.namespace_ = ns;
    map.data["ca.crt"] = pem;
    apply<kube::ConfigMap>(key, std::make_shared<const kube::ConfigMap>(map));
  }
  /// HTTPRoute infra/`name` with these parts of its spec.
  void route(const std::string& name, const std::string& spec, const std::string& meta = "") {
    put(fmt::format(
        "{{kind: HTTPRoute, metadata: {{name: {}, namespace: infra, generation: 1{}}}, spec: {{{}}}}}", name,
        meta.empty() ? "" : ", " + meta, spec));
  }

  PlanChanges settle() { return plan.take_changes(); }

  /// "Type=Status/Reason" of a condition; "" when it is not there.
  static std::string told(const std::vector<kube::Condition>& conditions, std::string_view type) {
    for (const auto& one : conditions) {
      if (one.type == type) return one.status + "/" + one.reason;
    }
    return "";
  }
  std::string gateway_says(std::string_view type, const std::string& key = "infra/edge") {
    settle();
    const auto* status = plan.gateway_status(key);
    return status ? told(status->conditions, type) : "no status";
  }
  const kube::ListenerStatus* listener(const std::string& name, const std::string& key = "infra/edge") {
    settle();
    const auto* status = plan.gateway_status(key);
    for (const auto& one : status ? status->listeners : none_) {
      if (one.name == name) return &one;
    }
    return nullptr;
  }
  std::string listener_says(const std::string& name, std::string_view type) {
    const auto* found = listener(name);
    return found ? told(found->conditions, type) : "no listener";
  }
  /// Of the route's entry for its first parent.
  std::string route_says(std::string_view type, const std::string& key = "infra/r",
                         const std::string& kind = "HTTPRoute") {
    settle();
    auto parents = plan.route_parents(kind, key);
    return parents.empty() ? "no parent" : told(parents.front().conditions, type);
  }
  /// The proxy's port, or nullptr.
  const Port* port(uint16_t number, const std::string& gateway = "infra/edge") {
    settle();
    for (const auto& port : plan.snapshot().ports) {
      if (port->port == number && port->gateway == gateway) return port.get();
    }
    return nullptr;
  }
  /// Rules of a host at the only listener of a port, in their order.
  std::vector<Ptr<Rule>> rules(const std::string& hostname = "", uint16_t number = 80,
                               const std::string& gateway = "infra/edge") {
    const Port* found = port(number, gateway);
    if (!found || found->listeners.empty()) return {};
    for (const auto& host : found->listeners.front()->hosts) {
      if (host->hostname == hostname) return host->rules;
    }
    return {};
  }

  GatewayPlan plan;

 private:
  static std::pair<std::string, std::string> split(const std::string& key) {
    auto slash = key.find('/');
    return {key.substr(0, slash), key.substr(slash + 1)};
  }
  template <class T>
  void apply(const std::string& key, Ptr<T> after) {
    auto& held = objects_[kube::resource_of<T>().kind + "/" + key];
    auto before = std::static_pointer_cast<const T>(held);
    held = after;
    plan.apply<T>(before, after);
  }
  template <class T>
  bool put_as(const json::value& value) {
    if (kube::string_at(value, "kind") != kube::resource_of<T>().kind) return false;
    auto object = kube::decode<T>(value);
    if (!object) {
      ADD_FAILURE() << object.error().message;
      return true;
    }
    auto key = kube::object_key(object->metadata);
    apply<T>(key, std::make_shared<const T>(std::move(*object)));
    return true;
  }
  template <class... T>
  bool put_as_one_of(const json::value& value) {
    return (put_as<T>(value) || ...);
  }
  void put_value(const json::value& value) {
    bool known =
        put_as_one_of<kube::GatewayClass, kube::Gateway, kube::ListenerSet, kube::HTTPRoute, kube::GRPCRoute,
                      kube::TLSRoute, kube::TCPRoute, kube::UDPRoute, kube::ReferenceGrant,
                      kube::BackendTLSPolicy, kube::Service, kube::EndpointSlice, kube::Secret,
                      kube::ConfigMap, kube::Namespace, kube::Ingress, kube::IngressClass, kube::XMesh>(
            value);
    EXPECT_TRUE(known) << json::serialize(value);
  }

  std::map<std::string, std::shared_ptr<const void>> objects_;
  const std::vector<kube::ListenerStatus> none_;
};

}  // namespace weft::gateway::test
