#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "policy/test_world.h"

/// ClusterNetworkPolicy: the cases of network-policy-api's conformance tests in our words, and the rules of
/// the API's documentation. Four namespaces (houses) with two pods each.
namespace weft::policy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ClusterPolicyCases : public testing::Test {
 protected:
  void SetUp() override {
    int address = 1;
    for (std::string house : {"gryffindor", "slytherin", "hufflepuff", "ravenclaw"}) {
      world_.namespace_(house, "{house: " + house + "}");
      for (std::string name : {"a", "b"}) {
        world_.pod(house + "/" + name, "10.0.0." + std::to_string(address++),
                   "{house: " + house + ", pod: " + name + "}",
                   "spec: {containers: [{name: c, ports: [{name: web, containerPort: 80, protocol: TCP}, "
                   "{name: dns, containerPort: 53, protocol: UDP}]}]}");
      }
    }
  }

  static std::string house(const std::string& name) { return "{matchLabels: {house: " + name + "}}"; }
  static std::string all_of(const std::string& name) { return "{namespaces: " + house(name) + "}"; }
  static std::string pods_of(const std::string& name) {
    return "{pods: {namespaceSelector: " + house(name) + ", podSelector: " + house(name) + "}}";
  }
  static std::string rule(const std::string& action, const std::string& peers, const std::string& peer,
                          const std::string& protocols = "", const std::string& name = "") {
    return "{action: " + action + ", " + peers + ": [" + peer + "]" +
           (protocols.empty() ? "" : ", protocols: [" + protocols + "]") +
           (name.empty() ? "" : ", name: " + name) + "}";
  }
  static std::string at(const std::string& protocol, int port) {
    return "{" + protocol + ": {destinationPort: {number: " + std::to_string(port) + "}}}";
  }
  static std::string spec(const std::string& tier, int priority, const std::string& subject,
                          const std::string& ingress, const std::string& egress) {
    return "{tier: " + tier + ", priority: " + std::to_string(priority) + ", subject: " + subject +
           ", ingress: [" + ingress + "], egress: [" + egress + "]}";
  }
  /// A policy with the same action from and to a house.
  void both(const std::string& name, const std::string& tier, int priority, const std::string& action,
            const std::string& peer) {
    world_.cluster(name, spec(tier, priority, all_of("gryffindor"), rule(action, "from", peer),
                              rule(action, "to", peer)));
  }
  /// Ingress and egress of gryffindor/a, with another house.
  std::pair<bool, bool> with(const std::string& house, int port = 80, std::string_view protocol = "TCP") {
    return {world_.allows(house + "/a", "gryffindor/a", port, protocol),
            world_.allows("gryffindor/a", house + "/b", port, protocol)};
  }
  static constexpr std::pair kOpen{true, true};
  static constexpr std::pair kShut{false, false};

  test::World world_;
};

TEST_F(ClusterPolicyCases, TheFirstRuleThatMatchesCounts) {
  for (std::string tier : {"Admin", "Baseline"}) {
    auto rules = [&](const std::string& peers) {
      std::string some = at("tcp", 80) + "," + at("udp", 53) + "," + at("sctp", 9003);
      std::string others = at("tcp", 8080) + "," + at("udp", 5353) + "," + at("sctp", 9003);
      return rule("Accept", peers, all_of("ravenclaw")) + "," + rule("Deny", peers, all_of("ravenclaw")) +
             "," + rule("Pass", peers, all_of("ravenclaw")) + "," +
             rule("Deny", peers, all_of("slytherin"), some) + "," +
             rule("Pass", peers, all_of("slytherin"), some) + "," +
             rule("Accept", peers, all_of("hufflepuff"), others) + "," +
             rule("Deny", peers, all_of("hufflepuff"));
    };
    world_.cluster("p", spec(tier, 15, all_of("gryffindor"), rules("from"), rules("to")));
    for (auto [protocol, port, other] :
         {std::tuple{"TCP", 80, 8080}, {"UDP", 53, 5353}, {"SCTP", 9003, 9005}}) {
      EXPECT_EQ(with("ravenclaw", port, protocol), kOpen) << tier << protocol;
      EXPECT_EQ(with("slytherin", port, protocol), kShut) << tier << protocol;
      EXPECT_EQ(with("slytherin", other, protocol), kOpen) << tier << protocol;
    }
    EXPECT_EQ(with("hufflepuff", 8080, "TCP"), kOpen);
    EXPECT_EQ(with("hufflepuff", 5353, "UDP"), kOpen);
    EXPECT_EQ(with("hufflepuff", 9003, "SCTP"), kOpen);
    EXPECT_EQ(with("hufflepuff", 80, "TCP"), kShut);
    EXPECT_EQ(with("hufflepuff", 0, "ICMP"), kShut);
    EXPECT_TRUE(world_.allows("192.0.2.1", "gryffindor/a")) << "of whom no rule speaks";
  }
}

