#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;

TEST(Listeners, KindsFollowTheProtocol) {
  struct Case {
    const char* listener;
    std::vector<std::string> kinds;
    std::string resolved;
  };
  for (const auto& [listener, kinds, resolved] : std::vector<Case>{
           {"protocol: HTTP", {"HTTPRoute", "GRPCRoute"}, "True/ResolvedRefs"},
           {"protocol: TCP", {"TCPRoute"}, "True/ResolvedRefs"},
           {"protocol: UDP", {"UDPRoute"}, "True/ResolvedRefs"},
           {"protocol: TLS, tls: {mode: Passthrough}", {"TLSRoute"}, "True/ResolvedRefs"},
           {"protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}]}",
            {"HTTPRoute"},
            "True/ResolvedRefs"},
           {"protocol: HTTP, allowedRoutes: {kinds: [{kind: Nothing}]}", {}, "False/InvalidRouteKinds"},
           {"protocol: HTTP, allowedRoutes: {kinds: [{kind: Nothing}, {kind: HTTPRoute}]}",
            {"HTTPRoute"},
            "False/InvalidRouteKinds"},
           {"protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {kinds: [{kind: TCPRoute}, {kind: "
            "TLSRoute}]}",
            {"TLSRoute"},
            "False/InvalidRouteKinds"},
       }) {
    World world;
    world.gateway(fmt::format("[{{name: a, port: 80, {}}}]", listener));
    std::vector<std::string> told;
    for (const auto& kind : world.listener("a")->supportedKinds) told.push_back(kind.kind);
    EXPECT_EQ(told, kinds) << listener;
    EXPECT_EQ(world.listener_says("a", "ResolvedRefs"), resolved) << listener;
  }
}

TEST(Listeners, UnsupportedProtocols) {
  World world;
  world.gateway("[{name: a, port: 80, protocol: example.com/x}]");
  EXPECT_EQ(world.listener_says("a", "Accepted"), "False/UnsupportedProtocol");
  EXPECT_TRUE(world.listener("a")->supportedKinds.empty());
  EXPECT_EQ(world.gateway_says("Accepted"), "False/ListenersNotValid");
  world.gateway("[{name: a, port: 80, protocol: example.com/x}, {name: b, port: 8080, protocol: HTTP}]");
  EXPECT_EQ(world.gateway_says("Accepted"), "True/ListenersNotValid");
  EXPECT_EQ(world.listener_says("b", "Accepted"), "True/Accepted");
}

TEST(Listeners, OfTwoThatConflictTheFirstHolds) {
  struct Case {
    const char* first;
    const char* second;
    std::string conflicted;
  };
  for (const auto& [first, second, conflicted] : std::vector<Case>{
           {"port: 80, protocol: HTTP", "port: 80, protocol: TCP", "True/ProtocolConflict"},
           {"port: 80, protocol: HTTP, hostname: a.x", "port: 80, protocol: HTTP, hostname: b.x",
            "False/NoConflicts"},
           {"port: 80, protocol: HTTP, hostname: a.x", "port: 80, protocol: HTTP, hostname: a.x",
            "True/HostnameConflict"},
           {"port: 80, protocol: TCP", "port: 80, protocol: TCP", "True/HostnameConflict"},
           {"port: 53, protocol: UDP", "port: 53, protocol: TCP", "False/NoConflicts"},
           {"port: 443, protocol: TLS, hostname: a.x, tls: {mode: Passthrough}",
            "port: 443, protocol: HTTPS, hostname: b.x", "False/NoConflicts"},
           {"port: 80, protocol: HTTP, hostname: a.x", "port: 80, protocol: HTTPS, hostname: b.x",
            "True/ProtocolConflict"},
           {"port: 80, protocol: HTTP", "port: 8080, protocol: TCP", "False/NoConflicts"},
       }) {
    World world;
    world.gateway(fmt::format("[{{name: a, {}}}, {{name: b, {}}}]", first, second));
    EXPECT_EQ(world.listener_says("a", "Conflicted"), "False/NoConflicts") << first << second;
    EXPECT_EQ(world.listener_says("b", "Conflicted"), conflicted) << first << second;
  }
}

