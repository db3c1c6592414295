#include "dns/cluster_feed.h"

#include <gtest/gtest.h>

#include "dns/test_ask.h"
#include "kube/client/testing/memory_api.h"

// The watch of a cluster, from an API server over TLS into a zone.
namespace weft::dns {
namespace {

const std::string kServices = "/api/v1/namespaces/shop/services";
const std::string kSlices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
const std::string kPods = "/api/v1/namespaces/shop/pods";

json::object named(std::string_view name) { return {{"metadata", {{"name", name}, {"namespace", "shop"}}}}; }
json::object service(std::string_view name, std::string_view ip) {
  auto out = named(name);
  out["spec"] = json::object{{"clusterIPs", {ip}}, {"ports", {{{"name", "http"}, {"port", 80}}}}};
  return out;
}
json::object slice(std::string_view name, std::string_view of, std::string_view address) {
  auto out = named(name);
  out["metadata"].as_object()["labels"] = json::object{{"kubernetes.io/service-name", of}};
  out["addressType"] = "IPv4";
  out["endpoints"] = json::array{json::object{{"addresses", {address}}}};
  out["ports"] = json::array{};
  return out;
}
json::object pod(std::string_view name, std::string_view ip) {
  auto out = named(name);
  out["status"] = json::object{{"podIP", ip}, {"podIPs", {{{"ip", ip}}}}};
  return out;
}

/// A cluster, its API server and what follows it.
struct Followed {
  kube::test::Fixture fixture;
  kube::test::MemoryApi api{fixture};
  SharedZone zone;
  kube::Client client{fixture.io, fixture.config()};
  std::unique_ptr<ClusterFeed> feed;
  std::optional<ClusterFeed::Counts> counts;

