#include "standalone/workloads/daemonset_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "standalone/workloads/test_objects.h"

namespace weft::standalone {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct World {
  kube::DaemonSet set = make_owner<kube::DaemonSet>("agent");
  std::vector<kube::Node> nodes;
  std::map<std::string, kube::Pod> pods;
  RevisionList revisions;
  DaemonSetPlan last;
  int made = 0;

  World() {
    set.spec.updateStrategy.type = "RollingUpdate";
    for (auto name : {"node-1", "node-2", "node-3"}) {
      nodes.emplace_back();
      nodes.back().metadata.name = name;
    }
  }
  void step() {
    std::vector<NodePtr> node_list;
    for (const auto& node : nodes) node_list.push_back(std::make_shared<const kube::Node>(node));
    PodList list;
    for (const auto& [name, pod] : pods) list.push_back(share(pod));
    PlanContext context{.now = kStart, .suffix = [this] { return std::to_string(made++); }};
    last = plan_daemon_set(set, node_list, list, revisions, context);
    if (last.revision.create)
      revisions.push_back(std::make_shared<const kube::ControllerRevision>(last.revision.present));
    for (const auto& pod : last.create) pods[pod.metadata.name] = pod;
    for (const auto& pod : last.remove)
      pods[pod->metadata.name].metadata.deletionTimestamp = format_time(kStart);
    set.status = last.status;
  }
  void work() {
    std::erase_if(pods,
                  [](const auto& entry) { return entry.second.metadata.deletionTimestamp.has_value(); });
    for (auto& [name, pod] : pods) set_ready(pod);
  }
  /// "node-1:v1 node-2:v1"
  std::string state() const {
    std::multimap<std::string, std::string> by_node;
    for (const auto& [name, pod] : pods) {
      by_node.emplace(pod.spec.nodeName,
                      pod.spec.containers[0].image + (pod.metadata.deletionTimestamp ? "-" : ""));
    }
    std::string out;
    for (const auto& [node, image] : by_node) out += (out.empty() ? "" : " ") + node + ":" + image;
    return out;
  }
};

TEST(DaemonSet, OnePodANode) {
  World world;
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1 node-2:v1 node-3:v1");
  world.work();
  world.step();
  EXPECT_THAT(world.last.create, IsEmpty());
  EXPECT_EQ(world.set.status.desiredNumberScheduled, 3);
  EXPECT_EQ(world.set.status.numberAvailable, 3);
  EXPECT_EQ(world.set.status.updatedNumberScheduled, 3);
  world.nodes.pop_back();
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1 node-2:v1 node-3:v1-");
}

TEST(DaemonSet, SelectorAndTaints) {
  World world;
  world.nodes[0].metadata.labels["disk"] = "ssd";
  world.nodes[1].metadata.labels["disk"] = "ssd";
  world.set.spec.template_.spec.nodeSelector = {{"disk", "ssd"}};
  auto taint = [](std::string key, std::string effect) {
    kube::Taint out;
    out.key = std::move(key);
    out.effect = std::move(effect);
    return out;
  };
  world.nodes[0].spec.taints = {taint("dedicated", "NoSchedule")};
  world.nodes[1].spec.taints = {taint("node.kubernetes.io/unschedulable", "NoSchedule"),
                                taint("x", "PreferNoSchedule")};
  world.step();
  EXPECT_EQ(world.state(), "node-2:v1");
  kube::Toleration toleration;
  toleration.key = "dedicated";
  toleration.operator_ = "Exists";
  world.set.spec.template_.spec.tolerations = {toleration};
  world.work();
  world.step();
  EXPECT_EQ(world.set.status.desiredNumberScheduled, 2);
}

// As on a node that is away, or that was tainted later.
TEST(DaemonSet, ANoScheduleTaintLetsItsPodStay) {
  World world;
  world.step();
  world.work();
  kube::Taint taint;
  taint.key = "node.kubernetes.io/unreachable";
  for (const char* effect : {"NoSchedule", "NoExecute"}) {
    taint.effect = effect;
    world.nodes[0].spec.taints.push_back(taint);
  }
  world.nodes[1].spec.taints = {taint};
  world.nodes[1].spec.taints[0].key = "dedicated";
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1 node-2:v1- node-3:v1");
  EXPECT_EQ(world.set.status.desiredNumberScheduled, 1);
  EXPECT_EQ(world.set.status.numberMisscheduled, 2);
  world.pods.clear();
  world.step();
  EXPECT_EQ(world.state(), "node-3:v1") << "none is made there";
}

TEST(DaemonSet, RollsOneNodeAfterTheOther) {
  World world;
  world.step();
  world.work();
  world.set.spec.template_ = make_template("v2");
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1- node-2:v1 node-3:v1");
  world.step();
  EXPECT_THAT(world.last.remove, IsEmpty());
  for (int i = 0; i < 10; ++i) world.work(), world.step();
  EXPECT_EQ(world.state(), "node-1:v2 node-2:v2 node-3:v2");
  EXPECT_EQ(world.set.status.updatedNumberScheduled, 3);
  EXPECT_THAT(world.revisions, SizeIs(2));
}

TEST(DaemonSet, ASurgeHasTheNewPodBeforeTheOldOneGoes) {
  World world;
  world.set.spec.updateStrategy.rollingUpdate.emplace();
  world.set.spec.updateStrategy.rollingUpdate->maxSurge = kube::IntOrString{1};
  world.set.spec.updateStrategy.rollingUpdate->maxUnavailable = kube::IntOrString{0};
  world.step();
  world.work();
  world.set.spec.template_ = make_template("v2");
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1 node-1:v2 node-2:v1 node-3:v1");
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1 node-1:v2 node-2:v1 node-3:v1") << "the new one is not ready";
  EXPECT_EQ(world.last.status.numberAvailable, 3);
  EXPECT_EQ(world.last.status.updatedNumberScheduled, 0);
  world.work();
  world.step();
  EXPECT_EQ(world.state(), "node-1:v1- node-1:v2 node-2:v1 node-2:v2 node-3:v1");
  for (int i = 0; i < 4; ++i) {
    world.work();
    world.step();
  }
  EXPECT_EQ(world.state(), "node-1:v2 node-2:v2 node-3:v2");
  EXPECT_EQ(world.last.status.updatedNumberScheduled, 3);

  // Where the old one does not work there is nothing to wait for.
  for (auto& [name, pod] : world.pods) pod.status.conditions.clear();
  world.set.spec.template_ = make_template("v3");
  world.step();
  EXPECT_EQ(world.state(), "node-1:v2 node-1:v3 node-2:v2 node-2:v3 node-3:v2 node-3:v3");
}

TEST(DaemonSet, ReplacesFailedAndSurplusPods) {
  World world;
  world.step();
  world.work();
  auto& first = world.pods.begin()->second;
  first.status.phase = "Failed";
  auto extra = ready_pod("agent-extra", "node-2");
  extra.metadata.creationTimestamp = format_time(kStart + 5);
  world.pods["agent-extra"] = extra;
  world.step();
  EXPECT_THAT(names_of(world.last.remove), ElementsAre(first.metadata.name, "agent-extra"));
}

}  // namespace
}  // namespace weft::standalone
