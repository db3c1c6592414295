#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <set>
#include <string>

#include "policy/test_world.h"

/// What NetworkPolicy requires, rule by rule.
namespace weft::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Two namespaces with some pods.
class PlanFacts : public testing::Test {
 protected:
  void SetUp() override {
    world_.namespace_("shop", "{team: shop}");
    world_.namespace_("ops", "{team: ops}");
    world_.pod("shop/web", "10.0.0.1", "{app: web}", port("http", 8080));
    world_.pod("shop/db", "10.0.0.2", "{app: db, tier: back}", port("sql", 5432));
    world_.pod("shop/bare", "10.0.0.3");
    world_.pod("ops/probe", "10.0.0.4", "{app: probe}", port("http", 9090));
  }

  static std::string port(const std::string& name, int number, const std::string& protocol = "TCP",
                          const std::string& more = "") {
    return "spec: {" + more + "containers: [{name: c, ports: [{name: " + name +
           ", containerPort: " + std::to_string(number) + ", protocol: " + protocol + "}]}]}";
  }

  test::World world_;
};

TEST_F(PlanFacts, WithoutPoliciesAllIsOpenAndNothingIsWritten) {
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db"));
  EXPECT_TRUE(world_.allows("192.0.2.1", "shop/db"));
  EXPECT_TRUE(world_.maps.verdicts().empty());
  EXPECT_EQ(world_.maps.pods().at("shop/db").flags, 0U);
}

TEST_F(PlanFacts, IsolationIsPerDirectionAndBothEndsMustAllow) {
  world_.policy("shop/in", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}");
  EXPECT_EQ(world_.maps.pods().at("shop/db").flags, WEFT_POLICY_ISOLATED_INGRESS);
  EXPECT_FALSE(world_.allows("shop/web", "shop/db"));
  EXPECT_TRUE(world_.allows("shop/db", "shop/web"));
  world_.policy("shop/out", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}");
  EXPECT_FALSE(world_.allows("shop/db", "shop/web"));
  world_.policy("shop/open", "{podSelector: {matchLabels: {app: db}}, ingress: [{}]}");
  EXPECT_TRUE(world_.allows("shop/web", "shop/db"));
  world_.policy("ops/out", "{podSelector: {}, policyTypes: [Egress]}");
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db")) << "the source's own policy counts too";
}

TEST_F(PlanFacts, AllowsAddUp) {
  world_.policy("shop/a", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}");
  world_.policy("shop/b", "{podSelector: {}, ingress: [{ports: [{port: 9}]}]}");
  EXPECT_TRUE(world_.allows("shop/web", "shop/db", 80));
  EXPECT_TRUE(world_.allows("shop/bare", "shop/db", 9));
  EXPECT_FALSE(world_.allows("shop/bare", "shop/db", 80));
}

TEST_F(PlanFacts, PolicyTypesNotGiven) {
  world_.policy("shop/p", "{podSelector: {}, egress: [{}]}");
  EXPECT_FALSE(world_.allows("ops/probe", "shop/web")) << "egress rules alone deny what comes in, too";
  EXPECT_TRUE(world_.allows("shop/web", "ops/probe"));
  world_.policy("shop/p", "{podSelector: {}}");
  EXPECT_FALSE(world_.allows("ops/probe", "shop/web"));
  EXPECT_TRUE(world_.allows("shop/web", "ops/probe")) << "without egress rules it does not restrict egress";
}

TEST_F(PlanFacts, RulesOfADirectionThatPolicyTypesLeavesOutDoNothing) {
  world_.policy("shop/p",
                "{podSelector: {}, policyTypes: [Ingress], ingress: [{}], egress: [{ports: [{port: 1}]}]}");
  EXPECT_TRUE(world_.allows("shop/web", "ops/probe"));
}

TEST_F(PlanFacts, EmptyAndMissing) {
  world_.policy("shop/p", "{podSelector: {}, ingress: []}");
  EXPECT_FALSE(world_.allows("shop/web", "shop/db"));
  world_.policy("shop/p", "{podSelector: {}, ingress: [{}]}");
  EXPECT_TRUE(world_.allows("192.0.2.1", "shop/db", 1, "UDP"));
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [], ports: [{port: 1}]}]}");
  EXPECT_TRUE(world_.allows("192.0.2.1", "shop/db", 1));
  EXPECT_FALSE(world_.allows("192.0.2.1", "shop/db", 2));
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: []}]}");
  EXPECT_TRUE(world_.allows("shop/bare", "shop/db", 2)) << "an empty podSelector is the policy's namespace";
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db", 2));
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}");
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db")) << "an empty namespaceSelector is pods everywhere";
  EXPECT_FALSE(world_.allows("192.0.2.1", "shop/db")) << "and nobody else";
}

