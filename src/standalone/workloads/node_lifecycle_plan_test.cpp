#include "standalone/workloads/node_lifecycle_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/workloads/test_objects.h"

namespace weft::standalone {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;

/// A node and its pods, which change as the plans say.
struct World {
  kube::Node node;
  std::vector<kube::Pod> pods;
  NodeLifecyclePlan last;

  World() {
    node.metadata.name = "node-1";
    for (const char* type : {"MemoryPressure", "Ready"}) {
      node.status.conditions.emplace_back();
      node.status.conditions.back().type = type;
      node.status.conditions.back().status = type == std::string("Ready") ? "True" : "False";
    }
  }
  void step(bool heard, Seconds now) {
    PodList list;
    for (const auto& pod : pods) list.push_back(share(pod));
    last = plan_node_lifecycle(node, heard, list, now);
    node.status.conditions = last.conditions;
    node.spec.taints = last.taints;
    for (const auto& pod : last.unready)
      set_ready(*std::ranges::find(pods, pod->metadata.name, [](auto& p) { return p.metadata.name; }), false);
  }
  void set_ready_condition(const std::string& status) {
    std::ranges::find(node.status.conditions, "Ready", &kube::NodeCondition::type)->status = status;
  }
  /// "key:effect" of each taint.
  std::vector<std::string> taints() const {
    std::vector<std::string> out;
    for (const auto& taint : node.spec.taints) out.push_back(taint.key + ":" + taint.effect);
    return out;
  }
  /// "type=status reason" of each condition.
  std::vector<std::string> conditions() const {
    std::vector<std::string> out;
    for (const auto& c : node.status.conditions)
      out.push_back(c.type + "=" + c.status + (c.reason.empty() ? "" : " " + c.reason));
    return out;
  }
};

kube::Pod tolerant(const std::string& name, std::optional<int64_t> seconds) {
  auto pod = ready_pod(name);
  kube::Toleration toleration;
  toleration.key = kUnreachableTaint;
  toleration.operator_ = "Exists";
  toleration.effect = "NoExecute";
  toleration.tolerationSeconds = seconds;
  pod.spec.tolerations = {toleration};
  return pod;
}

TEST(NodeLifecycle, ANodeThatIsHeardStaysAsItIs) {
  World world;
  world.pods = {ready_pod("web")};
  auto before = world.node;
  world.step(true, kStart);
  EXPECT_EQ(world.node, before);
  EXPECT_THAT(world.last.unready, IsEmpty());
  EXPECT_THAT(world.last.evict, IsEmpty());
  EXPECT_THAT(world.last.notes, IsEmpty());
}

TEST(NodeLifecycle, ALostNodeIsUnknownAndItsPodsAreNoEndpoints) {
  World world;
  world.pods = {tolerant("web", std::nullopt), tolerant("starting", std::nullopt)};
  set_ready(world.pods[1], false);
  world.step(false, kStart);
  EXPECT_THAT(world.conditions(),
              ElementsAre("MemoryPressure=Unknown NodeStatusUnknown", "Ready=Unknown NodeStatusUnknown",
                          "DiskPressure=Unknown NodeStatusNeverUpdated",
                          "PIDPressure=Unknown NodeStatusNeverUpdated"));
  EXPECT_EQ(world.node.status.conditions[1].message, "Kubelet stopped posting node status.");
  EXPECT_THAT(world.taints(), ElementsAre("node.kubernetes.io/unreachable:NoSchedule",
                                          "node.kubernetes.io/unreachable:NoExecute"));
  EXPECT_THAT(names_of(world.last.unready), ElementsAre("web"));
  ASSERT_EQ(world.last.notes.size(), 1U);
  EXPECT_EQ(world.last.notes[0].message, "Node node-1 status is now: NodeNotReady");
  auto lost = world.node;
  world.step(false, kStart + 60);
  EXPECT_EQ(world.node, lost) << "times too";
  EXPECT_THAT(world.last.unready, IsEmpty());
  EXPECT_THAT(world.last.notes, IsEmpty());
}

TEST(NodeLifecycle, ComesBack) {
  World world;
  world.pods = {tolerant("web", std::nullopt)};
  world.step(false, kStart);
  // Heard again, but it has not told how it is.
  set_ready(world.pods[0]);
  world.step(true, kStart + 10);
  EXPECT_THAT(world.last.unready, IsEmpty());
  EXPECT_EQ(world.taints().size(), 2U);
  world.set_ready_condition("True");
  world.step(true, kStart + 11);
  EXPECT_THAT(world.taints(), IsEmpty());
}

TEST(NodeLifecycle, NotReadyByItsOwnWordIsAnotherTaint) {
  World world;
  world.pods = {ready_pod("web")};
  world.set_ready_condition("False");
  world.step(true, kStart);
  EXPECT_THAT(world.taints(), ElementsAre("node.kubernetes.io/not-ready:NoSchedule",
                                          "node.kubernetes.io/not-ready:NoExecute"));
  EXPECT_THAT(names_of(world.last.unready), ElementsAre("web"));
  world.step(false, kStart);
  EXPECT_THAT(world.taints(), ElementsAre("node.kubernetes.io/unreachable:NoSchedule",
                                          "node.kubernetes.io/unreachable:NoExecute"));
}

TEST(NodeLifecycle, PodsAreEvictedWhenTheirTolerationEnds) {
  World world;
  world.pods = {ready_pod("none"), tolerant("ten", 10), tolerant("twenty", 20),
                tolerant("ever", std::nullopt), tolerant("leaving", 0)};
  world.pods[4].metadata.deletionTimestamp = format_time(kStart);
  world.step(false, kStart);
  EXPECT_THAT(names_of(world.last.evict), ElementsAre("none"));
  EXPECT_EQ(world.last.look_again, kStart + 10);
  world.step(false, kStart + 10);
  EXPECT_THAT(names_of(world.last.evict), ElementsAre("none", "ten"));
  EXPECT_EQ(world.last.look_again, kStart + 20);
  world.set_ready_condition("True");
  world.step(true, kStart + 15);
  EXPECT_THAT(world.last.evict, IsEmpty());
  EXPECT_EQ(world.last.look_again, std::nullopt);
}

TEST(NodeLifecycle, OthersTaintsStayAndEvictToo) {
  World world;
  world.pods = {ready_pod("web")};
  world.node.spec.taints.emplace_back();
  world.node.spec.taints[0].key = "dedicated";
  world.node.spec.taints[0].effect = "NoExecute";
  world.step(true, kStart);
  EXPECT_THAT(world.taints(), ElementsAre("dedicated:NoExecute"));
  EXPECT_THAT(names_of(world.last.evict), ElementsAre("web"));
}

TEST(NodeLifecycle, ACordonedNodeHasTheTaintForIt) {
  World world;
  world.node.spec.unschedulable = true;
  world.step(true, kStart);
  EXPECT_THAT(world.taints(), ElementsAre("node.kubernetes.io/unschedulable:NoSchedule"));
  world.node.spec.unschedulable = false;
  world.step(true, kStart);
  EXPECT_THAT(world.taints(), IsEmpty());
}

}  // namespace
}  // namespace weft::standalone
