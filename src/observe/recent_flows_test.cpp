#include "observe/recent_flows.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>

#include "datapath/prefix_key.h"

namespace weft::observe {
namespace {

const Names kNames{
    .pod_at = [](const IpAddr& ip) { return ip.str() == "10.244.0.2" ? "shop/client" : std::string(); },
    .service_at = [](const IpAddr&, uint16_t port,
                     uint8_t) { return port == 80 ? "shop/web" : std::string(); }};
const kube::TimePoint kNow = *kube::parse_time("2026-01-02T03:04:05Z");

weft_socket_event event(weft_socket_kind kind) {
  weft_socket_event out{};
  out.kind = kind;
  out.protocol = IPPROTO_TCP;
  datapath::fill_addr(out.local, *IpAddr::parse("10.244.0.2"));
  datapath::fill_addr(out.remote, *IpAddr::parse("10.244.1.3"));
  out.local_port = htons(40'000);
  out.remote_port = htons(8080);
  return out;
}

json::value only_flow(const weft_socket_event& event) {
  RecentFlows recent;
  recent.add(event);
  auto page = recent.to_json(0, 0, kNames, kNow, event.time_ns + 500'000'000);
  EXPECT_EQ(page["next"], 1);
  EXPECT_EQ(page["flows"].as_array().size(), 1U);
  return page["flows"].as_array()[0];
}

TEST(RecentFlows, AConnectionThroughAService) {
  auto connected = event(WEFT_SOCKET_CONNECTED);
  datapath::fill_addr(connected.frontend, *IpAddr::parse("10.96.0.7"));
  connected.frontend_port = htons(80);
  connected.took_ns = 1'500'000;
  auto flow = only_flow(connected);
  EXPECT_EQ(kube::string_at(flow, "time"), "2026-01-02T03:04:04.500000Z");
  EXPECT_EQ(kube::string_at(flow, "from.pod"), "shop/client");
  EXPECT_EQ(kube::string_at(flow, "to.pod"), "");
  EXPECT_EQ(kube::string_at(flow, "to.address"), "10.244.1.3");
  EXPECT_EQ(kube::string_at(flow, "service.name"), "shop/web");
  EXPECT_EQ(flow.at("service").at("port"), 80);
  EXPECT_EQ(flow.at("from").at("port"), 40'000);
  EXPECT_EQ(flow.at("took_us"), 1500);
}

TEST(RecentFlows, FromIsWhoBeganAlsoAtTheServer) {
  auto accepted = event(WEFT_SOCKET_ACCEPTED);
  accepted.accepted = 1;
  auto flow = only_flow(accepted);
  EXPECT_EQ(kube::string_at(flow, "from.address"), "10.244.1.3");
  EXPECT_EQ(kube::string_at(flow, "to.pod"), "shop/client");
  EXPECT_EQ(kube::string_at(flow, "seen_at"), "to");
  EXPECT_TRUE(flow.at("service").is_null());
}

TEST(RecentFlows, WhatFailedSaysWhy) {
  auto failed = event(WEFT_SOCKET_FAILED);
  failed.error = ECONNREFUSED;
  auto flow = only_flow(failed);
  EXPECT_EQ(kube::string_at(flow, "verdict"), "ERROR");
  EXPECT_EQ(kube::string_at(flow, "error"), "ECONNREFUSED");
  EXPECT_EQ(kube::string_at(only_flow(event(WEFT_SOCKET_FAILED)), "error"), "");
}

TEST(RecentFlows, APageAtATimeAndOnlyTheLatestAreKept) {
  RecentFlows recent;
  const uint64_t all = RecentFlows::kMost + 10;
  for (uint64_t i = 0; i < all; ++i) {
    auto one = event(WEFT_SOCKET_CLOSED);
    one.sent = i;
    recent.add(one);
  }
  uint64_t next = 0, seen = 0, expected = 10;
  while (true) {
    auto page = recent.to_json(next, 3, kNames, kNow, 0);
    EXPECT_EQ(page["lost"], 3);
    const auto& flows = page["flows"].as_array();
    EXPECT_LE(flows.size(), RecentFlows::kPage);
    if (flows.empty()) break;
    for (const auto& flow : flows) EXPECT_EQ(flow.at("sent").to_number<uint64_t>(), expected++);
    seen += flows.size();
    next = page["next"].to_number<uint64_t>();
  }
  EXPECT_EQ(seen, RecentFlows::kMost);
  EXPECT_EQ(next, all);
  // An agent that began anew counts from 0.
  EXPECT_FALSE(recent.to_json(all + 5, 0, kNames, kNow, 0)["flows"].as_array().empty());
}

}  // namespace
}  // namespace weft::observe
