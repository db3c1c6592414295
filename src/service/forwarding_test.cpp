#include "service/forwarding.h"

#include <gtest/gtest.h>

#include "service/edge_plan.h"

namespace weft::service {
namespace {

kube::Node node(const char* forwarding) {
  kube::Node out;
  out.metadata.name = "node-1";
  if (forwarding) out.metadata.annotations[kForwardingAnnotation] = forwarding;
  out.spec.podCIDRs = {"10.244.1.0/24", "fd00:244:1::/64"};
  for (const char* address : {"172.30.0.2", "fd00:172::2"}) {
    auto& one = out.status.addresses.emplace_back();
    one.type = "InternalIP";
    one.address = address;
  }
  return out;
}

std::string seen(const char* forwarding, const char* endpoint, bool pod = true) {
  auto out = source_behind(node(forwarding), *IpAddr::parse(endpoint), pod);
  return out ? out->str() : "the client";
}

TEST(Forwarding, WhatAnEndpointSees) {
  EXPECT_EQ(seen(nullptr, "10.244.2.9"), "172.30.0.2");
  EXPECT_EQ(seen("routes", "fd00:244:2::9"), "fd00:172::2");
  EXPECT_EQ(seen("dsr", "10.244.2.9"), "the client");
  EXPECT_EQ(seen("vxlan", "10.244.2.9"), "10.244.1.0");
  EXPECT_EQ(seen("vxlan", "fd00:244:2::9"), "fd00:244:1::");
  EXPECT_EQ(seen("vxlan", "172.30.0.3", false), "172.30.0.2") << "nodes are reached without the tunnel";
  EXPECT_EQ(seen("of a later version", "10.244.2.9"), "172.30.0.2");
}

TEST(Forwarding, IsAsTheEdgesPlanHasIt) {
  auto plan = plan_edge({.addresses = {*IpAddr::parse("172.30.0.2"), *IpAddr::parse("fd00:172::2")},
                         .pods = {*IpPrefix::parse("10.244.1.0/24"), *IpPrefix::parse("fd00:244:1::/64")},
                         .overlay = true},
                        {});
  auto bytes = [](const char* text) { return IpAddr::parse(text)->mapped(); };
  auto same = [](const auto& raw, const auto& wanted) {
    return std::equal(std::begin(raw), std::end(raw), std::begin(wanted));
  };
  EXPECT_TRUE(same(plan.settings.tunnel4, bytes(seen("vxlan", "10.244.2.9").c_str())));
  EXPECT_TRUE(same(plan.settings.tunnel6, bytes(seen("vxlan", "fd00:244:2::9").c_str())));
  EXPECT_TRUE(same(plan.settings.node4, bytes(seen("routes", "10.244.2.9").c_str())));
}

}  // namespace
}  // namespace weft::service
