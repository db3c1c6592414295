#include "policy/view.h"

#include "policy/test_world.h"

namespace weft::policy {
namespace {

using ::testing::Test;

struct View : Test {
  View() {
    world.namespace_("shop");
    world.pod("shop/web", "10.0.0.1", "{app: web}",
              "spec: {containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}");
    world.pod("shop/client", "10.0.0.2", "{app: client}");
  }
  const DirectionView& of(const PodView& view, Direction direction) {
    return view.directions[static_cast<size_t>(direction)];
  }
  test::World world;
};

TEST_F(View, RulesInWords) {
  world.policy(
      "shop/web",
      "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
      "client}}}, {ipBlock: {cidr: 10.1.0.0/16, except: [10.1.1.0/24]}}], ports: [{port: 80, endPort: "
      "90}, {protocol: UDP}]}, {}]}");
  auto policies = all_policies(world.plan);
  ASSERT_EQ(policies.size(), 1U);
  const auto& rules = policies[0].rules[WEFT_INGRESS];
  ASSERT_EQ(rules.size(), 2U);
  EXPECT_EQ(rules[0].str(Direction::ingress),
            "allow from pods app=client of shop or 10.1.0.0/16 except 10.1.1.0/24 to TCP 80-90, UDP");
  EXPECT_EQ(rules[1].str(Direction::ingress), "allow from anyone to all ports");
  EXPECT_EQ(policies[0].directions(), "ingress");
  EXPECT_EQ(policies[0].pods, std::vector<std::string>{"shop/web"});
}

TEST_F(View, StandingOfEachDirection) {
  world.cluster(
      "guard",
      "{tier: Admin, priority: 5, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: "
      "[192.0.2.0/24]}]}]}");
  world.policy("shop/web", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}");
  auto view = view_of("shop/web", world.plan);
  ASSERT_TRUE(view);
  EXPECT_EQ(of(*view, Direction::ingress).standing, Standing::isolated);
  EXPECT_EQ(of(*view, Direction::egress).standing, Standing::ruled);
  ASSERT_EQ(of(*view, Direction::egress).policies.size(), 1U);
  EXPECT_EQ(of(*view, Direction::egress).policies[0]->key, "guard");
  auto client = view_of("shop/client", world.plan);
  ASSERT_TRUE(client);
  EXPECT_EQ(of(*client, Direction::ingress).standing, Standing::open);
}

TEST_F(View, AuditOfTheNamespaceIsThePolicys) {
  world.namespace_("shop", "{}", true);
  world.policy("shop/web", "{podSelector: {}, policyTypes: [Egress]}");
  auto view = view_of("shop/web", world.plan);
  ASSERT_TRUE(view);
  EXPECT_EQ(of(*view, Direction::egress).standing, Standing::audit);
  EXPECT_TRUE(view->policies[0].audit);
}

TEST_F(View, WarningsOfPoliciesThatSelectThePod) {
  world.policy("shop/web", "{podSelector: {}, ingress: [{ports: [{port: nope}]}]}");
  auto view = view_of("shop/web", world.plan);
  ASSERT_TRUE(view);
  ASSERT_EQ(view->policies[0].warnings.size(), 1U);
  auto json = view->to_json();
  EXPECT_EQ(json["warnings"].as_array()[0].as_object()["policy"], "shop/web");
}

TEST_F(View, APodOnTheHostsNetworkHasNone) {
  world.pod("shop/host", "10.0.0.9", "{}", "spec: {hostNetwork: true}");
  EXPECT_FALSE(view_of("shop/host", world.plan));
}

}  // namespace
}  // namespace weft::policy
