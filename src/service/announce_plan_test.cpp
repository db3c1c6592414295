#include "service/announce_plan.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace weft::service {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

IpAddr ip(const std::string& text) { return *IpAddr::parse(text); }

AnnounceNode node(int number, bool excluded = false) {
  return {.addresses = {ip(fmt::format("172.30.0.{}", number))}, .excluded = excluded, .ready = true};
}

kube::Service balanced(const std::string& name, const std::vector<std::string>& addresses,
                       const std::string& policy = "Cluster") {
  kube::Service out;
  out.metadata.namespace_ = "shop";
  out.metadata.name = name;
  out.metadata.uid = "uid-" + name;
  out.spec.type = "LoadBalancer";
  out.spec.externalTrafficPolicy = policy;
  out.spec.ports.resize(1);
  out.spec.ports[0].protocol = "TCP";
  out.spec.ports[0].port = 80;
  for (const auto& addr : addresses) out.status.loadBalancer.ingress.push_back({{}, addr, {}, "VIP", {}});
  return out;
}

SlicePtr slice(const std::vector<std::string>& nodes, const std::string& type = "IPv4",
               kube::EndpointConditions conditions = {}) {
  auto out = std::make_shared<kube::EndpointSlice>();
  out->addressType = type;
  out->ports.push_back({{}, "", "TCP", 8080, {}});
  for (const auto& name : nodes) {
    kube::Endpoint endpoint;
    endpoint.addresses = {type == "IPv4" ? "10.244.0.9" : "fd00:244::9"};
    endpoint.nodeName = name;
    endpoint.conditions = conditions;
    out->endpoints.push_back(std::move(endpoint));
  }
  return out;
}

/// A planner of a cluster of nodes that are all alive, unless told otherwise.
class World {
 public:
  explicit World(int nodes) {
    std::set<std::string> alive;
    for (int number = 1; number <= nodes; ++number) {
      auto name = fmt::format("node-{}", number);
      planner.node_changed(name, node(number));
      alive.insert(name);
    }
    planner.begin(alive);
  }
  AnnouncePlanner::Changes put(const kube::Service& service) {
    return planner.service_changed("shop/" + service.metadata.name,
                                   std::make_shared<const kube::Service>(service));
  }
  AnnouncePlanner::Changes put(const std::string& service, SlicePtr after, const std::string& name = "a") {
    return planner.slice_changed("shop/" + service, name, std::move(after));
  }
  std::string owner(const std::string& addr) const { return planner.announcement(ip(addr)).owner; }
  std::string why(const std::string& addr) const { return planner.why(ip(addr)); }
  std::map<IpAddr, std::string> owners() const {
    std::map<IpAddr, std::string> out;
    for (const auto& addr : planner.addresses()) out[addr] = planner.announcement(addr).owner;
    return out;
  }
  AnnouncePlanner planner;
};

/// Services with an address each.
void put_many(World& world, int count = 300, bool backwards = false) {
  for (int n = 0; n < count; ++n) {
    int i = backwards ? count - 1 - n : n;
    world.put(balanced(fmt::format("s{}", i), {fmt::format("192.0.{}.{}", i / 250, i % 250 + 1)}));
  }
}

TEST(AnnounceAddresses, OnlyThoseThatAreOurs) {
  auto service =
      balanced("web", {"192.0.2.1", "2001:db8::1", "nonsense", "224.0.0.1", "127.0.0.1", "192.0.2.1"});
  EXPECT_THAT(announced_addresses(service), ElementsAre(ip("192.0.2.1"), ip("2001:db8::1")));
  service.status.loadBalancer.ingress[0].ipMode = "Proxy";
  service.status.loadBalancer.ingress[5].ipMode = "Proxy";
  service.status.loadBalancer.ingress[1].ipMode = std::nullopt;
  EXPECT_THAT(announced_addresses(service), ElementsAre(ip("2001:db8::1")));
  service.spec.loadBalancerClass = "weft.dev/weft";
  EXPECT_THAT(announced_addresses(service), ElementsAre(ip("2001:db8::1")));
  service.spec.loadBalancerClass = "example.com/other";
  EXPECT_THAT(announced_addresses(service), IsEmpty());
  service.spec.loadBalancerClass = std::nullopt;
  service.spec.type = "NodePort";
  EXPECT_THAT(announced_addresses(service), IsEmpty());
}

