#include "service/edge_plan.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <map>

#include "service/image.h"

namespace weft::service {
namespace {

IpAddr ip(const char* text) { return *IpAddr::parse(text); }
IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

kube::Node node(const std::string& name, const std::string& address, std::vector<std::string> pods) {
  kube::Node out;
  out.metadata.name = name;
  out.spec.podCIDRs = std::move(pods);
  out.status.addresses.push_back({{}, "InternalIP", address});
  out.status.addresses.push_back({{}, "Hostname", name});
  return out;
}

EdgeFacts self() {
  return {.addresses = {ip("172.30.0.2"), ip("fd00:172::2")},
          .pods = {prefix("10.244.0.0/24"), prefix("fd00:244::/64")}};
}

std::map<std::string, uint32_t> places(const EdgePlan& plan) {
  std::map<std::string, uint32_t> out;
  for (const auto& [where, place] : plan.prefixes) out[where.str()] |= place;
  return out;
}

TEST(EdgePlan, TheInsideIsNodesAndTheirPods) {
  std::vector nodes{node("a", "172.30.0.2", {"10.244.0.0/24"}),
                    node("b", "172.30.0.3", {"10.244.1.0/24", "odd"})};
  auto plan = plan_edge(self(), nodes);
  auto at = places(plan);
  EXPECT_EQ(at["10.244.0.0/24"], WEFT_PREFIX_OWN_PODS | WEFT_PREFIX_CLUSTER);
  EXPECT_EQ(at["fd00:244::/64"], WEFT_PREFIX_OWN_PODS | WEFT_PREFIX_CLUSTER);
  for (const char* inside : {"10.244.1.0/24", "172.30.0.2/32", "fd00:172::2/128"})
    EXPECT_EQ(at[inside], WEFT_PREFIX_CLUSTER) << inside;
  EXPECT_EQ(at["172.30.0.3/32"], WEFT_PREFIX_CLUSTER | WEFT_PREFIX_NODE);
  EXPECT_TRUE(at.contains("ff00::/8"));
  EXPECT_FALSE(at.contains("0.0.0.0/0"));
  EXPECT_EQ(addr_of(plan.settings.node4), ip("172.30.0.2"));
  EXPECT_EQ(addr_of(plan.settings.node6), ip("fd00:172::2"));
  EXPECT_EQ(plan.settings.masquerade, 1);
  EXPECT_EQ(plan.settings.direct_return, 0);
}

TEST(EdgePlan, ThroughATunnelAnswersComeBackToThePodsRange) {
  std::vector nodes{node("a", "172.30.0.2", {"10.244.0.0/24"}), node("b", "172.30.0.3", {"10.244.1.0/24"})};
  auto facts = self();
  facts.overlay = true;
  auto plan = plan_edge(facts, nodes);
  EXPECT_EQ(addr_of(plan.settings.tunnel4), ip("10.244.0.0"));
  EXPECT_EQ(addr_of(plan.settings.tunnel6), ip("fd00:244::"));
  EXPECT_EQ(places(plan)["10.244.1.0/24"], WEFT_PREFIX_CLUSTER | WEFT_PREFIX_TUNNEL);
  EXPECT_EQ(places(plan)["10.244.0.0/24"], WEFT_PREFIX_OWN_PODS | WEFT_PREFIX_CLUSTER);
}

std::vector<std::string> ranges(const weft_range (&ranges)[WEFT_INSIDE_RANGES]) {
  std::vector<std::string> out;
  for (const auto& range : ranges) {
    if (!range.base[0] && !range.base[1]) continue;
    uint8_t base[16];
    std::memcpy(base, range.base, sizeof(base));
    int ones = std::popcount(range.mask[0]) + std::popcount(range.mask[1]);
    auto addr = addr_of(base);
    out.push_back(IpPrefix{addr, ones - (128 - addr.bits())}.str());
  }
  return out;
}

TEST(EdgePlan, WhatIsInsideAtOnceIsAllPodsInFewRanges) {
  std::vector nodes{node("a", "172.30.0.2", {"10.244.0.0/24", "fd00:244::/64"}),
                    node("b", "172.30.0.3", {"10.244.1.0/24", "fd00:244:0:1::/64"}),
                    node("c", "172.30.0.4", {"10.244.2.0/24", "fd00:244:0:3::/64"})};
  auto plan = plan_edge(self(), nodes);
  EXPECT_EQ(ranges(plan.settings.inside4), (std::vector<std::string>{"10.244.0.0/23", "10.244.2.0/24"}));
  EXPECT_EQ(ranges(plan.settings.inside6), (std::vector<std::string>{"fd00:244::/63", "fd00:244:0:3::/64"}));
  for (int i = 0; i < 8; ++i)
    nodes.push_back(node("more", "172.30.0.5", {"10.245." + std::to_string(2 * i) + ".0/24"}));
  EXPECT_EQ(ranges(plan_edge(self(), nodes).settings.inside4).size(), WEFT_INSIDE_RANGES);
}

}  // namespace
}  // namespace weft::service
