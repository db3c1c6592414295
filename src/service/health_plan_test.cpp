#include "service/health_plan.h"

#include <gtest/gtest.h>

#include "service/test_world.h"

namespace weft::service {
namespace {

using test::endpoint;
using test::Port;
using test::slice;

const std::vector<Port> kPort = {{"p", "TCP", 80}};

std::shared_ptr<kube::Service> balanced() {
  auto out = test::service("web", {"10.96.0.1"}, kPort);
  out->spec.type = "LoadBalancer";
  out->spec.externalTrafficPolicy = "Local";
  out->spec.healthCheckNodePort = 31'000;
  return out;
}

uint32_t count(const std::vector<SlicePtr>& slices) {
  auto plan = plan_health(*balanced(), slices, "node-1");
  return plan ? plan->local_endpoints : 999;
}

TEST(HealthPlan, CountsReadyEndpointsOfThisNode) {
  EXPECT_EQ(count({}), 0);
  EXPECT_EQ(count({slice("a", "web", kPort,
                         {endpoint("10.0.0.1", "ready", "node-1"), endpoint("10.0.0.2", "ready", "node-2"),
                          endpoint("10.0.0.3", "ready", "node-1"), endpoint("10.0.0.4", "ready"),
                          endpoint("10.0.0.5", "unready", "node-1")})}),
            2);
}

TEST(HealthPlan, ThoseThatTerminateDoNotCountAlthoughTheyServe) {
  EXPECT_EQ(count({slice("a", "web", kPort, {endpoint("10.0.0.1", "terminating", "node-1")})}), 0);
}

TEST(HealthPlan, ReadyIsWhatDoesNotSayOtherwise) {
  auto unsaid = endpoint("10.0.0.1", "ready", "node-1");
  unsaid.conditions.ready.reset();
  EXPECT_EQ(count({slice("a", "web", kPort, {unsaid})}), 1);
}

TEST(HealthPlan, AnAddressCountsOnceInHoweverManySlicesItIs) {
  auto one = endpoint("10.0.0.1", "ready", "node-1");
  EXPECT_EQ(
      count({slice("a", "web", {{"p", "TCP", 80}}, {one}), slice("b", "web", {{"q", "TCP", 81}}, {one})}), 1);
}

TEST(HealthPlan, ADualStackPodIsOneEndpoint) {
  EXPECT_EQ(count({slice("a", "web", kPort, {endpoint("10.0.0.1", "ready", "node-1")}),
                   slice("b", "web", kPort, {endpoint("fd00::1", "ready", "node-1")})}),
            1);
}

TEST(HealthPlan, SlicesWithoutPortsDoNotCount) {
  EXPECT_EQ(count({slice("a", "web", {}, {endpoint("10.0.0.1", "ready", "node-1")})}), 0);
}

TEST(HealthPlan, OnlyLoadBalancersWithPolicyLocalHaveAPort) {
  EXPECT_EQ(plan_health(*balanced(), {}, "node-1"), (HealthPort{31'000, 0}));
  for (auto change :
       {+[](kube::Service& s) { s.spec.type = "NodePort"; },
        +[](kube::Service& s) { s.spec.externalTrafficPolicy = "Cluster"; },
        +[](kube::Service& s) { s.spec.healthCheckNodePort = 0; },
        +[](kube::Service& s) { s.spec.healthCheckNodePort = 70'000; },
        +[](kube::Service& s) { s.spec.clusterIP = "None"; },
        +[](kube::Service& s) { s.metadata.labels["service.kubernetes.io/service-proxy-name"] = "x"; }}) {
    auto service = balanced();
    change(*service);
    EXPECT_FALSE(plan_health(*service, {}, "node-1"));
  }
}

}  // namespace
}  // namespace weft::service