TEST_F(PlanFacts, LabelOperators) {
  auto from = [&](const std::string& selector) {
    world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [{podSelector: " + selector + "}]}]}");
    return world_.allows("shop/bare", "shop/db");
  };
  EXPECT_TRUE(from("{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}"));
  EXPECT_TRUE(from("{matchExpressions: [{key: app, operator: DoesNotExist}]}"));
  EXPECT_FALSE(from("{matchExpressions: [{key: app, operator: Exists}]}"));
  EXPECT_FALSE(from("{matchLabels: {app: ''}}")) << "an absent key has no empty value";
}

TEST_F(PlanFacts, Ports) {
  world_.policy(
      "shop/p",
      "{podSelector: {}, ingress: [{ports: [{port: 80}, {port: 100, endPort: 200, protocol: UDP}]}]}");
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db", 80, "TCP"));
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db", 80, "UDP"));
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db", 80, "SCTP"));
  for (int port : {100, 127, 128, 200})
    EXPECT_TRUE(world_.allows("ops/probe", "shop/db", port, "UDP")) << port;
  for (int port : {99, 201}) EXPECT_FALSE(world_.allows("ops/probe", "shop/db", port, "UDP")) << port;
  world_.policy("shop/p", "{podSelector: {}, ingress: [{ports: [{protocol: SCTP}]}]}");
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db", 65535, "SCTP"));
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db", 65535, "TCP"));
}

TEST_F(PlanFacts, ARuleWithoutPortsIsForAnyProtocol) {
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}");
  EXPECT_TRUE(world_.allows("shop/web", "shop/db", 0, "ICMP"));
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db", 0, "ICMP"));
  world_.policy("shop/p", "{podSelector: {}, ingress: [{ports: [{protocol: TCP}]}]}");
  EXPECT_FALSE(world_.allows("shop/web", "shop/db", 0, "ICMP"));
}

TEST_F(PlanFacts, NamedPortsAreTheDestinations) {
  world_.pod("ops/udp", "10.0.0.5", "{}", port("http", 7070, "UDP"));
  world_.policy("shop/out", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}");
  EXPECT_TRUE(world_.allows("shop/db", "shop/web", 8080));
  EXPECT_TRUE(world_.allows("shop/db", "ops/probe", 9090));
  EXPECT_FALSE(world_.allows("shop/db", "ops/probe", 8080)) << "that is the other pod's number";
  EXPECT_FALSE(world_.allows("shop/db", "ops/udp", 7070)) << "there the name is of UDP";
  EXPECT_FALSE(world_.allows("shop/db", "192.0.2.1", 8080)) << "no pod, no names";
  world_.erase_policy("shop/out");
  world_.policy("shop/in", "{podSelector: {}, ingress: [{ports: [{port: http}, {port: sql}]}]}");
  EXPECT_TRUE(world_.allows("ops/probe", "shop/web", 8080));
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db", 5432));
  EXPECT_FALSE(world_.allows("ops/probe", "shop/web", 5432));
  EXPECT_NE(world_.maps.pods().at("shop/web").subject, world_.maps.pods().at("shop/db").subject);
}

TEST_F(PlanFacts, ANamedPortThatNoPodHasIsAWarningAndAllowsNothing) {
  world_.policy("shop/p",
                "{podSelector: {}, ingress: [{ports: [{port: http}, {port: none, protocol: UDP}]}]}");
  EXPECT_THAT(
      world_.plan.warnings("shop/p"),
      ElementsAre("spec.ingress[0]: cannot be enforced as written: no pod has a port named \"none\" (UDP); "
                  "it matches nothing"));
  world_.policy("ops/p", "{podSelector: {}, ingress: [{ports: [{port: sql}]}]}");
  EXPECT_THAT(world_.plan.warnings("ops/p"), ElementsAre(HasSubstr("\"sql\"")))
      << "other namespaces' do not count";
}

TEST_F(PlanFacts, NetworksMeanPodsToo) {
  world_.policy(
      "shop/p",
      "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/30}}]}]}");
  EXPECT_TRUE(world_.allows("shop/web", "shop/db"));
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db")) << "10.0.0.4 is outside";
  EXPECT_FALSE(world_.allows("192.0.2.1", "shop/db"));
}