TEST_F(ClusterPolicyCases, OrderOfRulesCanBeTurned) {
  auto rules = [](const std::string& first, const std::string& second) {
    return rule(first, "from", all_of("slytherin")) + "," + rule(second, "from", all_of("slytherin"));
  };
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), rules("Deny", "Accept"), ""));
  EXPECT_FALSE(world_.allows("slytherin/a", "gryffindor/a"));
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), rules("Accept", "Deny"), ""));
  EXPECT_TRUE(world_.allows("slytherin/a", "gryffindor/a"));
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), rules("Pass", "Deny"), ""));
  EXPECT_TRUE(world_.allows("slytherin/a", "gryffindor/a"));
}

TEST_F(ClusterPolicyCases, TiersInTheirOrder) {
  both("admin", "Admin", 10, "Deny", all_of("slytherin"));
  world_.policy("gryffindor/np",
                "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: " +
                    house("slytherin") + "}]}], egress: [{to: [{namespaceSelector: " + house("slytherin") +
                    "}]}]}");
  both("baseline", "Baseline", 10, "Deny", all_of("slytherin"));
  EXPECT_EQ(with("slytherin"), kShut) << "Admin comes first";
  both("admin", "Admin", 10, "Pass", all_of("slytherin"));
  EXPECT_EQ(with("slytherin"), kOpen) << "passed on to the NetworkPolicy, which comes before Baseline";
  EXPECT_EQ(with("ravenclaw"), kShut) << "NetworkPolicy is final for the pods it selects";
  both("admin", "Admin", 10, "Accept", all_of("ravenclaw"));
  EXPECT_EQ(with("ravenclaw"), kOpen);
  world_.erase_policy("gryffindor/np");
  EXPECT_EQ(with("slytherin"), kShut) << "without one Baseline decides";
  both("baseline", "Baseline", 10, "Accept", all_of("slytherin"));
  EXPECT_EQ(with("slytherin"), kOpen);
  world_.erase_cluster("baseline");
  world_.erase_cluster("admin");
  EXPECT_EQ(with("slytherin"), kOpen);
  EXPECT_TRUE(world_.maps.verdicts().empty());
}

TEST_F(ClusterPolicyCases, ANetworkPolicyForOneDirectionLeavesTheOtherToBaseline) {
  world_.policy("gryffindor/np", "{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}");
  both("baseline", "Baseline", 1, "Deny", all_of("slytherin"));
  EXPECT_EQ(with("slytherin"), std::pair(true, false));
}

TEST_F(ClusterPolicyCases, TheLowerPriorityIsAskedFirst) {
  for (std::string tier : {"Admin", "Baseline"}) {
    both("deny", tier, 50, "Deny", pods_of("slytherin"));
    both("pass", tier, 60, "Pass", pods_of("slytherin"));
    EXPECT_EQ(with("slytherin"), kShut) << tier;
    both("pass", tier, 40, "Pass", pods_of("slytherin"));
    EXPECT_EQ(with("slytherin"), kOpen) << tier;
    world_.erase_cluster("pass");
    EXPECT_EQ(with("slytherin"), kShut) << tier;
    both("z", tier, 50, "Accept", pods_of("slytherin"));
    EXPECT_EQ(with("slytherin"), kShut) << "of one priority: by name";
    both("a", tier, 50, "Accept", pods_of("slytherin"));
    EXPECT_EQ(with("slytherin"), kOpen) << tier;
    for (auto name : {"deny", "z", "a"}) world_.erase_cluster(name);
  }
}

