#include "standalone/workloads/controller.h"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <set>

#include "kube/client/client.h"
#include "kube/client/testing/memory_api.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/time.h"
#include "standalone/workloads/deployment_plan.h"
#include "standalone/workloads/node_lifecycle.h"
#include "standalone/workloads/test_objects.h"

namespace weft::standalone {
namespace {

using namespace test;

constexpr const char* kPods = "/api/v1/namespaces/shop/pods";
constexpr const char* kDeployments = "/apis/apps/v1/namespaces/shop/deployments";
constexpr const char* kReplicaSets = "/apis/apps/v1/namespaces/shop/replicasets";
constexpr const char* kStatefulSets = "/apis/apps/v1/namespaces/shop/statefulsets";
constexpr const char* kDaemonSets = "/apis/apps/v1/namespaces/shop/daemonsets";
constexpr const char* kRevisions = "/apis/apps/v1/namespaces/shop/controllerrevisions";
constexpr const char* kEvents = "/api/v1/namespaces/shop/events";
constexpr const char* kNodes = "/api/v1/nodes";
constexpr const char* kLeases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// The controllers against an API server over TLS on loopback, which can be slow and contrary.
class Controllers : public testing::Test, public kube::test::Fixture {
 public:
  kube::test::MemoryApi api{*this};
  kube::Client client{io, config()};
  WorkloadControllers controllers{client};

  template <class T>
  void put(const char* path, const T& object) {
    api.put(path, kube::encode(object));
  }
  template <class T>
  std::vector<T> all(const char* path) const {
    std::vector<T> out;
    for (const auto& value : api.all(path)) out.push_back(kube::decode<T>(value).value());
    return out;
  }
  size_t count(const char* path) const { return api.all(path).size(); }

  kube::Deployment deployment(int replicas, const std::string& image = "v1") {
    auto owner = make_owner<kube::Deployment>("web", replicas);
    owner.spec.strategy.type = "RollingUpdate";
    owner.spec.template_ = make_template(image);
    // What the controller has written so far stays.
    for (const auto& old : all<kube::Deployment>(kDeployments)) {
      owner.metadata = old.metadata;
      owner.status = old.status;
    }
    return owner;
  }

