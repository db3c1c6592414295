#include "service/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/test_world.h"

namespace weft::service {
namespace {

using test::endpoint;
using test::Port;
using test::service;
using test::slice;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Port> kHttp = {{"http", "TCP", 80}};
const std::vector<Port> kTarget = {{"http", "TCP", 8080}};
const NodeFacts kNode{"node-1", "zone-a"};

std::vector<std::string> backends(const ServicePlan& plan, size_t set = 0) {
  std::vector<std::string> out;
  for (const auto& backend : plan.sets.at(set).backends) {
    out.push_back(backend.addr.str() + " " + std::to_string(backend.port));
  }
  return out;
}

kube::Endpoint hinted(const std::string& ip, std::vector<std::string> zones,
                      std::vector<std::string> nodes = {}) {
  auto out = endpoint(ip, "ready", "node-9");
  out.hints.emplace();
  for (auto& zone : zones) out.hints->forZones.emplace_back().name = zone;
  for (auto& node : nodes) out.hints->forNodes.emplace_back().name = node;
  return out;
}

/// A table row: endpoints in, backends and how they were chosen out.
struct Case {
  const char* name;
  std::vector<kube::Endpoint> endpoints;
  const char* internal_policy;
  std::vector<std::string> expected;
  Choice choice;
  WhenEmpty when_empty = WhenEmpty::reject;
};

class ChoiceTest : public testing::TestWithParam<Case> {};

TEST_P(ChoiceTest, ChoosesEndpoints) {
  const auto& row = GetParam();
  auto svc = service("backend", {"10.96.0.7"}, kHttp);
  if (*row.internal_policy) svc->spec.internalTrafficPolicy = row.internal_policy;
  std::vector<SlicePtr> slices = {slice("a", "backend", kTarget, row.endpoints)};
  auto plan = plan_service(*svc, slices, kNode);
  ASSERT_EQ(plan.frontends.size(), 1);
  std::vector<std::string> expected;
  for (const auto& ip : row.expected) expected.push_back(ip + " 8080");
  EXPECT_EQ(backends(plan), expected);
  EXPECT_EQ(plan.sets[0].choice, row.choice);
  EXPECT_EQ(plan.frontends[0].when_empty, row.when_empty);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ChoiceTest,
    testing::Values(
        Case{"ready",
             {endpoint("10.244.0.2"), endpoint("10.244.0.1"), endpoint("10.244.0.3", "unready")},
             "",
             {"10.244.0.1", "10.244.0.2"},
             Choice::ready},
        Case{"terminating_is_left_while_one_is_ready",
             {endpoint("10.244.0.1"), endpoint("10.244.0.2", "terminating")},
             "",
             {"10.244.0.1"},
             Choice::ready},
        Case{"falls_back_to_serving_terminating",
             {endpoint("10.244.0.1", "gone"), endpoint("10.244.0.2", "terminating"),
              endpoint("10.244.0.3", "unready")},
             "",
             {"10.244.0.2"},
             Choice::terminating},
        Case{"none", {endpoint("10.244.0.1", "unready")}, "", {}, Choice::none},
        Case{"no_endpoints", {}, "", {}, Choice::none},
        Case{"local",
             {endpoint("10.244.0.1", "ready", "node-1"), endpoint("10.244.1.1", "ready", "node-2")},
             "Local",
             {"10.244.0.1"},
             Choice::ready,
             WhenEmpty::drop},
        Case{"local_falls_back_alone",
             {endpoint("10.244.0.1", "terminating", "node-1"), endpoint("10.244.1.1", "ready", "node-2")},
             "Local",
             {"10.244.0.1"},
             Choice::terminating,
             WhenEmpty::drop},
        Case{"local_none_here_drops",
             {endpoint("10.244.1.1", "ready", "node-2")},
             "Local",
             {},
             Choice::none,
             WhenEmpty::drop},
        Case{"local_none_anywhere_rejects",
             {endpoint("10.244.1.1", "unready", "node-2")},
             "Local",
             {},
             Choice::none},
        Case{"zone_hints",
             {hinted("10.244.0.1", {"zone-a"}), hinted("10.244.0.2", {"zone-b"})},
             "",
             {"10.244.0.1"},
             Choice::same_zone},
        Case{"zone_hints_need_every_endpoint",
             {hinted("10.244.0.1", {"zone-a"}), endpoint("10.244.0.2")},
             "",
             {"10.244.0.1", "10.244.0.2"},
             Choice::ready},
        Case{"zone_hints_need_one_for_us",
             {hinted("10.244.0.1", {"zone-b"}), hinted("10.244.0.2", {"zone-c"})},
             "",
             {"10.244.0.1", "10.244.0.2"},
             Choice::ready},
        Case{"unready_need_no_hints",
             {hinted("10.244.0.1", {"zone-a"}), endpoint("10.244.0.2", "unready")},
             "",
             {"10.244.0.1"},
             Choice::same_zone},
        Case{"node_hints_win",
             {hinted("10.244.0.1", {"zone-a"}, {"node-1"}), hinted("10.244.0.2", {"zone-a"}, {"node-2"})},
             "",
             {"10.244.0.1"},
             Choice::same_node},
        Case{"node_hints_of_others_fall_to_zones",
             {hinted("10.244.0.1", {"zone-a"}, {"node-2"}), hinted("10.244.0.2", {"zone-b"}, {"node-2"})},
             "",
             {"10.244.0.1"},
             Choice::same_zone}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PlanTest, DualStackHasASetForEachFamily) {
  auto svc = service("backend", {"10.96.0.7", "fd00:96::7"}, kHttp);
  std::vector<SlicePtr> slices = {slice("a", "backend", kTarget, {endpoint("10.244.0.1")}),
                                  slice("b", "backend", kTarget, {endpoint("fd00:244::1")})};
  auto plan = plan_service(*svc, slices, kNode);
  ASSERT_EQ(plan.frontends.size(), 2);
  EXPECT_THAT(backends(plan, plan.frontends[0].set), ElementsAre("10.244.0.1 8080"));
  EXPECT_THAT(backends(plan, plan.frontends[1].set), ElementsAre("fd00:244::1 8080"));
  EXPECT_EQ(plan.addresses.size(), 2);
}

TEST(PlanTest, PortsAreMatchedByNameAndProtocol) {
  auto svc =
      service("dns", {"10.96.0.10"}, {{"dns", "UDP", 53}, {"dns-tcp", "TCP", 53}, {"metrics", "TCP", 9153}});
  std::vector<SlicePtr> slices = {
      slice("a", "dns", {{"dns", "UDP", 1053}, {"dns-tcp", "TCP", 1054}, {"metrics", "UDP", 1}},
            {endpoint("10.244.0.1")})};
  auto plan = plan_service(*svc, slices, kNode);
  ASSERT_EQ(plan.sets.size(), 3);
  EXPECT_THAT(backends(plan, 0), ElementsAre("10.244.0.1 1053"));
  EXPECT_THAT(backends(plan, 1), ElementsAre("10.244.0.1 1054"));
  EXPECT_THAT(backends(plan, 2), IsEmpty());
}

TEST(PlanTest, AnEndpointInTwoSlicesCountsOnceAndTheReadyOneWins) {
  auto svc = service("backend", {"10.96.0.7"}, kHttp);
  std::vector<SlicePtr> slices = {slice("a", "backend", kTarget, {endpoint("10.244.0.1", "unready")}),
                                  slice("b", "backend", kTarget, {endpoint("10.244.0.1")})};
  auto plan = plan_service(*svc, slices, kNode);
  ASSERT_THAT(backends(plan), ElementsAre("10.244.0.1 8080"));
  EXPECT_EQ(plan.sets[0].backends[0].from, (EndpointRef{1, 0}));
  ASSERT_EQ(plan.sets[0].excluded.size(), 1);
  EXPECT_EQ(plan.sets[0].excluded[0].reason, Exclusion::duplicate);
}

TEST(PlanTest, SaysWhatStillServes) {
  auto svc = service("backend", {"10.96.0.7"}, kHttp);
  std::vector<SlicePtr> slices = {
      slice("a", "backend", kTarget,
            {endpoint("10.244.0.1"), endpoint("10.244.0.2", "terminating"), endpoint("10.244.0.3", "gone")})};
  auto plan = plan_service(*svc, slices, kNode);
  ASSERT_EQ(plan.sets[0].still_serving.size(), 1);
  EXPECT_EQ(plan.sets[0].still_serving[0].addr.str(), "10.244.0.2");
}

TEST(PlanTest, ConditionsHaveTheirDefaults) {
  auto svc = service("backend", {"10.96.0.7"}, kHttp);
  kube::Endpoint bare;
  bare.addresses = {"10.244.0.1"};
  std::vector<SlicePtr> slices = {slice("a", "backend", kTarget, {bare})};
  EXPECT_THAT(backends(plan_service(*svc, slices, kNode)), ElementsAre("10.244.0.1 8080"));
}

TEST(PlanTest, IgnoresWhatIsNotItsOwn) {
  auto plan_of = [](const std::shared_ptr<kube::Service>& svc) {
    return plan_service(*svc, {}, kNode).ignored;
  };
  EXPECT_EQ(plan_of(service("a", {"None"}, kHttp)), Ignored::headless);
  EXPECT_EQ(plan_of(service("a", {}, kHttp)), Ignored::no_cluster_ip);
  auto external = service("a", {}, kHttp);
  external->spec.type = "ExternalName";
  EXPECT_EQ(plan_of(external), Ignored::external_name);
  auto other = service("a", {"10.96.0.7"}, kHttp);
  other->metadata.labels["service.kubernetes.io/service-proxy-name"] = "mine";
  EXPECT_EQ(plan_of(other), Ignored::other_proxy);
  auto headless = service("a", {"10.96.0.7"}, kHttp);
  headless->metadata.labels["service.kubernetes.io/headless"] = "";
  EXPECT_EQ(plan_of(headless), Ignored::headless);
}

TEST(PlanTest, AMeshTakesTheClusterAddressesOfThePortsThatItHas) {
  auto svc = service("backend", {"10.96.0.7", "fd00:96::7"}, {{"http", "TCP", 80}, {"other", "TCP", 81}});
  svc->spec.type = "LoadBalancer";
  svc->status.loadBalancer.ingress.emplace_back().ip = "192.0.2.1";
  auto own = slice("a", "backend", {{"http", "TCP", 8080}, {"other", "TCP", 8081}}, {endpoint("10.244.0.1")});
  auto mesh = [](std::vector<kube::Endpoint> proxies) {
    kube::EndpointSlice out = *slice("mesh", "backend", {{"http", "TCP", 61000}}, std::move(proxies));
    out.metadata.labels = {{"weft.dev/mesh-of", "backend"}};
    EXPECT_EQ(service_of(out), out.metadata.namespace_ + "/backend");
    return std::make_shared<const kube::EndpointSlice>(std::move(out));
  };
  auto plan_with = [&](const SlicePtr& proxies) {
    std::vector<SlicePtr> slices = {own, proxies};
    std::map<std::string, std::vector<std::string>> out;
    auto plan = plan_service(*svc, slices, kNode);
    for (const auto& frontend : plan.frontends)
      out[frontend.addr.str() + " " + std::to_string(frontend.port)] = backends(plan, frontend.set);
    return out;
  };
  auto here =
      plan_with(mesh({endpoint("172.30.0.2", "ready", "node-1"), endpoint("172.30.0.3", "ready", "node-2")}));
  EXPECT_THAT(here["10.96.0.7 80"], ElementsAre("172.30.0.2 61000")) << "this node's own";
  EXPECT_THAT(here["10.96.0.7 81"], ElementsAre("10.244.0.1 8081"));
  EXPECT_THAT(here["192.0.2.1 80"], ElementsAre("10.244.0.1 8080"));
  auto elsewhere = plan_with(mesh({endpoint("172.30.0.3", "ready", "node-2")}));
  EXPECT_THAT(elsewhere["10.96.0.7 80"], ElementsAre("172.30.0.3 61000"));
  EXPECT_THAT(plan_with(mesh({}))["10.96.0.7 80"], ElementsAre("10.244.0.1 8080"));
}

TEST(PlanTest, SessionAffinity) {
  auto svc = service("a", {"10.96.0.7"}, kHttp);
  EXPECT_EQ(plan_service(*svc, {}, kNode).frontends[0].affinity_seconds, 0);
  svc->spec.sessionAffinity = "ClientIP";
  EXPECT_EQ(plan_service(*svc, {}, kNode).frontends[0].affinity_seconds, 10'800);
  svc->spec.sessionAffinityConfig.emplace().clientIP.emplace().timeoutSeconds = 60;
  EXPECT_EQ(plan_service(*svc, {}, kNode).frontends[0].affinity_seconds, 60);
}

/// "kind address:port edge-backends", a line a frontend.
std::vector<std::string> edges(const ServicePlan& plan) {
  constexpr const char* kKinds[] = {"cluster_ip", "external_ip", "load_balancer", "node_port"};
  std::vector<std::string> out;
  for (const auto& frontend : plan.frontends) {
    std::string line = std::string(kKinds[static_cast<int>(frontend.kind)]) + " " + frontend.addr.str() +
                       " " + std::to_string(frontend.port);
    for (const auto& backend : plan.sets[frontend.edge_set].backends) line += " " + backend.addr.str();
    out.push_back(line);
  }
  return out;
}

NodeFacts node_with_addresses() {
  auto facts = kNode;
  facts.addresses = {*IpAddr::parse("172.30.0.2"), *IpAddr::parse("fd00:172::2")};
  return facts;
}

TEST(PlanTest, ExternalAddressesOfEveryKind) {
  auto svc = service("a", {"10.96.0.7"}, {{"http", "TCP", 80}});
  svc->spec.type = "LoadBalancer";
  svc->spec.ports[0].nodePort = 30'080;
  svc->spec.externalIPs = {"198.51.100.1", "2001:db8::1"};
  for (const char* ip : {"198.51.100.2", "198.51.100.3", ""})
    svc->status.loadBalancer.ingress.emplace_back().ip = ip;
  svc->status.loadBalancer.ingress[1].ipMode = "Proxy";
  std::vector<SlicePtr> slices = {slice("s", "a", kTarget, {endpoint("10.244.0.1")})};
  // Only of the families that the Service has; not through proxies that send to other addresses.
  EXPECT_THAT(
      edges(plan_service(*svc, slices, node_with_addresses())),
      ElementsAre("cluster_ip 10.96.0.7 80 10.244.0.1", "external_ip 198.51.100.1 80 10.244.0.1",
                  "node_port 172.30.0.2 30080 10.244.0.1", "load_balancer 198.51.100.2 80 10.244.0.1"));
  svc->spec.ports[0].nodePort = 0;  // allocateLoadBalancerNodePorts: false
  EXPECT_EQ(plan_service(*svc, slices, node_with_addresses()).frontends.size(), 3);
  svc->spec.type = "ClusterIP";
  EXPECT_EQ(plan_service(*svc, slices, node_with_addresses()).frontends.size(), 2);
}

TEST(PlanTest, ExternalPolicyLocalIsForPacketsFromElsewhere) {
  auto svc = service("a", {"10.96.0.7"}, {{"http", "TCP", 80}});
  svc->spec.type = "NodePort";
  svc->spec.externalTrafficPolicy = "Local";
  svc->spec.ports[0].nodePort = 30'080;
  auto facts = node_with_addresses();
  std::vector<SlicePtr> here = {
      slice("s", "a", kTarget,
            {endpoint("10.244.0.1", "ready", "node-1"), endpoint("10.244.1.1", "ready", "node-2")})};
  auto plan = plan_service(*svc, here, facts);
  EXPECT_THAT(edges(plan), ElementsAre("cluster_ip 10.96.0.7 80 10.244.0.1 10.244.1.1",
                                       "node_port 172.30.0.2 30080 10.244.0.1"));
  EXPECT_THAT(backends(plan, plan.frontends[1].set), ElementsAre("10.244.0.1 8080", "10.244.1.1 8080"));

  std::vector<SlicePtr> away = {slice("s", "a", kTarget, {endpoint("10.244.1.1", "ready", "node-2")})};
  plan = plan_service(*svc, away, facts);
  EXPECT_EQ(plan.frontends[1].edge_when_empty, WhenEmpty::drop);
  EXPECT_EQ(plan.frontends[1].when_empty, WhenEmpty::reject);
  EXPECT_THAT(backends(plan, plan.frontends[1].set), ElementsAre("10.244.1.1 8080"));

  plan = plan_service(*svc, {}, facts);
  EXPECT_EQ(plan.frontends[1].edge_when_empty, WhenEmpty::reject);
}

TEST(PlanTest, EachPolicyIsForItsOwnSide) {
  auto svc = service("a", {"10.96.0.7"}, {{"http", "TCP", 80}});
  svc->spec.type = "NodePort";
  svc->spec.internalTrafficPolicy = "Local";
  svc->spec.ports[0].nodePort = 30'080;
  std::vector<SlicePtr> away = {slice("s", "a", kTarget, {endpoint("10.244.1.1", "ready", "node-2")})};
  auto plan = plan_service(*svc, away, node_with_addresses());
  EXPECT_THAT(edges(plan), ElementsAre("cluster_ip 10.96.0.7 80", "node_port 172.30.0.2 30080 10.244.1.1"));
  EXPECT_EQ(plan.frontends[0].edge_when_empty, WhenEmpty::drop);
}

TEST(PlanTest, SourceRangesAreForLoadBalancersAddresses) {
  auto svc = service("a", {"10.96.0.7", "fd00:96::7"}, {{"http", "TCP", 80}});
  svc->spec.type = "LoadBalancer";
  svc->spec.ports[0].nodePort = 30'080;
  for (const char* ip : {"198.51.100.2", "2001:db8::2"})
    svc->status.loadBalancer.ingress.emplace_back().ip = ip;
  // White space around a range is allowed by the API.
  svc->spec.loadBalancerSourceRanges = {" 192.0.2.0/24\t", "2001:db8:1::/48", "nonsense"};
  auto plan = plan_service(*svc, {}, node_with_addresses());
  std::vector<std::string> admitted;
  for (const auto& frontend : plan.frontends) {
    if (!frontend.sources) continue;
    for (const auto& range : *frontend.sources)
      admitted.push_back(frontend.addr.str() + " from " + range.str());
  }
  EXPECT_THAT(admitted, ElementsAre("198.51.100.2 from 192.0.2.0/24", "2001:db8::2 from 2001:db8:1::/48"));
  EXPECT_THAT(plan.problems, testing::Contains(HasSubstr("spec.loadBalancerSourceRanges[2]: not a prefix")));
  svc->spec.loadBalancerSourceRanges = {"2001:db8:1::/48"};
  plan = plan_service(*svc, {}, node_with_addresses());
  for (const auto& frontend : plan.frontends) {
    ASSERT_EQ(frontend.sources.has_value(), frontend.kind == FrontendKind::load_balancer);
    if (frontend.sources) EXPECT_EQ(frontend.sources->size(), frontend.addr.is_v6() ? 1 : 0);
  }
}

TEST(PlanTest, BadFieldsAreNamedAndTheRestGoesOn) {
  auto svc = service("a", {"10.96.0.7", "nonsense"}, {{"http", "TCP", 80}, {"odd", "TCP", 70'000}});
  std::vector<SlicePtr> slices = {slice("s", "a", kTarget, {endpoint("10.244.0.1"), endpoint("10.244.0.x")})};
  auto plan = plan_service(*svc, slices, kNode);
  ASSERT_EQ(plan.frontends.size(), 1);
  EXPECT_THAT(backends(plan), ElementsAre("10.244.0.1 8080"));
  EXPECT_THAT(
      plan.problems,
      UnorderedElementsAre(HasSubstr("spec.clusterIPs[1]: not an IP address: \"nonsense\""),
                           HasSubstr("EndpointSlice shop/s endpoints[1]: addresses[0]: not an IPv4 address"),
                           HasSubstr("spec.ports[1]: not a valid port and protocol: 70000 TCP")));
}

TEST(PlanTest, SaysWhy) {
  auto svc = service("a", {"10.96.0.7"}, kHttp);
  auto pod = endpoint("10.244.0.1");
  pod.targetRef.emplace().kind = "Pod";
  pod.targetRef->namespace_ = "shop";
  pod.targetRef->name = "a-1";
  std::vector<SlicePtr> slices = {slice("s", "a", kTarget, {pod})};
  auto plan = plan_service(*svc, slices, kNode);
  EXPECT_EQ(why(*svc, plan.frontends[0]), "Service shop/a spec.clusterIPs[0] spec.ports[0] (http)");
  EXPECT_EQ(why(slices, plan.sets[0].backends[0].from), "EndpointSlice shop/s endpoints[0] (Pod shop/a-1)");
}

}  // namespace
}  // namespace weft::service