TEST_F(ClusterPolicyCases, Networks) {
  world_.cluster("p", spec("Admin", 85, pods_of("gryffindor"), "",
                           rule("Accept", "to", "{networks: [10.0.0.7/32, 10.0.0.5/32]}") + "," +
                               rule("Accept", "to", pods_of("slytherin")) + "," +
                               rule("Deny", "to", "{networks: ['0.0.0.0/0', '::/0']}")));
  EXPECT_TRUE(world_.allows("gryffindor/a", "ravenclaw/a")) << "10.0.0.7";
  EXPECT_TRUE(world_.allows("gryffindor/a", "hufflepuff/a")) << "10.0.0.5";
  EXPECT_TRUE(world_.allows("gryffindor/a", "slytherin/b"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "hufflepuff/b")) << "pods are in networks, too";
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.1"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.1", 0, "ICMP"));
  EXPECT_TRUE(world_.allows("slytherin/a", "192.0.2.1"));
}

TEST_F(ClusterPolicyCases, Nodes) {
  auto node = [](const std::string& name, const std::string& os, const std::string& address) {
    return test::object<kube::Node>("{metadata: {name: " + name + ", labels: {os: " + os +
                                    "}}, status: {addresses: [{type: InternalIP, address: " + address +
                                    "}]}}");
  };
  world_.put(node("n1", "linux", "172.16.0.1"));
  world_.put(node("n2", "other", "172.16.0.2"));
  EXPECT_FALSE(world_.maps.identities().contains({test::ip("172.16.0.1"), 32})) << "nobody asks";
  std::string linux = "{nodes: {matchLabels: {os: linux}}}";
  world_.cluster(
      "p",
      spec("Admin", 75, pods_of("gryffindor"), "",
           rule("Accept", "to", linux, at("tcp", 34345)) + "," + rule("Pass", "to", linux, at("udp", 34346)) +
               "," + rule("Deny", "to", linux + "," + pods_of("slytherin") + ",{networks: [192.0.2.0/24]}")));
  EXPECT_TRUE(world_.allows("gryffindor/a", "172.16.0.1", 34345));
  EXPECT_TRUE(world_.allows("gryffindor/a", "172.16.0.1", 34346, "UDP"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "172.16.0.1", 34347));
  EXPECT_TRUE(world_.allows("gryffindor/a", "172.16.0.2", 34347));
  EXPECT_FALSE(world_.allows("gryffindor/a", "slytherin/a"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.1"));
  world_.put(node("n2", "linux", "172.16.0.2"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "172.16.0.2", 34347)) << "relabelled";
  world_.erase(node("n1", "linux", "172.16.0.1"));
  EXPECT_TRUE(world_.allows("gryffindor/a", "172.16.0.1", 34347)) << "gone";
  world_.cluster("p", spec("Admin", 75, pods_of("gryffindor"), "", rule("Deny", "to", "{nodes: {}}")));
  EXPECT_FALSE(world_.allows("gryffindor/a", "172.16.0.2")) << "empty means all";
}

TEST_F(ClusterPolicyCases, DomainNames) {
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), "",
                           rule("Accept", "to", "{domainNames: [A.example., '*.b.example']}") + "," +
                               rule("Deny", "to", "{networks: ['0.0.0.0/0']}")));
  EXPECT_THAT(world_.plan.domains(),
              ElementsAre(testing::Pair("*.b.example", 1U), testing::Pair("a.example", 1U)));
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.1"));
  auto learn = [&](const std::string& name, const std::string& address) {
    world_.plan.put_domain_address(name, test::ip(address));
    return world_.settle();
  };
  EXPECT_EQ(learn("a.example", "192.0.2.1").identities.size(), 1U);
  EXPECT_TRUE(world_.allows("gryffindor/a", "192.0.2.1"));
  learn("x.y.B.example.", "192.0.2.2");
  learn("b.example", "192.0.2.3");
  learn("xb.example", "192.0.2.4");
  EXPECT_TRUE(world_.allows("gryffindor/a", "192.0.2.2")) << "one label or more";
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.3")) << "not none";
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.4")) << "whole labels";
  EXPECT_TRUE(learn("c.example", "192.0.2.5").empty()) << "nobody asks for it";
  world_.plan.erase_domain_address("a.example", test::ip("192.0.2.1"));
  world_.settle();
  EXPECT_FALSE(world_.allows("gryffindor/a", "192.0.2.1"));
  world_.cluster(
      "p", spec("Admin", 1, all_of("gryffindor"), "", rule("Deny", "to", "{domainNames: [a.example]}")));
  EXPECT_FALSE(world_.allows("gryffindor/a", "slytherin/a")) << "names are for Accept alone; it fails closed";
  EXPECT_THAT(world_.plan.warnings("p"), ElementsAre(HasSubstr("spec.egress[0].to[0].domainNames: ")));
}