  /// What nodes do: every pod that is there becomes ready.
  void work() {
    for (auto& pod : all<kube::Pod>(kPods)) {
      if (is_ready(pod)) continue;
      set_ready(pod);
      put(kPods, pod);
    }
  }
  /// Lets nodes work until `done`; false when there are more than `most` pods at any moment, or it takes
  /// longer.
  bool settle(const std::function<bool()>& done, size_t most = 1000, int seconds = 20) {
    bool too_many = false;
    bool ended = run_until(
        [&] {
          work();
          too_many = too_many || count(kPods) > most;
          return too_many || done();
        },
        seconds);
    EXPECT_FALSE(too_many) << count(kPods) << " pods, at most " << most << " are allowed" << recent_writes();
    EXPECT_TRUE(ended) << "not done in " << seconds << " s with " << count(kPods) << " pods"
                       << recent_writes();
    return ended && !too_many;
  }
  std::string recent_writes() const {
    std::string out = "; the last writes:";
    for (size_t i = api.writes.size() - std::min<size_t>(api.writes.size(), 40); i < api.writes.size(); ++i)
      out += "\n  " + api.writes[i];
    return out;
  }
  /// Nothing is written any more.
  void expect_quiet() {
    auto wait = [&](int milliseconds) {
      auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
      run_until([&] { return std::chrono::steady_clock::now() > end; });
    };
    wait(400 + 2 * api.watch_delay_ms);
    auto before = api.writes.size();
    wait(400);
    EXPECT_EQ(api.writes.size(), before) << api.writes.back();
  }
  bool rolled_out(int replicas, const std::string& image) const {
    auto pods = all<kube::Pod>(kPods);
    auto list = all<kube::Deployment>(kDeployments);
    return pods.size() == static_cast<size_t>(replicas) && list[0].status.availableReplicas == replicas &&
           list[0].status.updatedReplicas == replicas &&
           std::ranges::all_of(pods, [&](const auto& pod) { return pod.spec.containers[0].image == image; });
  }
};

TEST_F(Controllers, DeploymentRollsOutScalesAndTells) {
  put(kDeployments, deployment(3));
  controllers.start();
  ASSERT_TRUE(settle([&] { return rolled_out(3, "v1"); }, 3));
  put(kDeployments, deployment(3, "v2"));
  ASSERT_TRUE(settle([&] { return rolled_out(3, "v2"); }, 4));
  put(kDeployments, deployment(5, "v2"));
  ASSERT_TRUE(settle([&] { return rolled_out(5, "v2"); }, 6));
  EXPECT_EQ(count(kReplicaSets), 2U);
  EXPECT_EQ(all<kube::Deployment>(kDeployments)[0].metadata.annotations.at(kRevisionAnnotation), "2");
  expect_quiet();
  std::set<std::string> reasons;
  for (const auto& event : all<kube::Event>(kEvents))
    reasons.insert(event.source.component + " " + event.reason);
  EXPECT_TRUE(reasons.contains("deployment-controller ScalingReplicaSet"));
  EXPECT_TRUE(reasons.contains("replicaset-controller SuccessfulCreate"));
  EXPECT_TRUE(reasons.contains("replicaset-controller SuccessfulDelete"));
}

// Caches that are behind and writes that collide must never make one pod too many.
TEST_F(Controllers, NeverDoublesWithStaleCachesConflictsAndCutWatches) {
  constexpr int kPatience = 90;  // every refused write and every late event costs a round
  api.watch_delay_ms = 120;
  api.conflict_one_in = 4;
  put(kDeployments, deployment(6));
  controllers.start();
  ASSERT_TRUE(settle([&] { return rolled_out(6, "v1"); }, 6, kPatience));
  for (int round = 0; round < 3; ++round) {
    for (auto& pod : all<kube::Pod>(kPods)) {
      if (round != 2) api.break_watches(round == 1);
      api.erase(kPods, pod.metadata.name);
      break;
    }
    ASSERT_TRUE(settle([&] { return rolled_out(6, "v1"); }, 6, kPatience)) << round;
  }
  put(kDeployments, deployment(6, "v2"));
  api.break_watches(true);
  ASSERT_TRUE(settle([&] { return rolled_out(6, "v2"); }, 8, kPatience));
  api.conflict_one_in = 0;
  expect_quiet();
  EXPECT_EQ(count(kPods), 6U);
}

TEST_F(Controllers, TakesOrphansAndLetsStraysGo) {
  auto orphan = ready_pod("orphan");
  orphan.metadata.uid = "orphan-uid";
  put(kPods, orphan);
  put(kReplicaSets, make_owner<kube::ReplicaSet>("web", 2));
  controllers.start();
  ASSERT_TRUE(settle([&] { return count(kPods) == 2; }, 2));
  // A pod whose label is changed is nobody's, and another takes its place.
  for (auto& pod : all<kube::Pod>(kPods)) {
    if (pod.metadata.name != "orphan") continue;
    ASSERT_EQ(pod.metadata.ownerReferences.size(), 1U);
    pod.metadata.labels["app"] = "debug";
    put(kPods, pod);
  }
  ASSERT_TRUE(settle([&] { return count(kPods) == 3; }, 3));
  ASSERT_TRUE(settle([&] {
    for (auto& pod : all<kube::Pod>(kPods)) {
      if (pod.metadata.name == "orphan") return pod.metadata.ownerReferences.empty();
    }
    return false;
  }));
  expect_quiet();
}

TEST_F(Controllers, StatefulSetKeepsNamesAndRevisions) {
  auto set = make_owner<kube::StatefulSet>("db", 3);
  set.spec.serviceName = "db";
  set.spec.updateStrategy.type = "RollingUpdate";
  put(kStatefulSets, set);
  controllers.start();
  auto names = [&] {
    std::string out;
    for (const auto& pod : all<kube::Pod>(kPods))
      out += pod.metadata.name + ":" + pod.spec.containers[0].image + " ";
    return out;
  };
  auto ready = [&] { return all<kube::StatefulSet>(kStatefulSets)[0].status.readyReplicas == 3; };
  ASSERT_TRUE(settle([&] { return names() == "db-0:v1 db-1:v1 db-2:v1 " && ready(); }));
  api.watch_delay_ms = 80;
  auto now = all<kube::StatefulSet>(kStatefulSets)[0];
  now.spec.template_ = make_template("v2");
  put(kStatefulSets, now);
  ASSERT_TRUE(settle([&] { return names() == "db-0:v2 db-1:v2 db-2:v2 " && ready(); }, 3));
  EXPECT_EQ(count(kRevisions), 2U);
  expect_quiet();
}

TEST_F(Controllers, DaemonSetFollowsNodes) {
  kube::Node node;
  node.metadata.name = "node-1";
  put(kNodes, node);
  put(kDaemonSets, make_owner<kube::DaemonSet>("agent"));
  controllers.start();
  ASSERT_TRUE(settle([&] { return count(kPods) == 1; }));
  node.metadata.name = "node-2";
  put(kNodes, node);
  ASSERT_TRUE(settle([&] { return count(kPods) == 2; }));
  api.erase(kNodes, "node-1");
  ASSERT_TRUE(settle([&] { return count(kPods) == 1; }));
  EXPECT_EQ(all<kube::Pod>(kPods)[0].spec.nodeName, "node-2");
  ASSERT_TRUE(settle([&] { return all<kube::DaemonSet>(kDaemonSets)[0].status.numberAvailable == 1; }));
  expect_quiet();
}

/// Two nodes with a pod each; the Lease of node-2 is not renewed any more.
TEST_F(Controllers, ANodeWhoseLeaseIsNotRenewedIsLostUntilItIs) {
  auto node = [](const std::string& name) {
    kube::Node object;
    object.metadata.name = name;
    object.status.conditions.emplace_back();
    object.status.conditions[0].type = "Ready";
    object.status.conditions[0].status = "True";
    return object;
  };
  auto renew = [&](const std::string& name) {
    kube::Lease lease;
    lease.metadata.name = name;
    lease.metadata.namespace_ = "kube-node-lease";
    lease.spec.renewTime = kube::now_micro_time();
    put(kLeases, lease);
  };
  for (const char* name : {"node-1", "node-2"}) {
    put(kNodes, node(name));
    renew(name);
    auto pod = ready_pod(std::string("on-") + name, name);
    pod.spec.tolerations.emplace_back();
    pod.spec.tolerations[0].operator_ = "Exists";
    put(kPods, pod);
  }
  put(kPods, ready_pod("intolerant", "node-2"));
  controllers.start();
  std::set<std::string> silent{"node-2"};
  auto renewed = std::chrono::steady_clock::now();
  /// "Ready status/taints" of the node.
  auto state = [&](const std::string& name) {
    if (std::chrono::steady_clock::now() - renewed > std::chrono::seconds(1)) {
      renewed = std::chrono::steady_clock::now();
      for (const char* each : {"node-1", "node-2"}) {
        if (!silent.contains(each)) renew(each);
      }
    }
    for (const auto& object : all<kube::Node>(kNodes)) {
      if (object.metadata.name == name)
        return object.status.conditions[0].status + "/" + std::to_string(object.spec.taints.size());
    }
    return std::string();
  };
  auto ready_pods = [&] {
    std::string out;
    for (const auto& pod : all<kube::Pod>(kPods)) {
      if (is_ready(pod)) out += pod.metadata.name + " ";
    }
    return out;
  };
  auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(run_until([&] { return state("node-2") == "Unknown/2" && count(kPods) == 2; }, 20));
  EXPECT_GE(std::chrono::steady_clock::now() - start, kNodeGrace);
  EXPECT_EQ(ready_pods(), "on-node-1 ");
  EXPECT_EQ(state("node-1"), "True/0");
  silent.clear();
  renew("node-2");
  auto back = all<kube::Node>(kNodes)[1];
  ASSERT_EQ(back.metadata.name, "node-2");
  back.status.conditions[0].status = "True";
  put(kNodes, back);
  ASSERT_TRUE(run_until([&] { return state("node-2") == "True/0"; }));
}

}  // namespace
}  // namespace weft::standalone
