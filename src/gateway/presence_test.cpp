#include "gateway/presence.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "gateway/infrastructure_controller.h"
#include "gateway/presence_engine.h"
#include "kube/client/testing/memory_api.h"
#include "kube/codec.h"
#include "kube/node.h"

namespace weft::gateway {
namespace {

using namespace std::chrono_literals;

struct PresenceTest : testing::Test {
  Presence presence;
  Presence::TimePoint start = Presence::TimePoint(std::chrono::hours(1));
  void renew(const std::string& node, std::chrono::milliseconds at) {
    presence.renewed(node, kPresenceDuration, start + at);
  }
  bool serves(const std::string& node, std::chrono::milliseconds at) {
    return presence.serves(node, start + at);
  }
};

TEST_F(PresenceTest, WhoDoesNotRenewLeaves) {
  for (auto at = 0s; at <= 12s; at += 3s) renew("a", at);
  renew("b", 0s);
  renew("b", 3s);
  for (auto at = 6s; at <= 24s; at += 3s) renew("a", at);
  EXPECT_TRUE(serves("b", 12'900ms));
  EXPECT_FALSE(serves("b", 13s)) << "10 s after it was seen last";
  EXPECT_TRUE(serves("a", 13s));
  EXPECT_FALSE(serves("c", 13s)) << "has never said that it serves";
  EXPECT_EQ(presence.next_change(start + 13s), start + 34s);
  renew("b", 25s);
  EXPECT_TRUE(serves("b", 25s));
  presence.gone("b");
  EXPECT_FALSE(serves("b", 25s)) << "it has taken it back";
}

TEST_F(PresenceTest, WithoutAnybodyAllDo) {
  EXPECT_TRUE(serves("a", 0s));
  EXPECT_FALSE(presence.next_change(start));
  renew("a", 0s);
  EXPECT_FALSE(serves("b", 5s));
  EXPECT_TRUE(serves("b", 10s)) << "a is not heard of either";
  EXPECT_FALSE(presence.next_change(start + 10s));
}

TEST_F(PresenceTest, ASilentApiServerTakesNobodyOut) {
  renew("a", 0s);
  renew("b", 1s);
  renew("c", 2s);
  renew("a", 60s);  // it answers again, and a is the first to be through
  EXPECT_TRUE(serves("b", 60s));
  EXPECT_TRUE(serves("b", 69s));
  renew("b", 63s);
  renew("a", 66s);
  renew("a", 69s);
  EXPECT_TRUE(serves("b", 70s));
  EXPECT_FALSE(serves("c", 70s)) << "has had its time again";
}

TEST(NodeOf, OfLeasesOfProxiesAlone) {
  kube::Lease lease;
  lease.metadata.name = "weft-gateway-node-1.example";
  EXPECT_EQ(node_of(lease), "node-1.example");
  lease.metadata.name = "weft-controller";
  EXPECT_FALSE(node_of(lease));
  lease.metadata.name = "weft-gateway-";
  EXPECT_FALSE(node_of(lease));
}

/// A proxy, and the controller's slices, at one API server.
struct PresenceEngineTest : testing::Test, kube::test::Fixture {
  kube::test::MemoryApi api{*this};
  kube::Client client{io, config()};
  PresenceKeeper keeper{client, "kube-system", "node-1"};
};

TEST_F(PresenceEngineTest, SaysThatItServesAndTakesItBack) {
  int synced = 0;
  PresenceWatch watch(client, "kube-system", {.on_synced = [&] { ++synced; }, .on_change = {}});
  watch.start();
  ASSERT_TRUE(run_until([&] { return synced == 1; }));
  EXPECT_TRUE(watch.serves("node-2")) << "no proxy says anything";
  keeper.start();
  ASSERT_TRUE(run_until([&] { return !watch.serves("node-2"); }));
  EXPECT_TRUE(watch.serves("node-1"));
  std::optional<bool> left;
  asio::co_spawn(io, keeper.leave(), [&](const std::exception_ptr&, bool told) { left = told; });
  ASSERT_TRUE(run_until([&] { return left.has_value(); }));
  EXPECT_TRUE(*left);
  ASSERT_TRUE(run_until([&] { return watch.serves("node-2"); }));
  watch.stop();
}

TEST_F(PresenceEngineTest, OnlyNodesWhoseProxyServesAreEndpoints) {
  for (const char* name : {"node-1", "node-2"}) {
    kube::Node node;
    node.metadata.name = name;
    auto& address = node.status.addresses.emplace_back();
    address.type = "InternalIP";
    address.address = std::string(name) == "node-1" ? "192.0.2.11" : "192.0.2.12";
    auto& ready = node.status.conditions.emplace_back();
    ready.type = "Ready";
    ready.status = "True";
    api.put("/api/v1/nodes", kube::encode(node));
  }
  InfrastructureController controller(client);
  controller.start();
  controller.want({.namespace_ = "infra",
                   .gateway = "edge",
                   .uid = "g",
                   .class_ = "weft",
                   .ports = {{80, false}},
                   .addresses = {},
                   .labels = {},
                   .annotations = {}});
  controller.complete();
  auto endpoints = [&] {
    std::vector<std::string> out;
    for (const auto& one : api.all("/apis/discovery.k8s.io/v1/namespaces/infra/endpointslices"))
      for (const auto& endpoint : kube::decode<kube::EndpointSlice>(one).value().endpoints)
        out.push_back(endpoint.nodeName.value_or(""));
    return out;
  };
  using Nodes = std::vector<std::string>;
  ASSERT_TRUE(run_until([&] { return endpoints() == Nodes{"node-1", "node-2"}; }))
      << "no proxy says anything";
  keeper.start();
  ASSERT_TRUE(run_until([&] { return endpoints() == Nodes{"node-1"}; }));
  PresenceKeeper other(client, "kube-system", "node-2");
  other.start();
  ASSERT_TRUE(run_until([&] { return endpoints() == Nodes{"node-1", "node-2"}; }));
  asio::co_spawn(io, other.leave(), [](const std::exception_ptr&, bool) {});
  ASSERT_TRUE(run_until([&] { return endpoints() == Nodes{"node-1"}; }));
  keeper.stop();
  controller.stop();
}

}  // namespace
}  // namespace weft::gateway
