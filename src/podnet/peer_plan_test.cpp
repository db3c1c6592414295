#include "podnet/peer_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::podnet {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

IpAddr ip(const char* text) { return *IpAddr::parse(text); }
IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

kube::Node node(const std::string& name, std::vector<std::string> cidrs,
                const std::vector<std::string>& ips) {
  kube::Node out;
  out.metadata.name = name;
  out.spec.podCIDRs = std::move(cidrs);
  for (const auto& address : ips) out.status.addresses.push_back({{}, "InternalIP", address});
  out.status.addresses.push_back({{}, "Hostname", name});
  return out;
}

const Self kSelf{"a", {ip("172.30.0.2"), ip("fd00:172::2")}};

TEST(PeerPlan, OtherNodesRangesByTheirAddressOfTheSameFamily) {
  std::vector nodes{node("a", {"10.244.0.0/24", "fd00:244::/64"}, {"172.30.0.2", "fd00:172::2"}),
                    node("b", {"10.244.1.0/24", "fd00:244:1::/64"}, {"172.30.0.3", "fd00:172::3"})};
  auto plan = plan_peers(nodes, kSelf, PeerMode::direct);
  EXPECT_THAT(plan.problems, IsEmpty());
  EXPECT_THAT(plan.routes, ElementsAre(PeerRoute{prefix("10.244.1.0/24"), ip("172.30.0.3"), ip("172.30.0.2"),
                                                 "Node b spec.podCIDRs[0]"},
                                       PeerRoute{prefix("fd00:244:1::/64"), ip("fd00:172::3"),
                                                 ip("fd00:172::2"), "Node b spec.podCIDRs[1]"}));
}

TEST(PeerPlan, TunnelsUseOneFamilyForAllRanges) {
  std::vector nodes{node("b", {"10.244.1.0/24", "fd00:244:1::/64"}, {"fd00:172::3", "172.30.0.3"})};
  auto plan = plan_peers(nodes, kSelf, PeerMode::vxlan);
  EXPECT_THAT(plan.routes, ElementsAre(Field(&PeerRoute::node, ip("172.30.0.3")),
                                       Field(&PeerRoute::node, ip("172.30.0.3"))));
}

TEST(PeerPlan, NamesWhatLeadsNowhere) {
  std::vector nodes{node("b", {"10.244.1.0/24"}, {"fd00:172::3"}), node("c", {"10.244.2.0"}, {"172.30.0.4"}),
                    node("d", {"10.244.3.0/24"}, {"172.30.0.5"}),
                    node("e", {"10.244.3.128/25"}, {"172.30.0.6"})};
  auto plan = plan_peers(nodes, kSelf, PeerMode::direct);
  EXPECT_THAT(plan.routes, ElementsAre(Field(&PeerRoute::pods, prefix("10.244.3.0/24"))));
  EXPECT_THAT(
      plan.problems,
      ElementsAre(
          "Node b spec.podCIDRs[0]: no InternalIP of the family that leads to it",
          "Node c spec.podCIDRs[0]: not a prefix: 10.244.2.0",
          "Node e spec.podCIDRs[0]: 10.244.3.128/25 overlaps 10.244.3.0/24 of Node d spec.podCIDRs[0]"));
}

TEST(PeerPlan, TunnelAddressesAreLocalAndDiffer) {
  auto a = tunnel_mac(ip("172.30.0.2")), b = tunnel_mac(ip("172.30.0.3"));
  EXPECT_NE(a, b);
  EXPECT_EQ(a[0] & 3, 2);
  EXPECT_NE(tunnel_mac(ip("fd00:1::1")), tunnel_mac(ip("fd00:2::1")));
}

}  // namespace
}  // namespace weft::podnet