TEST_F(ClusterPolicyCases, AnUnknownPeerFailsClosed) {
  auto peer = "{later: {}}, " + all_of("slytherin");
  world_.cluster("p",
                 spec("Admin", 1, all_of("gryffindor"),
                      rule("Accept", "from", peer) + "," + rule("Deny", "from", all_of("slytherin")), ""));
  EXPECT_FALSE(world_.allows("slytherin/a", "gryffindor/a")) << "Accept matches nothing";
  EXPECT_TRUE(world_.allows("ravenclaw/a", "gryffindor/a"));
  EXPECT_THAT(
      world_.plan.warnings("p"),
      ElementsAre("spec.ingress[0].from[0]: this kind of peer is not known; the rule matches nothing"));
  for (std::string action : {"Deny", "Pass"}) {
    world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), rule(action, "from", peer), ""));
    EXPECT_FALSE(world_.allows("ravenclaw/a", "gryffindor/a")) << action << " denies all";
    EXPECT_FALSE(world_.allows("192.0.2.1", "gryffindor/a")) << action;
    EXPECT_TRUE(world_.allows("gryffindor/a", "ravenclaw/a")) << "but for its direction alone";
  }
}

TEST_F(ClusterPolicyCases, NamedPortsOfTheDestination) {
  std::string web = "{destinationNamedPort: web}", dns = "{destinationNamedPort: dns}";
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), rule("Deny", "from", all_of("slytherin"), web),
                           rule("Deny", "to", all_of("slytherin"), web + "," + dns)));
  EXPECT_EQ(with("slytherin", 80), kShut);
  EXPECT_EQ(with("slytherin", 81), kOpen);
  EXPECT_EQ(with("slytherin", 53, "UDP"), std::pair(true, false))
      << "of the protocol that the container says";
  EXPECT_EQ(with("slytherin", 53, "TCP"), kOpen);
}

TEST_F(ClusterPolicyCases, PortRanges) {
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"),
                           rule("Deny", "from", all_of("slytherin"),
                                "{tcp: {destinationPort: {range: {start: 100, end: 200}}}}, {udp: {}}"),
                           ""));
  EXPECT_FALSE(world_.allows("slytherin/a", "gryffindor/a", 100));
  EXPECT_FALSE(world_.allows("slytherin/a", "gryffindor/a", 200));
  EXPECT_TRUE(world_.allows("slytherin/a", "gryffindor/a", 201));
  EXPECT_FALSE(world_.allows("slytherin/a", "gryffindor/a", 1, "UDP"));
  EXPECT_TRUE(world_.allows("slytherin/a", "gryffindor/a", 0, "ICMP"));
}

TEST_F(ClusterPolicyCases, APodReachesItself) {
  both("p", "Admin", 1, "Deny", all_of("gryffindor"));
  EXPECT_TRUE(world_.allows("gryffindor/a", "gryffindor/a"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "gryffindor/b"));
}

