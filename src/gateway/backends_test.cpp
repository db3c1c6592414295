#include "gateway/backends.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Backends, References) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.service("other/far");
  world.put(
      "{kind: Service, metadata: {name: name, namespace: infra}, spec: {type: ExternalName, ports: [{port: "
      "80}]}}");
  struct Case {
    const char* ref;
    std::string resolved, backend;
  };
  for (const auto& [ref, resolved, backend] : std::vector<Case>{
           {"name: web, port: 80", "True/ResolvedRefs", "infra/web:80"},
           {"name: web, port: 81", "False/BackendNotFound", ""},
           {"name: nothing, port: 80", "False/BackendNotFound", ""},
           {"name: name, port: 80", "False/BackendNotFound", ""},
           {"name: web, kind: Odd, port: 80", "False/InvalidKind", ""},
           {"name: web, group: odd.example, port: 80", "False/InvalidKind", ""},
           {"name: far, namespace: other, port: 80", "False/RefNotPermitted", ""},
           {"name: nothing, namespace: other, port: 80", "False/RefNotPermitted", ""},
       }) {
    world.route("r", fmt::format("parentRefs: [{{name: edge}}], rules: [{{backendRefs: [{{{}}}]}}]", ref));
    EXPECT_EQ(world.route_says("ResolvedRefs"), resolved) << ref;
    EXPECT_EQ(world.route_says("Accepted"), "True/Accepted") << ref;
    EXPECT_EQ(world.rules()[0]->backends[0].backend, backend) << ref;
  }
  world.route(
      "r", "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: far, namespace: other, port: 80}]}]");
  world.put(
      "{kind: ReferenceGrant, metadata: {name: g, namespace: other}, spec: {from: [{group: "
      "gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}], to: [{group: '', kind: Service, name: "
      "far}]}}");
  EXPECT_EQ(world.route_says("ResolvedRefs"), "True/ResolvedRefs");
  world.erase<kube::ReferenceGrant>("other/g");
  EXPECT_EQ(world.route_says("ResolvedRefs"), "False/RefNotPermitted");
}

TEST(Backends, Endpoints) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.route("r", "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]");
  auto addresses = [&] {
    world.settle();
    std::vector<std::string> out;
    auto at = world.plan.snapshot().endpoints->find("infra/web:80");
    if (at == world.plan.snapshot().endpoints->end()) return out;
    for (const auto& endpoint : *at->second) out.push_back(endpoint.addr.str() + " " + endpoint.pod);
    return out;
  };
  world.slice("infra/web", "web-1",
              "[{addresses: [10.0.0.2], conditions: {ready: true}, targetRef: {kind: Pod, namespace: infra, "
              "name: p}}, "
              "{addresses: [10.0.0.3], conditions: {ready: false}}, "
              "{addresses: [10.0.0.4], conditions: {ready: false, serving: true, terminating: true}}]");
  world.slice("infra/web", "web-2", "[{addresses: [10.0.0.2]}, {addresses: [10.0.0.1]}]");
  EXPECT_THAT(addresses(), ElementsAre("10.0.0.1 ", "10.0.0.2 "));
  world.erase<kube::EndpointSlice>("infra/web-2");
  EXPECT_THAT(addresses(), ElementsAre("10.0.0.2 infra/p"));
  world.slice("infra/web", "web-1",
              "[{addresses: [10.0.0.3], conditions: {ready: false}}, "
              "{addresses: [10.0.0.4], conditions: {ready: false, serving: true, terminating: true}}]");
  EXPECT_THAT(addresses(), ElementsAre("10.0.0.4 "));
  world.slice("infra/web", "web-1", "[{addresses: [10.0.0.5]}]", "[{name: other, port: 1, protocol: TCP}]");
  EXPECT_THAT(addresses(), IsEmpty());
}

TEST(Backends, AppProtocols) {
  World world;
  world.gateway();
  world.service("infra/web", "10.0.0.1",
                "[{name: web, port: 80, protocol: TCP, appProtocol: kubernetes.io/h2c}]");
  world.route("r", "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]");
  world.settle();
  EXPECT_EQ(world.plan.snapshot().backends->at("infra/web:80")->protocol, BackendProtocol::h2c);
  world.service("infra/web", "10.0.0.1",
                "[{name: web, port: 80, protocol: TCP, appProtocol: kubernetes.io/ws}]");
  world.settle();
  EXPECT_EQ(world.plan.snapshot().backends->at("infra/web:80")->protocol, BackendProtocol::http1);
}

