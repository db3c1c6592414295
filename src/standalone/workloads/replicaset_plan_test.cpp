#include "standalone/workloads/replicaset_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/workloads/test_objects.h"

namespace weft::standalone {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Claim, AdoptsAndReleasesByKubernetesRules) {
  auto owner = make_owner<kube::ReplicaSet>("web");
  auto owned_by = [](kube::Pod pod, const kube::ReplicaSet& set) {
    pod.metadata.ownerReferences.push_back(controller_reference("apps/v1", "ReplicaSet", set.metadata));
    return pod;
  };
  auto mine = owned_by(make_pod("mine"), owner);
  auto strayed = owned_by(make_pod("strayed"), owner);
  strayed.metadata.labels["app"] = "debug";
  auto theirs = owned_by(make_pod("theirs"), make_owner<kube::ReplicaSet>("other"));
  auto orphan = make_pod("orphan");
  auto leaving = make_pod("leaving");
  leaving.metadata.deletionTimestamp = format_time(kStart);
  auto stranger = make_pod("stranger");
  stranger.metadata.labels["app"] = "db";
  PodList pods;
  for (auto& pod : {mine, strayed, theirs, orphan, leaving, stranger}) pods.push_back(share(pod));

  auto selector = kube::Selector::from(kube::StringMap{{"app", "web"}});
  auto claims = claim<kube::Pod>(owner.metadata, selector, pods);
  EXPECT_THAT(names_of(claims.owned), ElementsAre("mine", "orphan"));
  EXPECT_THAT(names_of(claims.adopt), ElementsAre("orphan"));
  EXPECT_THAT(names_of(claims.release), ElementsAre("strayed"));

  owner.metadata.deletionTimestamp = format_time(kStart);
  claims = claim<kube::Pod>(owner.metadata, selector, pods);
  EXPECT_THAT(claims.adopt, IsEmpty());
  EXPECT_THAT(claims.release, IsEmpty());
}

TEST(ReplicaSet, CreatesWhatIsMissing) {
  auto set = make_owner<kube::ReplicaSet>("web", 3);
  auto finished = make_pod("failed");
  finished.status.phase = "Failed";
  auto plan = plan_replica_set(set, {share(ready_pod("a")), share(finished)}, context());
  EXPECT_THAT(names_of(plan.create), ElementsAre("web-00000", "web-00001"));
  EXPECT_THAT(plan.remove, IsEmpty());
  const kube::Pod& pod = plan.create[0];
  EXPECT_EQ(pod.metadata.generateName, "web-");
  EXPECT_EQ(pod.metadata.labels.at("app"), "web");
  ASSERT_EQ(pod.metadata.ownerReferences.size(), 1U);
  EXPECT_EQ(pod.metadata.ownerReferences[0].uid, "uid-web");
  EXPECT_TRUE(*pod.metadata.ownerReferences[0].controller);
  EXPECT_EQ(plan.status.replicas, 1);
  EXPECT_EQ(plan.status.readyReplicas, 1);
  EXPECT_EQ(plan.notes.at(0).message, "Created pod: web-00000");
}

TEST(ReplicaSet, DeletesInKubernetesOrder) {
  // The first to go first.
  auto unscheduled = make_pod("unscheduled", "");
  auto pending = make_pod("pending");
  auto sick = make_pod("sick");
  set_ready(sick, false);
  auto cheap = ready_pod("cheap");
  cheap.metadata.annotations["controller.kubernetes.io/pod-deletion-cost"] = "-5";
  auto crowded_new = ready_pod("crowded-new", "node-1", kStart + 50);
  auto crowded_old = ready_pod("crowded-old", "node-1", kStart);
  auto alone = ready_pod("alone", "node-2", kStart + 100);
  PodList pods;
  for (auto& pod : {alone, crowded_old, cheap, sick, crowded_new, pending, unscheduled})
    pods.push_back(share(pod));
  sort_for_deletion(pods);
  EXPECT_THAT(names_of(pods),
              ElementsAre("unscheduled", "pending", "sick", "cheap", "crowded-new", "crowded-old", "alone"));

  auto set = make_owner<kube::ReplicaSet>("web", 5);
  auto plan = plan_replica_set(set, pods, context());
  EXPECT_THAT(names_of(plan.remove), ElementsAre("unscheduled", "pending"));
  set.spec.replicas = 0;
  EXPECT_EQ(plan_replica_set(set, pods, context()).remove.size(), 7U);
}

TEST(ReplicaSet, DoesNothingForPodsThatAlreadyLeaveNorWhenItLeavesItself) {
  auto set = make_owner<kube::ReplicaSet>("web", 1);
  auto leaving = ready_pod("leaving");
  leaving.metadata.deletionTimestamp = format_time(kStart);
  auto plan = plan_replica_set(set, {share(leaving), share(ready_pod("a"))}, context());
  EXPECT_THAT(plan.create, IsEmpty());
  EXPECT_THAT(plan.remove, IsEmpty());
  set.metadata.deletionTimestamp = format_time(kStart);
  plan = plan_replica_set(set, {}, context());
  EXPECT_THAT(plan.create, IsEmpty());
}

TEST(ReplicaSet, MinReadySecondsAreWaitedFor) {
  auto set = make_owner<kube::ReplicaSet>("web", 1);
  set.spec.minReadySeconds = 30;
  PodList pods{share(ready_pod("a"))};
  auto plan = plan_replica_set(set, pods, context(kStart + 10));
  EXPECT_EQ(plan.status.readyReplicas, 1);
  EXPECT_EQ(plan.status.availableReplicas, 0);
  EXPECT_EQ(plan.look_again, kStart + 30);
  plan = plan_replica_set(set, pods, context(kStart + 30));
  EXPECT_EQ(plan.status.availableReplicas, 1);
  EXPECT_FALSE(plan.look_again);
}

TEST(ReplicaSet, SaysThatItCannotCreate) {
  auto set = make_owner<kube::ReplicaSet>("web", 1);
  auto plan = plan_replica_set(set, {}, context(), "forbidden: no quota");
  ASSERT_EQ(plan.status.conditions.size(), 1U);
  EXPECT_EQ(plan.status.conditions[0].type, "ReplicaFailure");
  EXPECT_EQ(plan.status.conditions[0].message, "forbidden: no quota");
  set.status = plan.status;
  EXPECT_THAT(plan_replica_set(set, {}, context()).status.conditions, IsEmpty());
}

}  // namespace
}  // namespace weft::standalone