TEST_F(ClusterPolicyCases, APodReachesItselfByAServiceIfTheyLetIt) {
  auto by_service = [this] {
    auto answer = world_.plan.evaluate({"gryffindor/a", {}}, {"gryffindor/a", {}}, IPPROTO_TCP, 80, true);
    return answer ? answer->why : answer.error().message;
  };
  const std::string open = "egress is allowed: no policy decides; ingress is allowed: no policy decides";
  EXPECT_EQ(by_service(), open);
  world_.policy("gryffindor/p", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
  EXPECT_EQ(by_service(), open) << "NetworkPolicies leave that open";
  both("base", "Baseline", 1, "Deny", all_of("gryffindor"));
  EXPECT_EQ(by_service(), open) << "where NetworkPolicies have the last word";
  world_.erase_policy("gryffindor/p");
  EXPECT_THAT(by_service(), HasSubstr("egress is denied by ClusterNetworkPolicy base"));
  both("p", "Admin", 1, "Accept", all_of("gryffindor"));
  EXPECT_THAT(by_service(), HasSubstr("ingress is allowed by ClusterNetworkPolicy p"));
  both("p", "Admin", 1, "Deny", all_of("gryffindor"));
  EXPECT_THAT(by_service(), HasSubstr("egress is denied by ClusterNetworkPolicy p"));
}

TEST_F(ClusterPolicyCases, PodsOnTheHostsNetworkAreNeitherSubjectNorPeer) {
  auto host = test::World::pod_object("gryffindor/host", "172.16.0.1", "{house: gryffindor}",
                                      "spec: {hostNetwork: true, containers: []}");
  host.status.hostIP = "172.16.0.1";
  world_.put(host);
  world_.cluster("p", spec("Admin", 1, "{namespaces: {}}", rule("Deny", "from", "{namespaces: {}}"), ""));
  EXPECT_FALSE(world_.maps.pods().contains("gryffindor/host"));
  EXPECT_TRUE(world_.allows("gryffindor/host", "slytherin/a"));
  EXPECT_FALSE(world_.allows("gryffindor/a", "slytherin/a"));
}

TEST_F(ClusterPolicyCases, ReasonsNameTierPriorityAndRule) {
  world_.cluster("lockdown", spec("Admin", 10, all_of("gryffindor"), "",
                                  rule("Accept", "to", all_of("ravenclaw")) + "," +
                                      rule("Deny", "to", "{networks: ['0.0.0.0/0']}", "", "no-internet")));
  auto got = world_.ask("gryffindor/a", "192.0.2.1");
  EXPECT_EQ(
      got.why,
      "egress is denied by ClusterNetworkPolicy lockdown egress[1] \"no-internet\" (Admin, priority 10)");
  EXPECT_EQ(json::serialize(world_.plan.reason(got.egress->reason)->reason.to_json()),
            R"({"verdict":"deny","direction":"egress","kind":"denied","tier":"Admin","priority":10,)"
            R"("rules":[{"policy":"lockdown","rule":1,"name":"no-internet"}]})");
  EXPECT_THAT(world_.ask("gryffindor/a", "ravenclaw/a").why,
              HasSubstr("allowed by ClusterNetworkPolicy lockdown egress[0]"));
}

TEST_F(ClusterPolicyCases, Audit) {
  world_.cluster("p", spec("Admin", 1, all_of("gryffindor"), rule("Deny", "from", all_of("slytherin")), ""),
                 true);
  auto got = world_.ask("slytherin/a", "gryffindor/a");
  EXPECT_TRUE(got.allowed && got.ingress->audit);
  world_.cluster("q", spec("Admin", 2, all_of("gryffindor"), rule("Deny", "from", all_of("ravenclaw")), ""));
  EXPECT_TRUE(world_.allows("slytherin/a", "gryffindor/a")) << "the rule in audit is skipped";
  EXPECT_FALSE(world_.allows("ravenclaw/a", "gryffindor/a")) << "the other is enforced";
  world_.policy("gryffindor/np", "{podSelector: {}}", true);
  EXPECT_TRUE(world_.allows("hufflepuff/a", "gryffindor/a")) << "nor does a policy in audit isolate";
}

}  // namespace
}  // namespace weft::policy