std::string policy(const char* name, const char* created, const char* section, const char* hostname,
                   const char* ca = "{group: '', kind: ConfigMap, name: ca}") {
  return fmt::format(
      "{{kind: BackendTLSPolicy, metadata: {{name: {}, namespace: infra, generation: 2, creationTimestamp: "
      "'{}'}}, "
      "spec: {{targetRefs: [{{group: '', kind: Service, name: web{}}}], validation: {{hostname: {}, "
      "caCertificateRefs: [{}]}}}}}}",
      name, created, section, hostname, ca);
}

TEST(Policies, TheOlderAndTheMoreSpecificHold) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.ca("infra/ca", test::make_certificate().certificate);
  world.route("r", "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]");
  auto backend = [&] {
    world.settle();
    return world.plan.snapshot().backends->at("infra/web:80");
  };
  auto says = [&](const char* name, std::string_view type) {
    world.settle();
    auto ancestors = world.plan.policy_ancestors(std::string("infra/") + name);
    return ancestors.empty() ? "no ancestor" : World::told(ancestors[0].conditions, type);
  };
  EXPECT_FALSE(backend()->tls);
  world.put(policy("young", "2026-01-02T00:00:00Z", "", "young.example"));
  EXPECT_EQ(backend()->tls->server_name, "young.example");
  EXPECT_THAT(backend()->tls->ca_bundles, ElementsAre("infra/ca"));
  EXPECT_TRUE(world.plan.snapshot().certificates->ca_bundles.contains("infra/ca"));
  world.put(policy("old", "2026-01-01T00:00:00Z", "", "old.example"));
  EXPECT_EQ(backend()->tls->server_name, "old.example");
  EXPECT_EQ(says("old", "Accepted"), "True/Accepted");
  EXPECT_EQ(says("old", "ResolvedRefs"), "True/ResolvedRefs");
  EXPECT_EQ(says("young", "Accepted"), "False/Conflicted");
  world.put(policy("named", "2026-01-03T00:00:00Z", ", sectionName: web", "named.example"));
  EXPECT_EQ(backend()->tls->server_name, "named.example");
  EXPECT_EQ(says("named", "Accepted"), "True/Accepted");
  auto ancestor = world.plan.policy_ancestors("infra/named")[0];
  EXPECT_EQ(ancestor.ancestorRef.name, "edge");
  EXPECT_EQ(ancestor.ancestorRef.namespace_, "infra");
  EXPECT_EQ(ancestor.conditions[0].observedGeneration, 2);
  // No route leads there any more.
  world.erase<kube::HTTPRoute>("infra/r");
  EXPECT_EQ(says("named", "Accepted"), "no ancestor");
}

TEST(Policies, WithoutAnyCaTheBackendIsBroken) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.ca("infra/bad", "nonsense");
  world.route("r", "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]");
  for (const auto& [ref, reason] : std::map<const char*, std::string>{
           {"{group: '', kind: ConfigMap, name: none}", "False/InvalidCACertificateRef"},
           {"{group: '', kind: ConfigMap, name: bad}", "False/InvalidCACertificateRef"},
           {"{group: odd.io, kind: Odd, name: ca}", "False/InvalidKind"}}) {
    world.put(policy("p", "2026-01-01T00:00:00Z", "", "a.example", ref));
    world.settle();
    EXPECT_TRUE(world.plan.snapshot().backends->at("infra/web:80")->broken) << ref;
    auto conditions = world.plan.policy_ancestors("infra/p").at(0).conditions;
    EXPECT_EQ(World::told(conditions, "Accepted"), "False/NoValidCACertificate") << ref;
    EXPECT_EQ(World::told(conditions, "ResolvedRefs"), reason) << ref;
  }
}

TEST(Policies, ABackendIsShownTheGatewaysCertificate) {
  World world;
  world.tls_secret("infra/me", test::make_certificate());
  world.gateway("[{name: http, port: 80, protocol: HTTP}]",
                "tls: {backend: {clientCertificateRef: {name: me}}}");
  world.service("infra/web");
  world.ca("infra/ca", test::make_certificate().certificate);
  world.put(policy("p", "2026-01-01T00:00:00Z", "", "a.example"));
  world.route("r", "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]");
  auto key = world.rules()[0]->backends[0].backend;
  EXPECT_EQ(key, "infra/web:80@infra/edge");
  EXPECT_EQ(world.plan.snapshot().backends->at(key)->tls->client_certificate, "infra/me");
  EXPECT_TRUE(world.plan.snapshot().certificates->pairs.contains("infra/me"));
}

}  // namespace
}  // namespace weft::gateway
