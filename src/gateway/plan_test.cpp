#include "gateway/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;
using testing::SizeIs;

constexpr const char* kRoute = "parentRefs: [{name: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]";

TEST(GatewayPlan, FromARouteToARule) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.route("r", kRoute);
  auto changes = world.settle();
  EXPECT_TRUE(changes.snapshot);
  EXPECT_TRUE(changes.statuses.contains({"HTTPRoute", "infra/r"}));
  EXPECT_TRUE(changes.statuses.contains({"Gateway", "infra/edge"}));
  EXPECT_THAT(changes.entrances, ElementsAre("infra/edge"));

  EXPECT_EQ(world.gateway_says("Accepted"), "True/Accepted");
  EXPECT_EQ(world.gateway_says("Programmed"), "True/Programmed");
  EXPECT_EQ(world.gateway_says("ResolvedRefs"), "True/ResolvedRefs");
  EXPECT_EQ(world.listener_says("http", "Accepted"), "True/Accepted");
  EXPECT_EQ(world.listener_says("http", "Programmed"), "True/Programmed");
  EXPECT_EQ(world.listener_says("http", "Conflicted"), "False/NoConflicts");
  EXPECT_EQ(world.listener("http")->attachedRoutes, 1);
  EXPECT_EQ(world.plan.gateway_status("infra/edge")->addresses[0].value, "192.0.2.1");
  EXPECT_EQ(world.route_says("Accepted"), "True/Accepted");
  EXPECT_EQ(world.route_says("ResolvedRefs"), "True/ResolvedRefs");

  const Port* port = world.port(80);
  ASSERT_TRUE(port);
  EXPECT_EQ(port->bind_port, 50080);
  auto rules = world.rules();
  ASSERT_THAT(rules, SizeIs(1));
  EXPECT_EQ(rules[0]->matches[0], Match{});
  EXPECT_EQ(rules[0]->backends[0].backend, "infra/web:80");
  const auto& snapshot = world.plan.snapshot();
  EXPECT_EQ(snapshot.backends->at("infra/web:80")->endpoints, "infra/web:80");
  EXPECT_EQ(*snapshot.endpoints->at("infra/web:80"), (Endpoints{{*IpAddr::parse("10.0.0.1"), 8080, ""}}));
  EXPECT_TRUE(world.settle().empty());
}

TEST(GatewayPlan, OrderDoesNotMatter) {
  World world;
  world.route("r", kRoute);
  world.settle();
  EXPECT_EQ(world.route_says("Accepted"), "no parent");
  world.gateway();
  EXPECT_EQ(world.route_says("Accepted"), "True/Accepted");
  EXPECT_EQ(world.route_says("ResolvedRefs"), "False/BackendNotFound");
  EXPECT_EQ(world.rules()[0]->backends[0].backend, "");
  world.service("infra/web");
  EXPECT_EQ(world.route_says("ResolvedRefs"), "True/ResolvedRefs");
  EXPECT_EQ(world.rules()[0]->backends[0].backend, "infra/web:80");
}

TEST(GatewayPlan, WhatIsNotTouchedIsTheSamePointer) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.route("r", kRoute);
  world.route(
      "s",
      "parentRefs: [{name: edge}], hostnames: [s.example], rules: [{backendRefs: [{name: web, port: 80}]}]");
  world.settle();
  const Snapshot before = world.plan.snapshot();
  auto rule = world.rules()[0];

  world.slice("infra/web", "web-1", "[{addresses: [10.0.0.2]}]");
  EXPECT_TRUE(world.settle().snapshot);
  const Snapshot& after = world.plan.snapshot();
  EXPECT_EQ(after.ports, before.ports);
  EXPECT_EQ(after.backends, before.backends);
  EXPECT_NE(after.endpoints, before.endpoints);

  world.route(
      "s",
      "parentRefs: [{name: edge}], hostnames: [t.example], rules: [{backendRefs: [{name: web, port: 80}]}]");
  EXPECT_TRUE(world.settle().snapshot);
  EXPECT_NE(world.plan.snapshot().ports, before.ports);
  EXPECT_EQ(world.rules()[0], rule);
  EXPECT_EQ(world.plan.snapshot().ports[0]->listeners[0]->hosts[0], before.ports[0]->listeners[0]->hosts[0]);
}

TEST(GatewayPlan, WhatIsErasedLeavesNothing) {
  World world;
  world.gateway();
  world.service("infra/web");
  world.route("r", kRoute);
  world.settle();
  world.erase<kube::HTTPRoute>("infra/r");
  auto changes = world.settle();
  EXPECT_TRUE(changes.statuses.contains({"HTTPRoute", "infra/r"}));
  EXPECT_EQ(world.listener("http")->attachedRoutes, 0);
  EXPECT_TRUE(world.rules().empty());
  EXPECT_TRUE(world.plan.snapshot().backends->empty());
  EXPECT_TRUE(world.plan.snapshot().endpoints->empty());
  world.erase<kube::Gateway>("infra/edge");
  changes = world.settle();
  EXPECT_THAT(changes.entrances, ElementsAre("infra/edge"));
  EXPECT_FALSE(world.plan.entrance("infra/edge"));
  EXPECT_FALSE(world.plan.gateway_status("infra/edge"));
  EXPECT_TRUE(world.plan.snapshot().ports.empty());
}

TEST(GatewayPlan, OthersClassesAreNoneOfOurBusiness) {
  World world;
  world.gateway();
  world.put("{kind: GatewayClass, metadata: {name: weft}, spec: {controllerName: other.example/controller}}");
  world.route("r", kRoute);
  EXPECT_EQ(world.gateway_says("Accepted"), "no status");
  EXPECT_EQ(world.route_says("Accepted"), "no parent");
  EXPECT_FALSE(world.plan.class_status("weft"));
}

TEST(GatewayPlan, TheClassSaysWhatWeCan) {
  World world;
  world.gateway();
  world.settle();
  const auto* status = world.plan.class_status("weft");
  ASSERT_TRUE(status);
  EXPECT_EQ(World::told(status->conditions, "Accepted"), "True/Accepted");
  EXPECT_TRUE(std::ranges::is_sorted(status->supportedFeatures, {}, &kube::SupportedFeature::name));
  EXPECT_GT(status->supportedFeatures.size(), 43U);
}

TEST(GatewayPlan, OlderRoutesFirst) {
  World world;
  world.gateway();
  auto spec = [](const char* path) {
    return fmt::format("parentRefs: [{{name: edge}}], rules: [{{matches: [{{path: {{value: {}}}}}]}}]", path);
  };
  world.route("a", spec("/a"), R"(creationTimestamp: "2026-01-01T00:00:02Z")");
  world.route("b", spec("/b"), R"(creationTimestamp: "2026-01-01T00:00:01Z")");
  world.route("c", spec("/c"), R"(creationTimestamp: "2026-01-01T00:00:02Z")");
  std::vector<std::string> paths;
  for (const auto& rule : world.rules()) paths.push_back(rule->matches[0].path);
  EXPECT_THAT(paths, ElementsAre("/b", "/a", "/c"));
}

}  // namespace
}  // namespace weft::gateway
