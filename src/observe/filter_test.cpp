#include "observe/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::observe {
namespace {

const json::value kFlow = json::parse(R"({
  "time": "2026-01-02T03:04:05.000001Z", "node": "node-1", "event": "connected", "verdict": "FORWARDED", "error": "",
  "protocol": "TCP", "from": {"pod": "shop/client-5b6d", "address": "10.244.0.2", "port": 40000},
  "to": {"pod": "data/db-0", "address": "10.244.1.3", "port": 5432},
  "service": {"name": "data/db", "address": "10.96.0.9", "port": 5000}, "took_us": 1234, "sent": 0, "received": 0})");
const json::value kPlain = json::parse(R"({
  "time": "2026-01-02T03:04:05.000001Z", "node": "node-1", "event": "failed", "verdict": "ERROR", "error": "",
  "protocol": "TCP", "from": {"pod": "shop/client-5b6d", "address": "10.244.0.2", "port": 40000},
  "to": {"pod": "", "address": "fd00::1", "port": 80}, "service": null, "took_us": 2000000, "sent": 0, "received": 0})");

struct Case {
  const char* name;
  FlowFilter filter;
  bool wanted;
};

TEST(FlowFilter, EachFilter) {
  std::vector<Case> cases{
      {"nothing asked", {}, true},
      {"pod by its beginning", {.pod = {"client"}}, true},
      {"either end", {.pod = {"data/db"}}, true},
      {"another namespace's", {.pod = {"data/client"}}, false},
      {"one of several", {.pod = {"nobody", "db-0"}}, true},
      {"from", {.from_pod = {"db"}}, false},
      {"to", {.to_pod = {"db"}}, true},
      {"namespace", {.ns = {"data"}}, true},
      {"no part of a namespace", {.ns = {"dat"}}, false},
      {"from namespace", {.from_ns = {"data"}}, false},
      {"pod and namespace at one end", {.pod = {"client"}, .ns = {"data"}}, false},
      {"address", {.ip = {"10.244.1.3"}}, true},
      {"from address", {.from_ip = {"10.244.1.3"}}, false},
      {"Service", {.service = {"db"}}, true},
      {"Service with namespace", {.service = {"data/db"}}, true},
      {"no part of a Service's name", {.service = {"d"}}, false},
      {"verdict in any case", {.verdict = {"forwarded"}}, true},
      {"another verdict", {.verdict = {"DROPPED"}}, false},
      {"protocol", {.protocol = {"udp"}}, false},
      {"event", {.event = {"connected", "closed"}}, true},
      {"either end's port", {.port = {40000}}, true},
      {"not the client's port", {.to_port = {40000}}, false},
      {"the Service's port", {.to_port = {5000}}, true},
      {"the target's port", {.to_port = {5432}}, true},
      {"inverted", {.pod = {"client"}, .invert = true}, false},
      {"inverted and not fitting", {.pod = {"nobody"}, .invert = true}, true},
  };
  for (const auto& c : cases) EXPECT_EQ(c.filter.wants(kFlow), c.wanted) << c.name;
  EXPECT_FALSE((FlowFilter{.service = {"db"}}).wants(kPlain));
  EXPECT_FALSE((FlowFilter{.to_ns = {"shop"}}).wants(kPlain));
}

TEST(FlowText, OneLine) {
  EXPECT_EQ(compact(kFlow),
            "2026-01-02T03:04:05.000001Z node-1: shop/client-5b6d:40000 -> data/db-0:5432 (data/db:5000) TCP "
            "connected FORWARDED in 1.2 ms");
  EXPECT_EQ(
      compact(kPlain),
      "2026-01-02T03:04:05.000001Z node-1: shop/client-5b6d:40000 -> [fd00::1]:80 TCP failed ERROR given up "
      "after 2000.0 ms");
}

TEST(FlowText, WhatAPolicyDecided) {
  auto decision = json::parse(R"({"time": "T", "verdict": "denied", "direction": "ingress", "protocol": "TCP",
    "from": {"pod": "shop/a", "address": "10.244.0.2", "port": 1}, "to": {"pod": "shop/b", "address": "10.244.0.3",
    "port": 2}, "policies": ["shop/web"], "why": "ingress is denied"})");
  json::value flow = flow_of_decision(decision);
  EXPECT_EQ(kube::string_at(flow, "verdict"), "DROPPED");
  EXPECT_EQ(kube::string_at(flow, "seen_at"), "to");
  EXPECT_EQ(compact(flow), "T : shop/a:1 -> shop/b:2 TCP decided DROPPED: ingress is denied");
  EXPECT_TRUE((FlowFilter{.verdict = {"DROPPED"}, .event = {"decided"}}).wants(flow));
  decision.get_object()["verdict"] = "audited";
  const json::value audited = flow_of_decision(decision);
  EXPECT_EQ(kube::string_at(audited, "verdict"), "AUDIT");
}

TEST(FlowText, FlowsWithoutFieldsAreNoTrouble) {
  EXPECT_FALSE(compact(json::object{}).empty());
  EXPECT_TRUE(FlowFilter{}.wants(json::object{{"from", 7}}));
}

}  // namespace
}  // namespace weft::observe
