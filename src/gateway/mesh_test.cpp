#include "gateway/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/mesh_slices.h"
#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kMesh = "Service/infra/shop";
constexpr const char* kToShop =
    "parentRefs: [{group: '', kind: Service, name: shop}], rules: [{backendRefs: [{name: web, port: 80}]}]";

class Mesh : public testing::Test {
 protected:
  Mesh() {
    world.put(
        "{kind: GatewayClass, metadata: {name: weft}, spec: {controllerName: weft.dev/gateway-controller}}");
    world.service("infra/web");
    world.put(R"(
kind: Service
metadata: {name: shop, namespace: infra, uid: u}
spec:
  clusterIP: 10.96.0.9
  ports:
  - {name: http, port: 80, targetPort: 8080, protocol: TCP}
  - {name: more, port: 81, targetPort: 8081, protocol: TCP, appProtocol: http}
  - {name: https, port: 443, targetPort: 8443, protocol: TCP}
  - {name: db, port: 5432, protocol: TCP, appProtocol: postgresql}
  - {name: dns, port: 53, protocol: UDP}
)");
    world.slice("infra/shop", "shop-1", "[{addresses: [10.0.0.7]}]",
                "[{name: http, port: 8080, protocol: TCP}]");
  }
  /// Connections to the port are led to proxies, which listen there.
  void lead(uint16_t port, uint16_t bind_port) {
    world.put(
        fmt::format("{{kind: EndpointSlice, metadata: {{name: shop.mesh-{0}, namespace: infra, labels: "
                    "{{weft.dev/mesh-of: shop}}, annotations: {{weft.dev/mesh-port: '{0}'}}}}, addressType: "
                    "IPv4, endpoints: [{{addresses: [172.30.0.2]}}], ports: [{{name: http, port: {1}, "
                    "protocol: TCP}}]}}",
                    port, bind_port));
  }
  void consumer(const std::string& spec) {
    world.put("{kind: HTTPRoute, metadata: {name: c, namespace: other, generation: 1}, spec: {" + spec +
              "}}");
  }
  std::vector<uint16_t> wanted() {
    world.settle();
    std::vector<uint16_t> out;
    const auto* entrance = world.plan.entrance(kMesh);
    if (entrance) {
      for (const auto& [key, name] : entrance->service_ports) out.push_back(key.port);
    }
    return out;
  }
  /// Backends of the only listener that all clients have.
  std::vector<std::string> backends(uint16_t port) {
    std::vector<std::string> out;
    for (const auto& rule : world.rules("", port, kMesh)) out.push_back(rule->backends[0].backend);
    return out;
  }

  World world;
};

TEST_F(Mesh, ARouteAsksForProxiesAtPortsThatMayBeHttp) {
  EXPECT_THAT(wanted(), IsEmpty());
  world.route("r", kToShop);
  auto changes = world.settle();
  EXPECT_TRUE(changes.entrances.contains(kMesh));
  EXPECT_THAT(wanted(), ElementsAre(80, 81));
  EXPECT_EQ(world.plan.entrance(kMesh)->service_ports.at({80, false}), "http");
  EXPECT_EQ(world.plan.entrance(kMesh)->key(), kMesh);
  EXPECT_EQ(world.route_says("Accepted"), "True/Accepted");
  EXPECT_EQ(world.route_says("ResolvedRefs"), "True/ResolvedRefs");
  EXPECT_FALSE(world.port(80, kMesh)) << "nobody has said where";
  lead(80, 61000);
  ASSERT_TRUE(world.port(80, kMesh));
  EXPECT_EQ(world.port(80, kMesh)->bind_port, 61000);
  EXPECT_EQ(world.port(80, kMesh)->listeners[0]->protocol, Protocol::http);
  EXPECT_THAT(backends(80), ElementsAre("infra/web:80"));
}

TEST_F(Mesh, OnlyThePortThatIsNamed) {
  auto to = [](const char* more) {
    return fmt::format("parentRefs: [{{group: '', kind: Service, name: shop, {}}}]", more);
  };
  for (const auto& [more, ports] : std::vector<std::pair<const char*, std::vector<uint16_t>>>{
           {"port: 81", {81}},
           {"port: 443", {443}},
           {"sectionName: http", {80}},
           {"sectionName: http, port: 80", {80}},
           {"sectionName: http, port: 81", {}},
           {"port: 53", {}},
           {"port: 82", {}},
       }) {
    world.route("r", to(more));
    EXPECT_EQ(wanted(), ports) << more;
    EXPECT_EQ(world.route_says("Accepted"), ports.empty() ? "False/NoMatchingParent" : "True/Accepted")
        << more;
  }
}

TEST_F(Mesh, WhatIsNoParent) {
  world.put(
      "{kind: Service, metadata: {name: headless, namespace: infra}, spec: {clusterIP: None, ports: [{port: "
      "80}]}}");
  for (const auto* name : {"headless", "nobody"}) {
    world.route("r", fmt::format("parentRefs: [{{group: '', kind: Service, name: {}}}]", name));
    EXPECT_EQ(world.route_says("Accepted"), "False/NoMatchingParent") << name;
  }
  world.put(
      "{kind: TCPRoute, metadata: {name: t, namespace: infra}, spec: {parentRefs: [{group: '', kind: "
      "Service, name: "
      "shop}], rules: [{backendRefs: [{name: web, port: 80}]}]}}");
  EXPECT_EQ(world.route_says("Accepted", "infra/t", "TCPRoute"), "False/NoMatchingParent");
}

TEST_F(Mesh, WithoutAClassOfOursItIsSomebodyElses) {
  world.route("r", kToShop);
  EXPECT_THAT(wanted(), SizeIs(2));
  world.erase<kube::GatewayClass>("weft");
  EXPECT_THAT(wanted(), IsEmpty());
  EXPECT_EQ(world.route_says("Accepted"), "no parent");
}

