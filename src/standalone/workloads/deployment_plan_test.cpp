#include "standalone/workloads/deployment_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "standalone/workloads/test_objects.h"

namespace weft::standalone {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;

/// A Deployment with its ReplicaSets, turned step by step: each step applies one plan, then `work` is what
/// the pods do.
struct World {
  kube::Deployment deployment = make_owner<kube::Deployment>("web", 4);
  std::map<std::string, kube::ReplicaSet> sets;
  std::vector<std::string> told;
  Seconds now = kStart;
  bool old_pods = false;
  std::optional<Seconds> look_again;

  World() {
    deployment.spec.strategy.type = "RollingUpdate";
    deployment.spec.progressDeadlineSeconds = 600;
  }
  void image(const std::string& name) {
    deployment.spec.template_ = make_template(name);
    ++deployment.metadata.generation;
  }
  void scale(int replicas) {
    deployment.spec.replicas = replicas;
    ++deployment.metadata.generation;
  }
  ReplicaSetList list() const {
    ReplicaSetList out;
    for (const auto& [name, set] : sets) out.push_back(std::make_shared<const kube::ReplicaSet>(set));
    return out;
  }
  /// False when the plan changed no ReplicaSet.
  bool step() {
    ++now;
    auto plan =
        plan_deployment(deployment, list(), [this](const ReplicaSetPtr&) { return old_pods; }, context(now));
    if (plan.create) {
      auto& set = sets[plan.create->metadata.name] = *plan.create;
      set.metadata.creationTimestamp = format_time(now);
      set.metadata.uid = "uid-" + set.metadata.name;
    }
    for (const auto& set : plan.update) sets[set.metadata.name] = set;
    for (const auto& set : plan.remove) sets.erase(set->metadata.name);
    for (const auto& note : plan.notes) told.push_back(note.message);
    deployment.status = plan.status;
    if (!plan.revision.empty()) deployment.metadata.annotations[kRevisionAnnotation] = plan.revision;
    look_again = plan.look_again;
    return plan.create || !plan.update.empty() || !plan.remove.empty();
  }
  /// All pods that should be there are, and work (but those of `broken`).
  void work(const std::string& broken = {}) {
    for (auto& [name, set] : sets) {
      set.status.replicas = set.spec.replicas.value_or(1);
      bool ok = set.spec.template_.spec.containers[0].image != broken;
      set.status.readyReplicas = set.status.availableReplicas = ok ? set.status.replicas : 0;
    }
  }
  void settle(const std::string& broken = {}) {
    for (int i = 0; i < 50; ++i) {
      bool changed = step();
      work(broken);
      if (!changed && i > 2) break;
    }
    step();
  }
  /// "v1:4 v2:0": sizes by image.
  std::string sizes() const {
    std::map<std::string, int> by_image;
    for (const auto& [name, set] : sets)
      by_image[set.spec.template_.spec.containers[0].image] += *set.spec.replicas;
    std::string out;
    for (auto& [image, size] : by_image) out += (out.empty() ? "" : " ") + image + ":" + std::to_string(size);
    return out;
  }
  const kube::DeploymentCondition& condition(const std::string& type) const {
    auto it = std::ranges::find(deployment.status.conditions, type, &kube::DeploymentCondition::type);
    return *it;
  }
  std::string reason(const std::string& type) const { return condition(type).reason; }
};

TEST(Deployment, MakesItsReplicaSet) {
  World world;
  world.step();
  ASSERT_EQ(world.sets.size(), 1U);
  const auto& set = world.sets.begin()->second;
  const std::string hash = set.metadata.labels.at(kTemplateHashLabel);
  EXPECT_EQ(set.metadata.name, "web-" + hash);
  EXPECT_EQ(set.spec.selector->matchLabels.at(kTemplateHashLabel), hash);
  EXPECT_EQ(set.spec.template_.metadata.labels.at(kTemplateHashLabel), hash);
  EXPECT_EQ(set.metadata.annotations.at(kRevisionAnnotation), "1");
  EXPECT_EQ(world.deployment.metadata.annotations.at(kRevisionAnnotation), "1");
  EXPECT_EQ(*set.spec.replicas, 4);
  EXPECT_EQ(set.metadata.ownerReferences.at(0).kind, "Deployment");
  EXPECT_EQ(world.reason("Progressing"), "NewReplicaSetCreated");
  EXPECT_EQ(world.condition("Available").status, "False");
  EXPECT_THAT(world.told, ElementsAre("Scaled up replica set web-" + hash + " from 0 to 4"));
  world.settle();
  EXPECT_EQ(world.reason("Progressing"), "NewReplicaSetAvailable");
  EXPECT_EQ(world.condition("Available").status, "True");
  EXPECT_EQ(world.deployment.status.availableReplicas, 4);
  EXPECT_FALSE(world.step()) << "nothing more to do";
}

struct RollingRow {
  int replicas;
  kube::IntOrString surge, unavailable;
  int most, fewest;  ///< pods at the same time; available ones
};

TEST(Deployment, RollsWithinItsLimits) {
  const std::vector<RollingRow> rows = {
      {4, {"25%"}, {"25%"}, 5, 3},   {4, {1}, {0}, 5, 4},         {4, {0}, {1}, 4, 3},
      {10, {"25%"}, {"25%"}, 13, 8}, {1, {"25%"}, {"25%"}, 2, 1}, {3, {"100%"}, {0}, 6, 3},
      {5, {0}, {"10%"}, 5, 4},       {2, {"0%"}, {"0%"}, 2, 1},
  };
  for (const auto& row : rows) {
    World world;
    world.scale(row.replicas);
    world.deployment.spec.strategy.rollingUpdate.emplace();
    world.deployment.spec.strategy.rollingUpdate->maxSurge = row.surge;
    world.deployment.spec.strategy.rollingUpdate->maxUnavailable = row.unavailable;
    world.settle();
    world.image("v2");
    for (int i = 0; i < 60; ++i) {
      world.step();
      int total = 0, available = 0;
      for (auto& [name, set] : world.sets) {
        total += *set.spec.replicas;
        // New pods are not available yet, old ones go at once.
        available += std::min(set.status.availableReplicas, *set.spec.replicas);
      }
      ASSERT_LE(total, row.most) << row.replicas << " " << row.surge.str() << " " << row.unavailable.str();
      ASSERT_GE(available, row.fewest)
          << row.replicas << " " << row.surge.str() << " " << row.unavailable.str();
      world.work();
    }
    EXPECT_EQ(world.sizes(), "v1:0 v2:" + std::to_string(row.replicas));
    EXPECT_EQ(world.reason("Progressing"), "NewReplicaSetAvailable");
    EXPECT_EQ(world.deployment.metadata.annotations.at(kRevisionAnnotation), "2");
  }
}

TEST(Deployment, MakesNoNewPodInPlaceOfAnOldOneThatIsStillThere) {
  World world;
  world.deployment.spec.strategy.rollingUpdate.emplace();
  world.deployment.spec.strategy.rollingUpdate->maxSurge = {1};
  world.deployment.spec.strategy.rollingUpdate->maxUnavailable = {1};
  world.settle();
  world.image("v2");
  world.step();  // one new pod
  world.step();  // one old pod is to go: its set has four of them until it has deleted it
  EXPECT_EQ(world.sizes(), "v1:3 v2:1");
  world.step();
  EXPECT_EQ(world.sizes(), "v1:3 v2:1") << "five pods are there and five are allowed";
  for (auto& [name, set] : world.sets) set.status.replicas = *set.spec.replicas;
  world.step();
  EXPECT_EQ(world.sizes(), "v1:3 v2:2");
}

TEST(Deployment, IsNotCompleteBeforeTheNewTemplateHasBegun) {
  World world;
  world.settle();
  world.image("v2");
  world.step();
  EXPECT_EQ(world.deployment.status.observedGeneration, 2);
  EXPECT_EQ(world.deployment.status.updatedReplicas, 0);
  EXPECT_EQ(world.reason("Progressing"), "NewReplicaSetCreated");
}

TEST(Deployment, BrokenTemplateStopsAndRollsBack) {
  World world;
  world.settle();
  world.image("bad");
  world.settle("bad");
  EXPECT_EQ(world.sizes(), "bad:2 v1:3");
  EXPECT_EQ(world.condition("Available").status, "True");
  ASSERT_TRUE(world.look_again);
  world.now = *world.look_again;
  world.step();
  EXPECT_EQ(world.reason("Progressing"), "ProgressDeadlineExceeded");
  EXPECT_EQ(world.condition("Progressing").status, "False");
  world.image("v1");
  world.settle("bad");
  EXPECT_EQ(world.sizes(), "bad:0 v1:4");
  EXPECT_EQ(world.sets.size(), 2U) << "the old ReplicaSet is used again";
  EXPECT_EQ(world.deployment.metadata.annotations.at(kRevisionAnnotation), "3");
  EXPECT_EQ(world.reason("Progressing"), "NewReplicaSetAvailable");
}

TEST(Deployment, RecreateWaitsForTheLastOldPod) {
  World world;
  world.deployment.spec.strategy.type = "Recreate";
  world.settle();
  world.image("v2");
  world.old_pods = true;
  world.settle();
  EXPECT_EQ(world.sizes(), "v1:0 v2:0");
  world.old_pods = false;
  world.settle();
  EXPECT_EQ(world.sizes(), "v1:0 v2:4");
}

TEST(Deployment, ScalesAlsoInTheMiddleOfARollout) {
  World world;
  world.scale(10);
  world.settle();
  world.image("bad");
  world.settle("bad");
  ASSERT_EQ(world.sizes(), "bad:5 v1:8");
  world.scale(20);
  world.step();
  auto sum = std::accumulate(world.sets.begin(), world.sets.end(), 0,
                             [](int n, const auto& entry) { return n + *entry.second.spec.replicas; });
  EXPECT_EQ(sum, 25);
  EXPECT_EQ(world.sizes(), "bad:10 v1:15");
  world.scale(0);
  world.settle("bad");
  EXPECT_EQ(world.sizes(), "bad:0 v1:0");
}

TEST(Deployment, PausedScalesButDoesNotRoll) {
  World world;
  world.settle();
  world.deployment.spec.paused = true;
  world.image("v2");
  world.settle();
  EXPECT_EQ(world.sizes(), "v1:4");
  EXPECT_EQ(world.reason("Progressing"), "DeploymentPaused");
  world.scale(6);
  world.settle();
  EXPECT_EQ(world.sizes(), "v1:6");
  world.deployment.spec.paused = false;
  world.settle();
  EXPECT_EQ(world.sizes(), "v1:0 v2:6");
}

TEST(Deployment, KeepsAsManyOldReplicaSetsAsAsked) {
  World world;
  world.deployment.spec.revisionHistoryLimit = 2;
  world.settle();
  for (int i = 2; i <= 6; ++i) {
    world.image("v" + std::to_string(i));
    world.settle();
  }
  EXPECT_EQ(world.sizes(), "v4:0 v5:0 v6:4");
}

TEST(Deployment, CollisionsGetAnotherName) {
  World world;
  world.step();
  auto first = world.sets.begin()->first;
  World other;
  other.deployment.status.collisionCount = 1;
  other.step();
  EXPECT_NE(other.sets.begin()->first, first);
}

TEST(Deployment, CopiesAnnotationsButNotKubectls) {
  World world;
  world.deployment.metadata.annotations = {{"kubernetes.io/change-cause", "a reason"},
                                           {"kubectl.kubernetes.io/last-applied-configuration", "{}"}};
  world.step();
  const auto& annotations = world.sets.begin()->second.metadata.annotations;
  EXPECT_EQ(annotations.at("kubernetes.io/change-cause"), "a reason");
  EXPECT_FALSE(annotations.contains("kubectl.kubernetes.io/last-applied-configuration"));
}

}  // namespace
}  // namespace weft::standalone
