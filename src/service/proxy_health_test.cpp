#include "service/proxy_health.h"

#include <gtest/gtest.h>

namespace weft::service {
namespace {

using namespace std::chrono_literals;

/// So long after 2026-01-02T03:04:05.000678Z.
Moment at(std::chrono::seconds later) {
  return {std::chrono::steady_clock::time_point() + 1h + later,
          *kube::parse_time("2026-01-02T03:04:05.000678Z") + later};
}

TEST(ProxyHealth, IsUnhealthyUntilItsFirstSynchronization) {
  ProxyHealth health;
  EXPECT_FALSE(health.healthy(at(0s)));
  health.pending(at(1s));
  EXPECT_FALSE(health.livez(at(2s)).ok);
  health.programmed(at(2s));
  EXPECT_TRUE(health.livez(at(2s)).ok);
  EXPECT_TRUE(health.healthz(at(2s)).ok);
}

TEST(ProxyHealth, IsUnhealthyWhenAChangeHasWaitedTooLong) {
  ProxyHealth health;
  health.programmed(at(0s));
  EXPECT_TRUE(health.healthy(at(1000s)));
  health.pending(at(1000s));
  health.pending(at(1030s));  // the oldest counts
  EXPECT_TRUE(health.healthy(at(1059s)));
  EXPECT_FALSE(health.healthy(at(1060s)));
  health.programmed(at(1061s));
  EXPECT_TRUE(health.healthy(at(1061s)));
}

TEST(ProxyHealth, ANodeOnItsWayOutIsNotEligibleButAlive) {
  ProxyHealth health;
  health.programmed(at(0s));
  kube::Node node;
  health.node_changed(&node);
  EXPECT_TRUE(health.healthz(at(1s)).ok);
  kube::Taint taint;
  taint.key = "ToBeDeletedByClusterAutoscaler";
  node.spec.taints.push_back(taint);
  health.node_changed(&node);
  EXPECT_FALSE(health.healthz(at(1s)).ok);
  EXPECT_TRUE(health.livez(at(1s)).ok);
  EXPECT_TRUE(health.healthy(at(1s)));
  node.spec.taints[0].key = "other";
  health.node_changed(&node);
  EXPECT_TRUE(health.healthz(at(1s)).ok);
  node.metadata.deletionTimestamp = "2026-01-02T03:04:05Z";
  health.node_changed(&node);
  EXPECT_FALSE(health.healthz(at(1s)).ok);
  health.node_changed(nullptr);
  EXPECT_FALSE(health.healthz(at(1s)).ok);
}

TEST(ProxyHealth, SaysWhatKubeProxySays) {
  ProxyHealth health;
  EXPECT_EQ(
      health.livez(at(0s)).body,
      R"({"lastUpdated": "1970-01-01 00:00:00.000000 +0000 UTC","currentTime": "2026-01-02 03:04:05.000678 +0000 UTC"})");
  health.programmed(at(0s));
  EXPECT_EQ(
      health.healthz(at(5s)).body,
      R"({"lastUpdated": "2026-01-02 03:04:10.000678 +0000 UTC","currentTime": "2026-01-02 03:04:10.000678 +0000 UTC", "nodeEligible": true})");
  health.pending(at(5s));
  EXPECT_EQ(
      health.healthz(at(65s)).body,
      R"({"lastUpdated": "2026-01-02 03:04:05.000678 +0000 UTC","currentTime": "2026-01-02 03:05:10.000678 +0000 UTC", "nodeEligible": true})");
}

}  // namespace
}  // namespace weft::service