TEST(AnnounceNodes, FactsOfANode) {
  kube::Node object;
  object.status.addresses = {
      {{}, "Hostname", "a"}, {{}, "InternalIP", "fd00::1"}, {{}, "InternalIP", "10.0.0.1"}};
  EXPECT_THAT(announce_node(object).addresses, ElementsAre(ip("10.0.0.1"), ip("fd00::1")));
  EXPECT_FALSE(announce_node(object).excluded);
  EXPECT_FALSE(announce_node(object).ready);
  object.metadata.labels["node.kubernetes.io/exclude-from-external-load-balancers"] = "";
  object.status.conditions.resize(1);
  object.status.conditions[0].type = "Ready";
  object.status.conditions[0].status = "True";
  EXPECT_TRUE(announce_node(object).excluded);
  EXPECT_TRUE(announce_node(object).ready);
}

TEST(AnnounceEndpoints, ReadyOrServingToTheEnd) {
  auto service = balanced("web", {});
  auto nodes = [&](std::optional<bool> ready, std::optional<bool> serving, std::optional<bool> terminating) {
    return nodes_with_endpoints(service,
                                {{"a", slice({"node-1"}, "IPv4", {{}, ready, serving, terminating})}}, false);
  };
  EXPECT_THAT(nodes({}, {}, {}), ElementsAre("node-1"));
  EXPECT_THAT(nodes(false, {}, {}), IsEmpty());
  EXPECT_THAT(nodes(false, true, {}), IsEmpty());
  EXPECT_THAT(nodes(false, true, true), ElementsAre("node-1"));
  EXPECT_THAT(nodes(false, false, true), IsEmpty());
  EXPECT_THAT(nodes_with_endpoints(service, {{"a", slice({"node-1"}, "IPv6")}}, false), IsEmpty());
  service.spec.ports[0].name = "other";
  EXPECT_THAT(nodes({}, {}, {}), IsEmpty());
}

TEST(AnnouncePlan, EveryAddressHasOneOwnerAndNodesShare) {
  World world(3);
  put_many(world);
  std::map<std::string, int> counts;
  for (const auto& [addr, owner] : world.owners()) ++counts[owner];
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [name, count] : counts) EXPECT_GT(count, 60) << name;
}

TEST(AnnouncePlan, AllAgreeWhateverTheOrder) {
  World a(5), b(3);
  put_many(a);
  b.planner.end();
  put_many(b, 300, true);
  for (int number : {5, 4}) b.planner.node_changed(fmt::format("node-{}", number), node(number));
  b.planner.begin({"node-5", "node-4", "node-3", "node-2", "node-1"});
  EXPECT_EQ(a.owners(), b.owners());
}

TEST(AnnouncePlan, OnlyWhatADeadNodeHadMovesAndComesBack) {
  World world(4);
  put_many(world);
  auto before = world.owners();
  auto changes = world.planner.alive_changed("node-2", false);
  for (const auto& [addr, owner] : world.owners()) {
    EXPECT_EQ(changes.contains(addr), before[addr] == "node-2");
    if (before[addr] != "node-2") EXPECT_EQ(owner, before[addr]);
    EXPECT_NE(owner, "node-2");
  }
  EXPECT_EQ(world.planner.alive_changed("node-2", true), changes);
  EXPECT_EQ(world.owners(), before);
}

TEST(AnnouncePlan, ANewNodeTakesOnlyItsShare) {
  World world(3);
  put_many(world);
  auto before = world.owners();
  world.planner.node_changed("node-4", node(4));
  auto changes = world.planner.alive_changed("node-4", true);
  EXPECT_GT(changes.size(), 40U);
  for (const auto& [addr, owner] : world.owners()) {
    if (changes.contains(addr)) {
      EXPECT_EQ(owner, "node-4");
    } else {
      EXPECT_EQ(owner, before[addr]);
    }
  }
  EXPECT_EQ(world.planner.node_changed("node-4", std::nullopt), changes);
  EXPECT_EQ(world.owners(), before);
}