  explicit Followed(PodRecords pods) : zone(ZoneOptions{.pods = pods}) {
    api.put("/api/v1/namespaces", {{"metadata", {{"name", "shop"}}}});
    api.put(kServices, service("web", "10.96.0.20"));
    api.put(kServices, service("bare", "None"));
    api.put(kSlices, slice("bare-1", "bare", "10.244.0.1"));
    api.put(kPods, pod("one", "10.244.0.1"));
    feed = std::make_unique<ClusterFeed>(client, zone);
    feed->on_synced([this](const ClusterFeed::Counts& all) { counts = all; });
    feed->start(fixture.io);
  }
  std::string ask_a(const std::string& name) {
    std::string out;
    zone.read([&](const Zone& z) { out = ask(z, name + ".cluster.local", Type::a); });
    return out;
  }
  /// Waits for an answer.
  testing::AssertionResult becomes(const std::string& name, const std::string& data) {
    const std::string wanted = data.empty() ? kNxdomain : "NOERROR\n" + name + ".cluster.local. A " + data;
    if (fixture.run_until([&] { return ask_a(name) == wanted; })) return testing::AssertionSuccess();
    return testing::AssertionFailure() << name << ": " << ask_a(name);
  }
};

TEST(ClusterFeed, FollowsWhatQuestionsNeed) {
  Followed cluster(PodRecords::disabled);
  EXPECT_EQ(cluster.ask_a("web.shop.svc"), "SERVFAIL");
  ASSERT_TRUE(cluster.fixture.run_until([&] { return cluster.counts.has_value(); }));
  EXPECT_EQ(cluster.counts->services, 2U);
  EXPECT_EQ(cluster.counts->pods, 0U) << "nobody asks for them";
  EXPECT_TRUE(cluster.becomes("web.shop.svc", "10.96.0.20"));
  EXPECT_TRUE(cluster.becomes("bare.shop.svc", "10.244.0.1"));

  // A slice changes its addresses, and its Service.
  cluster.api.put(kSlices, slice("bare-1", "bare", "10.244.0.2"));
  EXPECT_TRUE(cluster.becomes("bare.shop.svc", "10.244.0.2"));
  cluster.api.put(kServices, service("second", "None"));
  cluster.api.put(kSlices, slice("bare-1", "second", "10.244.0.3"));
  EXPECT_TRUE(cluster.becomes("second.shop.svc", "10.244.0.3"));
  EXPECT_TRUE(cluster.becomes("bare.shop.svc", ""));
  cluster.api.erase(kSlices, "bare-1");
  EXPECT_TRUE(cluster.becomes("second.shop.svc", ""));
  cluster.api.erase(kServices, "web");
  EXPECT_TRUE(cluster.becomes("web.shop.svc", ""));
}

TEST(ClusterFeed, TakesOtherOptionsLive) {
  Followed cluster(PodRecords::disabled);
  ASSERT_TRUE(cluster.becomes("web.shop.svc", "10.96.0.20"));
  EXPECT_TRUE(cluster.becomes("10-244-0-1.shop.pod", ""));
  cluster.feed->configure({.pods = PodRecords::insecure});
  EXPECT_TRUE(cluster.becomes("10-9-9-9.shop.pod", "10.9.9.9"));
  cluster.feed->configure({.pods = PodRecords::verified});
  EXPECT_TRUE(cluster.becomes("10-9-9-9.shop.pod", "")) << "once Pods are known";
  EXPECT_TRUE(cluster.becomes("10-244-0-1.shop.pod", "10.244.0.1"));
  cluster.feed->configure({.pods = PodRecords::disabled});
  EXPECT_TRUE(cluster.becomes("10-244-0-1.shop.pod", ""));
  cluster.feed->configure({.zone = *Name::parse("Other.Test"), .pods = PodRecords::verified});
  std::string told;
  cluster.zone.read([&](const Zone& z) { told = ask(z, "10-244-0-1.shop.pod.other.test", Type::a); });
  EXPECT_EQ(told, "NOERROR\n10-244-0-1.shop.pod.other.test. A 10.244.0.1") << "they are followed on";
}

TEST(ClusterFeed, WhatHappensWhileItIsCutOffIsNotLost) {
  Followed cluster(PodRecords::disabled);
  ASSERT_TRUE(cluster.becomes("web.shop.svc", "10.96.0.20"));
  cluster.api.break_watches(true);
  cluster.api.erase(kServices, "web");
  cluster.api.put(kServices, service("late", "10.96.0.30"));
  cluster.api.put(kSlices, slice("bare-1", "bare", "10.244.0.9"));
  EXPECT_TRUE(cluster.becomes("late.shop.svc", "10.96.0.30"));
  EXPECT_TRUE(cluster.becomes("web.shop.svc", ""));
  EXPECT_TRUE(cluster.becomes("bare.shop.svc", "10.244.0.9"));
}

TEST(ClusterFeed, FollowsPodsWhereTheirNamesAreVerified) {
  Followed cluster(PodRecords::verified);
  ASSERT_TRUE(cluster.fixture.run_until([&] { return cluster.counts.has_value(); }));
  EXPECT_EQ(cluster.counts->pods, 1U);
  EXPECT_TRUE(cluster.becomes("10-244-0-1.shop.pod", "10.244.0.1"));
  cluster.api.put(kPods, pod("one", "10.244.0.7"));
  EXPECT_TRUE(cluster.becomes("10-244-0-7.shop.pod", "10.244.0.7"));
  EXPECT_TRUE(cluster.becomes("10-244-0-1.shop.pod", ""));
  auto leaving = pod("one", "10.244.0.7");
  leaving["metadata"].as_object()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  cluster.api.put(kPods, leaving);
  EXPECT_TRUE(cluster.becomes("10-244-0-7.shop.pod", ""));
  cluster.api.put(kPods, pod("two", "10.244.0.7"));
  EXPECT_TRUE(cluster.becomes("10-244-0-7.shop.pod", "10.244.0.7"));
  cluster.api.erase(kPods, "two");
  EXPECT_TRUE(cluster.becomes("10-244-0-7.shop.pod", ""));
}

}  // namespace
}  // namespace weft::dns