TEST_F(PlanFacts, AnExceptionNarrowsItsOwnItemOnly) {
  auto cut = "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/24]}}";
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [" + std::string(cut) + "]}]}");
  EXPECT_TRUE(world_.allows("192.0.2.1", "shop/db"));
  EXPECT_FALSE(world_.allows("shop/web", "shop/db"));
  world_.policy("shop/p",
                "{podSelector: {}, ingress: [{from: [" + std::string(cut) + ", {podSelector: {}}]}]}");
  EXPECT_TRUE(world_.allows("shop/web", "shop/db")) << "it is no denial";
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [" + std::string(cut) +
                              "]}, {from: [{ipBlock: {cidr: 10.0.0.4/32}}]}]}");
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db"));
  EXPECT_FALSE(world_.allows("shop/web", "shop/db"));
}

TEST_F(PlanFacts, ANetworkSpeaksForItsOwnFamily) {
  world_.pod("shop/six", "fd00::1", "{app: six}");
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}");
  EXPECT_TRUE(world_.allows("2001:db8::1", "shop/six"));
  EXPECT_FALSE(world_.allows("192.0.2.1", "shop/db")) << "though as v4-mapped it is in ::/0";
  world_.policy("shop/p", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}");
  EXPECT_TRUE(world_.allows("192.0.2.1", "shop/db"));
  EXPECT_FALSE(world_.allows("2001:db8::1", "shop/six"));
}

TEST_F(PlanFacts, AllAddressesOfADualStackPodCount) {
  auto pod = test::World::pod_object("ops/dual", "10.0.0.9", "{app: dual}");
  pod.status.podIPs.emplace_back().ip = "fd00::9";
  world_.put(pod);
  auto db = test::World::pod_object("shop/db", "10.0.0.2", "{app: db}");
  db.status.podIPs.emplace_back().ip = "fd00::2";
  world_.put(db);
  world_.policy("shop/p",
                "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: "
                "{app: dual}}}]}]}");
  EXPECT_TRUE(world_.allows("10.0.0.9", "shop/db"));
  EXPECT_TRUE(world_.allows("fd00::9", "shop/db"));
  EXPECT_FALSE(world_.allows("fd00::8", "shop/db"));
}

TEST_F(PlanFacts, PodsOnTheHostsNetworkAreTheNode) {
  world_.put(test::object<kube::Node>(
      "{metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.16.0.1}]}}"));
  auto host = test::World::pod_object("shop/host", "172.16.0.1", "{app: web}",
                                      port("x", 1, "TCP", "hostNetwork: true, nodeName: n1, "));
  host.status.hostIP = "172.16.0.1";
  world_.put(host);
  world_.pod("shop/far", "10.0.0.8", "{app: far}", "spec: {nodeName: n2, containers: []}");
  world_.pod("shop/near", "10.0.0.7", "{app: near}", "spec: {nodeName: n1, containers: []}");
  world_.policy("shop/p",
                "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}], "
                "egress: [{to: [{ipBlock: {cidr: 172.16.0.1/32}}]}]}");
  EXPECT_FALSE(world_.maps.pods().contains("shop/host")) << "it is not selected";
  EXPECT_FALSE(world_.allows("shop/host", "shop/far")) << "and no peer by its labels";
  EXPECT_TRUE(world_.allows("shop/near", "shop/host")) << "but by its node's address";
}

TEST_F(PlanFacts, ItsNodeAlwaysReachesAPod) {
  world_.put(test::object<kube::Node>(
      "{metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 172.16.0.1}]}}"));
  world_.pod("shop/near", "10.0.0.7", "{}", "spec: {nodeName: n1, containers: []}");
  world_.policy("shop/p", "{podSelector: {}}");
  EXPECT_TRUE(world_.allows("172.16.0.1", "shop/near"));
  EXPECT_FALSE(world_.allows("172.16.0.1", "shop/db")) << "that runs elsewhere";
}