TEST(AnnouncePlan, AnExcludedNodeHasNone) {
  World world(2);
  put_many(world);
  auto before = world.owners();
  world.planner.node_changed("node-1", node(1, true));
  for (const auto& [addr, owner] : world.owners()) EXPECT_EQ(owner, "node-2");
  world.planner.node_changed("node-2", node(2, true));
  EXPECT_EQ(world.owner("192.0.0.1"), "");
  EXPECT_THAT(world.why("192.0.0.1"), HasSubstr("node-1 has the label node.kubernetes.io/exclude-from"));
  auto speaker = world.planner.announcement(ip("192.0.0.1")).speaker;
  EXPECT_THAT(speaker, testing::AnyOf("node-1", "node-2"));
  world.planner.alive_changed(speaker, false);
  EXPECT_NE(world.planner.announcement(ip("192.0.0.1")).speaker, speaker);
  world.planner.alive_changed(speaker, true);
  for (int number : {1, 2}) world.planner.node_changed(fmt::format("node-{}", number), node(number));
  EXPECT_EQ(world.owners(), before);
}

TEST(AnnouncePlan, PolicyLocalFollowsTheEndpoints) {
  World world(3);
  world.put(balanced("web", {"192.0.2.1", "2001:db8::1"}, "Local"));
  EXPECT_NE(world.owner("192.0.2.1"), "");
  EXPECT_THAT(world.why("192.0.2.1"), HasSubstr("no node has an endpoint"));
  for (const auto* name : {"node-1", "node-2", "node-3"}) {
    world.put("web", slice({name}));
    EXPECT_EQ(world.owner("192.0.2.1"), name);
    EXPECT_EQ(world.why("192.0.2.1"), "");
  }
  world.put("web", slice({"node-2"}, "IPv6"), "b");
  EXPECT_EQ(world.owner("192.0.2.1"), "node-3");
  EXPECT_EQ(world.owner("2001:db8::1"), "node-2");
  world.planner.alive_changed("node-3", false);
  EXPECT_EQ(world.owner("192.0.2.1"), "");
  EXPECT_THAT(world.why("192.0.2.1"),
              testing::AllOf(HasSubstr("node-3 is not heard"), HasSubstr("node-1 has no endpoint of it")));
  world.put("web", nullptr);
  EXPECT_NE(world.owner("192.0.2.1"), "");
}

TEST(AnnouncePlan, EndpointsDoNotMatterToPolicyCluster) {
  World world(3);
  world.put(balanced("web", {"192.0.2.1"}));
  auto before = world.owner("192.0.2.1");
  for (const auto* name : {"node-1", "node-2", "node-3"})
    EXPECT_THAT(world.put("web", slice({name})), IsEmpty());
  EXPECT_EQ(world.owner("192.0.2.1"), before);
}

TEST(AnnouncePlan, WhoServesAllThatShareAnAddressHasIt) {
  World world(4);
  world.put(balanced("a", {"192.0.2.1"}, "Local"));
  world.put(balanced("b", {"192.0.2.1"}, "Local"));
  world.put("a", slice({"node-1", "node-2"}));
  world.put("b", slice({"node-2", "node-3"}));
  EXPECT_EQ(world.owner("192.0.2.1"), "node-2");
  // Then who serves one of them.
  world.planner.alive_changed("node-2", false);
  EXPECT_THAT(world.owner("192.0.2.1"), testing::AnyOf("node-1", "node-3"));
  world.put("a", slice({"node-1"}));
  EXPECT_THAT(world.owner("192.0.2.1"), testing::AnyOf("node-1", "node-3"));
  // One that any node serves goes where the other one is.
  world.put(balanced("b", {"192.0.2.1"}, "Cluster"));
  EXPECT_EQ(world.owner("192.0.2.1"), "node-1");
  world.planner.alive_changed("node-1", false);
  EXPECT_THAT(world.owner("192.0.2.1"), testing::AnyOf("node-3", "node-4"));
}

TEST(AnnouncePlan, ANodesAddressIsNeverAnnounced) {
  World world(3);
  world.put(balanced("web", {"172.30.0.2", "172.30.0.9"}));
  EXPECT_EQ(world.owner("172.30.0.2"), "");
  EXPECT_THAT(world.why("172.30.0.2"), HasSubstr("address of node node-2"));
  EXPECT_NE(world.owner("172.30.0.9"), "");
  world.planner.node_changed("node-9", node(9));
  EXPECT_EQ(world.owner("172.30.0.9"), "");
  world.planner.node_changed("node-9", std::nullopt);
  EXPECT_NE(world.owner("172.30.0.9"), "");
}

