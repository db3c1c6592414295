#include "dns/link_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "dns/plan.h"

namespace weft::dns {
namespace {

kube::Service service(std::vector<std::string> addresses) {
  kube::Service out;
  out.metadata.name = "web";
  out.metadata.namespace_ = "shop";
  if (!addresses.empty()) out.spec.clusterIP = addresses[0];
  out.spec.clusterIPs = std::move(addresses);
  return out;
}

const Name kZone = *Name::parse("cluster.local");

/// What the zone answers for the Service's name.
std::vector<IpAddr> by_zone(const Zone& zone, const Name& name, Type type) {
  Answer answer;
  zone.resolve(name, type, answer);
  EXPECT_EQ(answer.kind, Answer::Kind::found);
  EXPECT_EQ(answer.rcode, Rcode::noerror);
  std::vector<IpAddr> out;
  for (const auto& record : answer.answer) {
    EXPECT_EQ(record.type, type);
    EXPECT_EQ(record.ttl, zone.options().ttl);
    EXPECT_TRUE(name.equals(answer.name(record.owner)));
    out.push_back(record.address);
  }
  EXPECT_EQ(out.empty(), answer.soa_owner.size > 0);
  if (answer.soa_owner.size > 0) EXPECT_TRUE(kZone.equals(answer.name(answer.soa_owner)));
  EXPECT_TRUE(answer.additional.empty());
  return out;
}

std::vector<IpAddr> by_link(const weft_dns_record& record, Type type) {
  std::array<uint8_t, 4> v4;
  std::array<uint8_t, 16> v6;
  std::ranges::copy(record.v4, v4.begin());
  std::ranges::copy(record.v6, v6.begin());
  if (type == Type::a) return record.has_v4 ? std::vector{IpAddr::v4(v4)} : std::vector<IpAddr>();
  return record.has_v6 ? std::vector{IpAddr::v6(v6)} : std::vector<IpAddr>();
}

TEST(LinkPlan, ALinkSaysWhatTheZoneSays) {
  const std::vector<std::vector<std::string>> kinds = {
      {"10.96.0.1"}, {"fd00::1"}, {"10.96.0.1", "fd00::1"}, {"fd00::1", "10.96.0.1"}};
  for (const auto& addresses : kinds) {
    auto made = service(addresses);
    made.spec.ports.push_back({.name = "http", .protocol = "TCP", .port = 80});
    Zone zone(ZoneOptions{.zone = kZone, .ttl = 7});
    zone.apply(nullptr, &made);
    zone.set_synced();
    auto record = link_record(made, kZone);
    ASSERT_TRUE(record);
    const Name name = *Name::parse("web.shop.svc.cluster.local");
    std::vector<uint8_t> wire(WEFT_DNS_NAME);
    std::ranges::copy(name.wire(), wire.begin());
    EXPECT_TRUE(std::ranges::equal(record->first.wire, wire));
    for (Type type : {Type::a, Type::aaaa})
      EXPECT_EQ(by_link(record->second, type), by_zone(zone, name, type));
  }
}

TEST(LinkPlan, AnEarlierFormOfAService) {
  auto old = service({});
  old.spec.clusterIP = "10.96.0.1";
  EXPECT_TRUE(link_record(old, kZone));
}

TEST(LinkPlan, WhatIsNotPlain) {
  EXPECT_FALSE(link_record(service({}), kZone)) << "no address yet";
  EXPECT_FALSE(link_record(service({"None"}), kZone)) << "headless";
  EXPECT_FALSE(link_record(service({"10.96.0.1", "10.96.0.2"}), kZone)) << "whose order changes";
  auto external = service({"10.96.0.1"});
  external.spec.type = "ExternalName";
  EXPECT_FALSE(link_record(external, kZone));
}

TEST(LinkPlan, ANameIsInLowerCaseAndNotTooLong) {
  auto made = service({"10.96.0.1"});
  EXPECT_EQ(link_record(made, *Name::parse("CLUSTER.local"))->first.wire[10], 's');
  auto with = [&](size_t name, size_t ns) {
    made.metadata.name = std::string(name, 'n');
    made.metadata.namespace_ = std::string(ns, 's');
    return link_record(made, kZone);
  };
  // 1 + 63 + 1 + ns + 4 of "svc" + 15 of the zone.
  EXPECT_TRUE(with(63, 44));
  EXPECT_FALSE(with(63, 45));
  EXPECT_FALSE(with(64, 4));
}

TEST(LinkPlan, AConfigurationThatDoesMoreKeepsThem) {
  EXPECT_TRUE(leaves_to_links({}));
  EXPECT_TRUE(leaves_to_links({.client_rate = 0}));
  EXPECT_FALSE(leaves_to_links({.client_rate = 100}));
  EXPECT_FALSE(leaves_to_links({.log_queries = true}));
  EXPECT_FALSE(leaves_to_links({.rewrites = {Rewrite{.from = "a", .to = "b"}}}));
  Config hosts;
  hosts.hosts.fall_through = false;
  EXPECT_FALSE(leaves_to_links(hosts));
  hosts = {};
  hosts.hosts.entries.push_back({.address = *IpAddr::parse("192.0.2.1"), .names = {kZone}});
  EXPECT_FALSE(leaves_to_links(hosts));
}

}  // namespace
}  // namespace weft::dns