TEST_F(PlanFacts, APodReachesItself) {
  world_.policy("shop/p", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
  EXPECT_TRUE(world_.allows("shop/db", "shop/db"));
  EXPECT_TRUE(world_.allows("shop/db", "10.0.0.2"));
}

TEST_F(PlanFacts, APodIsIsolatedBeforeItHasAnAddress) {
  world_.policy("shop/p", "{podSelector: {}}");
  world_.pod("shop/new", "", "{app: new}");
  ASSERT_TRUE(world_.maps.pods().contains("shop/new"));
  EXPECT_EQ(world_.maps.pods().at("shop/new").flags, WEFT_POLICY_ISOLATED_INGRESS);
}

TEST_F(PlanFacts, CompletedPodsAreNoPeersAndTerminatingOnesAre) {
  world_.policy("shop/p",
                "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
                "web}}}]}]}");
  auto web = test::World::pod_object("shop/web", "10.0.0.1", "{app: web}");
  web.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  world_.put(web);
  EXPECT_TRUE(world_.allows("10.0.0.1", "shop/db"));
  web.status.phase = "Succeeded";
  world_.put(web);
  EXPECT_FALSE(world_.allows("10.0.0.1", "shop/db"));
  EXPECT_FALSE(world_.maps.pods().contains("shop/web"));
  EXPECT_FALSE(world_.plan.evaluate({"shop/web", {}}, {"shop/db", {}}, 6, 80))
      << "its address may be another's";
}

TEST_F(PlanFacts, ANewPodOnAnOldAddressInheritsNothing) {
  world_.policy("shop/p",
                "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
                "web}}}]}]}");
  auto web = test::World::pod_object("shop/web", "10.0.0.1", "{app: web}");
  web.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  world_.put(web);
  uint32_t before = world_.maps.identity_of(test::ip("10.0.0.1"));
  world_.pod("ops/new", "10.0.0.1", "{app: other}");
  EXPECT_FALSE(world_.allows("10.0.0.1", "shop/db")) << "the old pod is still there, but ends";
  EXPECT_NE(world_.maps.identity_of(test::ip("10.0.0.1")), before);
}

TEST_F(PlanFacts, NumbersAreStableAndDoNotComeBackAtOnce) {
  uint32_t db = world_.maps.identity_of(test::ip("10.0.0.2"));
  uint32_t web = world_.maps.identity_of(test::ip("10.0.0.1"));
  EXPECT_GE(db, 2U);
  world_.pod("shop/web2", "10.0.0.20", "{app: web}", port("http", 8080));
  EXPECT_EQ(world_.maps.identity_of(test::ip("10.0.0.20")), web) << "the same to policies";
  world_.erase(test::World::pod_object("shop/db", ""));
  world_.pod("shop/other", "10.0.0.2", "{app: other}");
  EXPECT_NE(world_.maps.identity_of(test::ip("10.0.0.2")), db);
  EXPECT_EQ(world_.maps.identity_of(test::ip("10.0.0.1")), web);
}

TEST_F(PlanFacts, EveryProcessGivesTheSameNumbers) {
  auto tell = [](PolicyPlan& plan, const std::vector<std::string>& pods) {
    plan.put(test::object<kube::Namespace>("{metadata: {name: some}}"));
    for (const auto& pod : pods)
      plan.put(test::World::pod_object(pod, "10.0.0." + pod.substr(pod.size() - 1)));
    (void)plan.take_changes();
    return plan.everything();
  };
  PolicyPlan one({.node = ""}), other({.node = ""});
  auto first = tell(one, {"some/p1", "some/p2"}), second = tell(other, {"some/p2", "some/p1"});
  EXPECT_EQ(first.identities, second.identities);
  EXPECT_EQ(first.pods, second.pods);
}

TEST_F(PlanFacts, OnlyPodsOfTheNodeAreSubjects) {
  test::World world("n1");
  world.namespace_("n");
  world.pod("n/here", "10.0.0.1", "{}", "spec: {nodeName: n1, containers: []}");
  world.pod("n/there", "10.0.0.2", "{}", "spec: {nodeName: n2, containers: []}");
  world.policy("n/p", "{podSelector: {}}");
  EXPECT_TRUE(world.maps.pods().contains("n/here"));
  EXPECT_FALSE(world.maps.pods().contains("n/there"));
  EXPECT_FALSE(world.allows("n/there", "n/here"));
  EXPECT_TRUE(world.allows("n/here", "n/there")) << "what the other end makes of it is its node's to say";
}

TEST_F(PlanFacts, AChangeTouchesWhatItIsAbout) {
  world_.policy("shop/p",
                "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
                "web}}}], ports: [{port: 80}]}]}");
  world_.pod("shop/web2", "10.0.0.20", "{app: web}", port("http", 8080));
  EXPECT_EQ(world_.last.identities.size(), 1U);
  EXPECT_EQ(world_.last.pods.size(), 1U);
  EXPECT_THAT(world_.last.verdicts, IsEmpty()) << "the identity is known and its verdicts are there";
  world_.policy("shop/p",
                "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
                "web}}}], ports: [{port: 81}]}]}");
  EXPECT_EQ(world_.last.verdicts.size(), 1U);
  EXPECT_EQ(world_.last.verdicts_removed.size(), 1U);
  EXPECT_THAT(world_.last.identities, IsEmpty());
  EXPECT_THAT(world_.last.pods, IsEmpty());
}

TEST_F(PlanFacts, ReasonsNamePoliciesAndRules) {
  world_.policy("shop/deny", "{podSelector: {}}");
  world_.policy("shop/web",
                "{podSelector: {}, ingress: [{ports: [{port: 1}]}, {from: [{podSelector: {}}]}]}");
  EXPECT_EQ(world_.ask("shop/web", "shop/db").why,
            "egress is allowed: no policy decides; ingress is allowed by NetworkPolicy shop/web ingress[1]");
  auto denied = world_.ask("ops/probe", "shop/db");
  EXPECT_EQ(denied.why,
            "ingress is denied: NetworkPolicy shop/deny, shop/web isolates the pod, and no rule allows it");
  EXPECT_EQ(denied.ingress->reason, 0U);
  EXPECT_EQ(world_.plan.isolation("shop/db", Direction::ingress)->reason.policies,
            (std::vector<std::string>{"shop/deny", "shop/web"}));
  auto reason = world_.plan.reason(world_.ask("shop/web", "shop/db").ingress->reason);
  ASSERT_TRUE(reason);
  EXPECT_EQ(
      json::serialize(reason->reason.to_json()),
      R"({"verdict":"allow","direction":"ingress","kind":"rules","rules":[{"policy":"shop/web","rule":1}]})");
}

TEST_F(PlanFacts, WhatCannotBeUnderstoodAllowsNothing) {
  world_.policy("shop/p", R"({podSelector: {}, ingress: [
    {from: [{ipBlock: {cidr: 10.0.0.0}}]}, {from: [{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}]},
    {from: [{}]}, {from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]},
    {from: [{podSelector: {matchExpressions: [{key: a, operator: Near}]}}]},
    {ports: [{port: 70000}]}, {ports: [{port: 9, endPort: 8}]}, {ports: [{port: a, endPort: 8}]},
    {ports: [{protocol: QUIC}]}, {from: [{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}]}]})");
  EXPECT_FALSE(world_.allows("shop/web", "shop/db"));
  auto warnings = world_.plan.warnings("shop/p");
  EXPECT_EQ(warnings.size(), 10U);
  EXPECT_EQ(warnings.at(0),
            "spec.ingress[0].from[0].ipBlock.cidr: \"10.0.0.0\" is no network such as 10.0.0.0/8; it matches "
            "nothing");
}