TEST_F(Mesh, HostnamesDoNotCount) {
  world.route("r", std::string(kToShop) + ", hostnames: [a.example]");
  lead(80, 61000);
  EXPECT_THAT(backends(80), ElementsAre("infra/web:80"));
}

TEST_F(Mesh, ConsumersRoutesAreForTheirNamespaceAlone) {
  consumer(
      "parentRefs: [{group: '', kind: Service, name: shop, namespace: infra, port: 80}], rules: "
      "[{backendRefs: "
      "[{name: shop, namespace: infra, port: 80}]}, {matches: [{path: {value: /web}}], backendRefs: [{name: "
      "web, "
      "namespace: infra, port: 80}]}]");
  lead(80, 61000);
  const Port* port = world.port(80, kMesh);
  ASSERT_TRUE(port);
  ASSERT_THAT(port->consumers, SizeIs(1));
  const auto& rules = port->consumers.at("other")->hosts.at(0)->rules;
  EXPECT_EQ(rules[0]->backends[0].backend, "infra/shop:80") << "the Service itself needs no grant";
  EXPECT_EQ(rules[1]->backends[0].backend, "") << "others do";
  EXPECT_EQ(world.route_says("ResolvedRefs", "other/c"), "False/RefNotPermitted");
  // All others' bytes go through as they are.
  ASSERT_THAT(port->listeners, SizeIs(1));
  EXPECT_EQ(port->listeners[0]->protocol, Protocol::tcp);
  ASSERT_THAT(port->listeners[0]->streams, SizeIs(1));
  EXPECT_EQ(port->listeners[0]->streams[0]->backends[0].backend, "infra/shop:80+raw");
  EXPECT_EQ(world.plan.snapshot().endpoints->at("infra/shop:80")->at(0).addr.str(), "10.0.0.7");
  world.route("r", kToShop);
  EXPECT_EQ(world.port(80, kMesh)->listeners[0]->protocol, Protocol::http);
  EXPECT_THAT(backends(80), ElementsAre("infra/web:80"));
  EXPECT_THAT(world.port(80, kMesh)->consumers, SizeIs(1));
}

TEST_F(Mesh, AServiceWithoutRoutesIsServedUntilNobodyIsLedToIt) {
  world.route("r", kToShop);
  lead(80, 61000);
  EXPECT_THAT(backends(80), SizeIs(1));
  world.erase<kube::HTTPRoute>("infra/r");
  EXPECT_THAT(wanted(), IsEmpty());
  const Port* port = world.port(80, kMesh);
  ASSERT_TRUE(port);
  EXPECT_EQ(port->listeners[0]->protocol, Protocol::tcp);
  EXPECT_THAT(backends(80), ElementsAre("infra/shop:80+grpc", "infra/shop:80")) << "of open connections";
  world.erase<kube::EndpointSlice>("infra/shop.mesh-80");
  EXPECT_FALSE(world.port(80, kMesh));
  EXPECT_THAT(*world.plan.snapshot().backends, IsEmpty());
}

TEST_F(Mesh, WithoutTheServiceThereIsNothing) {
  world.route("r", kToShop);
  lead(80, 61000);
  EXPECT_TRUE(world.port(80, kMesh));
  world.erase<kube::Service>("infra/shop");
  EXPECT_FALSE(world.port(80, kMesh));
  EXPECT_EQ(world.route_says("Accepted"), "False/NoMatchingParent");
}

TEST_F(Mesh, AnXMeshOfOursIsToldWhatWeCan) {
  world.put("{kind: XMesh, metadata: {name: ours}, spec: {controllerName: weft.dev/gateway-controller}}");
  world.put("{kind: XMesh, metadata: {name: others}, spec: {controllerName: other.example/mesh}}");
  world.settle();
  const auto* status = world.plan.mesh_status("ours");
  ASSERT_TRUE(status);
  EXPECT_EQ(World::told(status->conditions, "Accepted"), "True/Accepted");
  EXPECT_TRUE(std::ranges::is_sorted(status->supportedFeatures, {}, &kube::SupportedFeature::name));
  EXPECT_FALSE(world.plan.mesh_status("others"));
}

TEST_F(Mesh, SlicesSayWhichPortTheyAreOf) {
  world.route("r", kToShop);
  wanted();
  kube::Node node;
  node.metadata.name = "a";
  node.status.addresses.emplace_back().type = "InternalIP";
  node.status.addresses.back().address = "172.30.0.2";
  auto& ready = node.status.conditions.emplace_back();
  ready.type = "Ready";
  ready.status = "True";
  auto slices =
      mesh_slices(*world.plan.entrance(kMesh), {{{80, false}, 61000}, {{81, false}, 61001}}, {{"a", &node}});
  ASSERT_THAT(slices, SizeIs(2));
  auto slice = kube::decode<kube::EndpointSlice>(slices[1]);
  ASSERT_TRUE(slice);
  EXPECT_EQ(mesh_of(*slice), kMesh);
  auto port = mesh_port(*slice);
  ASSERT_TRUE(port);
  EXPECT_EQ(port->first.port, 81);
  EXPECT_EQ(port->second, 61001);
  EXPECT_EQ(slice->ports[0].name, "more");
  EXPECT_EQ(slice->endpoints[0].addresses[0], "172.30.0.2");
  auto empty = kube::decode<kube::EndpointSlice>(emptied(*slice));
  ASSERT_TRUE(empty);
  EXPECT_THAT(empty->endpoints, IsEmpty());
  EXPECT_EQ(mesh_port(*empty), port);
}

}  // namespace
}  // namespace weft::gateway