TEST(Listeners, Certificates) {
  World world;
  auto good = test::make_certificate();
  auto other = test::make_certificate();
  world.tls_secret("infra/good", good);
  world.tls_secret("infra/mixed", {good.certificate, other.key});
  world.tls_secret("infra/malformed",
                   {"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n", good.key});
  world.tls_secret("other/far", good);
  struct Case {
    const char* refs;
    std::string resolved, programmed;
  };
  for (const auto& [refs, resolved, programmed] : std::vector<Case>{
           {"{name: good}", "True/ResolvedRefs", "True/Programmed"},
           {"{name: mixed}", "False/InvalidCertificateRef", "False/Invalid"},
           {"{name: malformed}", "False/InvalidCertificateRef", "False/Invalid"},
           {"{name: nothing}", "False/InvalidCertificateRef", "False/Invalid"},
           {"{name: good, kind: ConfigMap}", "False/InvalidCertificateRef", "False/Invalid"},
           {"{name: good, group: x.example}", "False/InvalidCertificateRef", "False/Invalid"},
           {"{name: far, namespace: other}", "False/RefNotPermitted", "False/Invalid"},
           {"{name: good}, {name: nothing}", "False/InvalidCertificateRef", "True/Programmed"},
       }) {
    world.gateway(
        fmt::format("[{{name: a, port: 443, protocol: HTTPS, tls: {{certificateRefs: [{}]}}}}]", refs));
    EXPECT_EQ(world.listener_says("a", "Accepted"), "True/Accepted") << refs;
    EXPECT_EQ(world.listener_says("a", "ResolvedRefs"), resolved) << refs;
    EXPECT_EQ(world.listener_says("a", "Programmed"), programmed) << refs;
    EXPECT_EQ(world.port(443) != nullptr, programmed == "True/Programmed") << refs;
  }
  world.gateway(
      "[{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: far, namespace: other}]}}]");
  world.put(
      "{kind: ReferenceGrant, metadata: {name: g, namespace: other}, spec: {from: [{group: "
      "gateway.networking.k8s.io, kind: Gateway, namespace: infra}], to: [{group: '', kind: Secret}]}}");
  EXPECT_EQ(world.listener_says("a", "ResolvedRefs"), "True/ResolvedRefs");
  EXPECT_THAT(world.port(443)->listeners[0]->certificates, ElementsAre("other/far"));
  EXPECT_EQ(world.plan.snapshot().certificates->pairs.at("other/far")->key_pem, good.key);
  world.put(
      "{kind: ReferenceGrant, metadata: {name: g, namespace: other}, spec: {from: [{group: "
      "gateway.networking.k8s.io, kind: Gateway, namespace: infra}], to: [{group: '', kind: Secret, name: "
      "x}]}}");
  EXPECT_EQ(world.listener_says("a", "ResolvedRefs"), "False/RefNotPermitted");
}

TEST(Listeners, ACertificateIsRenewed) {
  World world;
  world.tls_secret("infra/c", test::make_certificate());
  world.gateway("[{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}]");
  world.settle();
  auto before = world.plan.snapshot().certificates->pairs.at("infra/c");
  auto ports = world.plan.snapshot().ports;
  world.tls_secret("infra/c", test::make_certificate());
  EXPECT_TRUE(world.settle().snapshot);
  EXPECT_NE(world.plan.snapshot().certificates->pairs.at("infra/c")->chain_pem, before->chain_pem);
  EXPECT_EQ(world.plan.snapshot().ports, ports);
}

TEST(Listeners, CertificatesOfClients) {
  World world;
  world.tls_secret("infra/c", test::make_certificate());
  world.ca("infra/ca", test::make_certificate().certificate);
  world.ca("other/ca", test::make_certificate().certificate);
  struct Case {
    const char* ref;
    std::string accepted, resolved;
  };
  for (const auto& [ref, accepted, resolved] : std::vector<Case>{
           {"{group: '', kind: ConfigMap, name: ca}", "True/Accepted", "True/ResolvedRefs"},
           {"{group: '', kind: ConfigMap, name: none}", "False/NoValidCACertificate",
            "False/InvalidCACertificateRef"},
           {"{group: '', kind: Service, name: ca}", "False/NoValidCACertificate",
            "False/InvalidCACertificateKind"},
           {"{group: '', kind: ConfigMap, name: ca, namespace: other}", "False/NoValidCACertificate",
            "False/RefNotPermitted"},
       }) {
    world.gateway(
        "[{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}, "
        "{name: http, port: 80, protocol: HTTP}]",
        fmt::format("tls: {{frontend: {{default: {{validation: {{caCertificateRefs: [{}]}}}}}}}}", ref));
    EXPECT_EQ(world.listener_says("https", "Accepted"), accepted) << ref;
    EXPECT_EQ(world.listener_says("https", "ResolvedRefs"), resolved) << ref;
    EXPECT_EQ(world.listener_says("http", "Accepted"), "True/Accepted") << ref;
    EXPECT_EQ(world.port(443) != nullptr, accepted == "True/Accepted") << ref;
    EXPECT_EQ(world.gateway_says("InsecureFrontendValidationMode"), "");
  }
  world.gateway(
      "[{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}, "
      "{name: b, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}]",
      "tls: {frontend: {default: {}, perPort: [{port: 8443, tls: {validation: {mode: "
      "AllowInsecureFallback, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}}}]}}");
  EXPECT_EQ(world.gateway_says("InsecureFrontendValidationMode"), "True/ConfigurationChanged");
  EXPECT_FALSE(world.port(443)->listeners[0]->client_validation);
  EXPECT_TRUE(world.port(8443)->listeners[0]->client_validation->allow_insecure);
  EXPECT_TRUE(world.plan.snapshot().certificates->ca_bundles.contains("infra/ca"));
}