TEST_F(PlanFacts, AuditLetsPassWhatItWouldDeny) {
  world_.policy("shop/p", "{podSelector: {}, ingress: [{ports: [{port: 1}]}]}", true);
  EXPECT_EQ(world_.maps.pods().at("shop/db").flags, WEFT_POLICY_ISOLATED_INGRESS | WEFT_POLICY_AUDIT_INGRESS);
  auto got = world_.ask("ops/probe", "shop/db");
  EXPECT_TRUE(got.allowed);
  EXPECT_TRUE(got.ingress->audit);
  EXPECT_THAT(got.why, HasSubstr("in audit, so it passes: ingress is denied: NetworkPolicy shop/p isolates"));
  EXPECT_FALSE(world_.ask("ops/probe", "shop/db", 1).ingress->audit);
}

TEST_F(PlanFacts, AuditOfOnePolicyDoesNotWeakenAnother) {
  world_.policy("shop/p", "{podSelector: {}, ingress: [{ports: [{port: 1}]}]}", true);
  world_.policy("shop/q", "{podSelector: {}, ingress: [{ports: [{port: 2}]}]}");
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db", 3));
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db", 1)) << "what it allows counts";
  EXPECT_EQ(world_.plan.isolation("shop/db", Direction::ingress)->reason.policies,
            (std::vector<std::string>{"shop/q"}));
}

TEST_F(PlanFacts, AuditOfANamespaceIsThatOfItsPolicies) {
  world_.policy("shop/p", "{podSelector: {}}");
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db"));
  world_.namespace_("shop", "{team: shop}", true);
  EXPECT_TRUE(world_.allows("ops/probe", "shop/db"));
  world_.namespace_("shop", "{team: shop}");
  EXPECT_FALSE(world_.allows("ops/probe", "shop/db"));
}

}  // namespace
}  // namespace weft::policy
