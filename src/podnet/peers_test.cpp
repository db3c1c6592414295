#include "podnet/peers.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/netns.h"

/// Two nodes on one cable, and the routes between their pods, in the real kernel.
namespace weft::podnet {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr uint8_t kProtocol = 87;

class PeersTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    name = "wt-peers-" + std::to_string(::getpid());
    for (const char* node : {"-a", "-b"}) ASSERT_TRUE(create_netns(name + node, {}));
    Fd other(::open(netns_path(name + "-b").c_str(), O_RDONLY | O_CLOEXEC));
    auto entered = InNetns::enter(netns_path(name + "-a"));
    ASSERT_TRUE(entered);
    inside.emplace(std::move(*entered));
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink->add_veth({"eth0", {2, 0, 0, 0, 0, 1}}, {"eth0", {2, 0, 0, 0, 0, 2}}, other.get()));
    uplink = (*netlink->find_link("eth0"))->index;
    ASSERT_TRUE(netlink->set_up(uplink));
    for (const char* text : {"172.30.0.2/24", "fd00:172::2/64"})
      ASSERT_TRUE(netlink->add_address(uplink, *IpPrefix::parse(text)));
  }
  void TearDown() override {
    inside.reset();
    for (const auto& netns : list_netns(name)) EXPECT_TRUE(remove_netns(netns));
  }

  static kube::Node node(int number) {
    kube::Node out;
    out.metadata.name = "node-" + std::to_string(number);
    auto n = std::to_string(number);
    out.spec.podCIDRs = {"10.244." + n + ".0/24", "fd00:244:" + n + "::/64"};
    for (const auto& ip : {"172.30.0." + n, "fd00:172::" + n})
      out.status.addresses.push_back({{}, "InternalIP", ip});
    return out;
  }
  static Peers open(PeerMode mode) {
    auto peers = Peers::open({.self = self(), .mode = mode});
    EXPECT_TRUE(peers) << peers.error().message;
    return std::move(*peers);
  }
  static Self self() { return {"node-2", {*IpAddr::parse("172.30.0.2"), *IpAddr::parse("fd00:172::2")}}; }
  static PeerPlan plan(const std::vector<int>& numbers, PeerMode mode) {
    std::vector<kube::Node> nodes;
    for (int number : numbers) nodes.push_back(node(number));
    return plan_peers(nodes, self(), mode);
  }
  static std::vector<Route> routes() { return *Netlink::open()->routes(kProtocol); }

  std::string name;
  std::optional<InNetns> inside;
  int uplink = 0;
};

TEST_F(PeersTest, RoutesFollowTheNodes) {
  auto peers = open(PeerMode::direct);
  ASSERT_TRUE(peers.apply(plan({2, 3, 4}, PeerMode::direct)));
  EXPECT_THAT(routes(), SizeIs(4));
  for (const auto& route : routes()) EXPECT_EQ(route.link, uplink);
  ASSERT_TRUE(peers.apply(plan({2, 4}, PeerMode::direct)));
  EXPECT_THAT(routes(), SizeIs(2));
  // Another agent finds what this one has set, and what has gone meanwhile.
  auto later = open(PeerMode::direct);
  ASSERT_TRUE(later.apply(plan({2}, PeerMode::direct)));
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_F(PeersTest, TunnelsLeadWhereTheNodesAre) {
  auto peers = open(PeerMode::vxlan);
  auto both = plan({2, 3}, PeerMode::vxlan);
  ASSERT_TRUE(peers.apply(both));
  auto device = *Netlink::open()->find_link("weft-vxlan");
  ASSERT_TRUE(device);
  EXPECT_EQ(device->mtu, 1500 - vxlan_overhead(false));
  EXPECT_THAT(routes(), SizeIs(2));
  for (const auto& route : routes()) EXPECT_EQ(route.link, device->index);
  // A restart keeps the device: its index would change with it, and with that every route.
  auto again = open(PeerMode::vxlan);
  ASSERT_TRUE(again.apply(both));
  EXPECT_EQ((*Netlink::open()->find_link("weft-vxlan"))->index, device->index);
  ASSERT_TRUE(again.apply(plan({2}, PeerMode::vxlan)));
  EXPECT_THAT(routes(), IsEmpty());
}

TEST_F(PeersTest, WithoutAnOverlayItsDeviceGoes) {
  ASSERT_TRUE(open(PeerMode::vxlan).apply(plan({3}, PeerMode::vxlan)));
  ASSERT_TRUE(open(PeerMode::direct).apply(plan({3}, PeerMode::direct)));
  EXPECT_FALSE(*Netlink::open()->find_link("weft-vxlan"));
  EXPECT_THAT(routes(), SizeIs(2));
  for (const auto& route : routes()) EXPECT_EQ(route.link, uplink);
}

}  // namespace
}  // namespace weft::podnet