TEST(AnnouncePlan, AnAddressGoesWithItsLastService) {
  World world(2);
  auto service = balanced("a", {"192.0.2.1"});
  world.put(service);
  world.put(balanced("b", {"192.0.2.1"}));
  EXPECT_EQ(world.planner.services_of(ip("192.0.2.1")).size(), 2U);
  service.status.loadBalancer.ingress.clear();
  EXPECT_THAT(world.put(service), ElementsAre(ip("192.0.2.1")));
  EXPECT_NE(world.owner("192.0.2.1"), "");
  EXPECT_THAT(world.planner.service_changed("shop/b", nullptr), ElementsAre(ip("192.0.2.1")));
  EXPECT_TRUE(world.planner.empty());
  EXPECT_EQ(world.owner("192.0.2.1"), "");
}

TEST(AnnouncePlan, NothingIsAnnouncedBeforeItBeginsAndAfterItEnds) {
  World world(2);
  put_many(world, 10);
  EXPECT_EQ(world.planner.end().size(), 10U);
  EXPECT_EQ(world.owner("192.0.0.1"), "");
  EXPECT_EQ(world.planner.announcement(ip("192.0.0.1")).speaker, "");
  world.put(balanced("late", {"192.0.2.1"}));
  EXPECT_EQ(world.owner("192.0.2.1"), "");
  EXPECT_THAT(world.planner.begin({"node-1"}), Contains(ip("192.0.2.1")));
  EXPECT_EQ(world.owner("192.0.2.1"), "node-1");
}

/// Whatever happens, one event at a time comes to the same as all at once.
TEST(AnnouncePlan, EventsComeToTheSameAsTheWhole) {
  std::mt19937 random(7);
  auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  World world(0);
  std::map<std::string, AnnounceNode> nodes;
  std::set<std::string> alive;
  std::map<std::string, kube::Service> services;
  std::map<std::string, SlicePtr> slices;
  auto some_nodes = [&] {
    std::vector<std::string> out;
    for (int i = pick(3); i > 0; --i) out.push_back(fmt::format("node-{}", pick(6)));
    return out;
  };
  for (int turn = 0; turn < 1000; ++turn) {
    auto name = fmt::format("node-{}", pick(6));
    auto service = fmt::format("s{}", pick(8));
    AnnouncePlanner::Changes changes;
    auto before = world.owners();
    switch (pick(6)) {
      case 0:
        nodes[name] = node(pick(12), pick(5) == 0);
        changes = world.planner.node_changed(name, nodes[name]);
        break;
      case 1:
        nodes.erase(name);
        alive.erase(name);
        changes = world.planner.node_changed(name, std::nullopt);
        break;
      case 2:
      case 3: {
        bool lives = pick(3) > 0;
        lives ? (void)alive.insert(name) : (void)alive.erase(name);
        changes = world.planner.alive_changed(name, lives);
        break;
      }
      case 4:
        services[service] =
            balanced(service, {fmt::format("172.30.0.{}", pick(12)), fmt::format("192.0.2.{}", pick(6))},
                     pick(2) ? "Local" : "Cluster");
        if (pick(4) == 0) services[service].status.loadBalancer.ingress.clear();
        changes = world.put(services[service]);
        break;
      default:
        slices[service] = slice(some_nodes());
        changes = world.put(service, slices[service]);
    }
    World whole(0);
    for (const auto& [key, facts] : nodes) whole.planner.node_changed(key, facts);
    for (const auto& [key, after] : slices) whole.put(key, after);
    for (const auto& [key, object] : services) whole.put(object);
    whole.planner.begin(alive);
    ASSERT_EQ(world.owners(), whole.owners()) << turn;
    for (const auto& [addr, owner] : world.owners()) {
      if (before.contains(addr) && before[addr] != owner) ASSERT_THAT(changes, Contains(addr));
      if (owner.empty())
        ASSERT_EQ(world.planner.announcement(addr).speaker.empty(),
                  whole.planner.announcement(addr).speaker.empty());
    }
  }
}

}  // namespace
}  // namespace weft::service