TEST(Listeners, HostnamesThatOverlapAreTold) {
  World world;
  world.tls_secret("infra/c", test::make_certificate());
  auto https = [](const char* name, const char* hostname) {
    return fmt::format(
        "{{name: {}, port: 443, protocol: HTTPS, hostname: '{}', tls: {{certificateRefs: [{{name: c}}]}}}}",
        name, hostname);
  };
  world.gateway(fmt::format("[{}, {}, {}]", https("a", "foo.example.com"), https("b", "foo.example.org"),
                            https("c", "*.example.com")));
  EXPECT_EQ(world.listener_says("a", "OverlappingTLSConfig"), "True/OverlappingHostnames");
  EXPECT_EQ(world.listener_says("b", "OverlappingTLSConfig"), "");
  EXPECT_EQ(world.listener_says("c", "OverlappingTLSConfig"), "True/OverlappingHostnames");
}

TEST(Addresses, AreTheInfrastructures) {
  World world;
  world.gateway();
  world.plan.put_infrastructure("infra/edge", std::nullopt);
  EXPECT_EQ(world.gateway_says("Programmed"), "False/AddressNotAssigned");
  EXPECT_EQ(world.listener_says("http", "Programmed"), "False/Pending");
  EXPECT_FALSE(world.port(80));

  constexpr const char* kListeners = "[{name: http, port: 80, protocol: HTTP}]";
  world.gateway(kListeners, "addresses: [{type: example.com/odd, value: x}, {value: 192.0.2.1}]");
  EXPECT_EQ(world.gateway_says("Accepted"), "False/UnsupportedAddress");
  EXPECT_FALSE(world.port(80));
  EXPECT_FALSE(world.plan.entrance("infra/edge"));
  world.gateway(kListeners, "addresses: [{value: 192.0.2.99}, {value: 192.0.2.1}]");
  EXPECT_EQ(world.gateway_says("Accepted"), "True/Accepted");
  EXPECT_EQ(world.gateway_says("Programmed"), "False/AddressNotUsable");
  world.gateway(kListeners, "addresses: [{value: 192.0.2.1}]");
  EXPECT_EQ(world.gateway_says("Programmed"), "True/Programmed");
  EXPECT_THAT(world.plan.entrance("infra/edge")->addresses, ElementsAre(*IpAddr::parse("192.0.2.1")));
  world.plan.put_infrastructure(
      "infra/edge", Infrastructure{.addresses = {*IpAddr::parse("192.0.2.1"), *IpAddr::parse("2001:db8::1")},
                                   .bind_ports = {{{80, false}, 61000}}});
  world.plan.take_changes();
  ASSERT_EQ(world.plan.gateway_status("infra/edge")->addresses.size(), 1U) << "that it has not asked for";
  world.gateway(kListeners, "addresses: [{type: IPAddress}]");
  EXPECT_EQ(world.gateway_says("Programmed"), "True/Programmed");
}

TEST(Gateways, ParametersAndClientCertificates) {
  World world;
  world.tls_secret("infra/me", test::make_certificate());
  constexpr const char* kListeners = "[{name: http, port: 80, protocol: HTTP}]";
  world.gateway(kListeners, "infrastructure: {parametersRef: {group: x.example, kind: Odd, name: z}}");
  EXPECT_EQ(world.gateway_says("Accepted"), "False/InvalidParameters");
  for (const auto& [ref, resolved] :
       std::map<std::string, std::string>{{"{name: me}", "True/ResolvedRefs"},
                                          {"{name: none}", "False/InvalidClientCertificateRef"},
                                          {"{name: me, kind: Odd}", "False/InvalidClientCertificateRef"},
                                          {"{name: me, namespace: other}", "False/RefNotPermitted"}}) {
    world.gateway(kListeners, fmt::format("tls: {{backend: {{clientCertificateRef: {}}}}}", ref));
    EXPECT_EQ(world.gateway_says("ResolvedRefs"), resolved) << ref;
    EXPECT_EQ(world.gateway_says("Accepted"), "True/Accepted") << ref;
  }
}

}  // namespace
}  // namespace weft::gateway
