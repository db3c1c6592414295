#include "standalone/workloads/statefulset_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "standalone/workloads/test_objects.h"

namespace weft::standalone {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;

struct World {
  kube::StatefulSet set = make_owner<kube::StatefulSet>("db", 3);
  std::map<std::string, kube::Pod> pods;
  RevisionList revisions;
  StatefulSetPlan last;

  World() {
    set.spec.serviceName = "db-headless";
    set.spec.updateStrategy.type = "RollingUpdate";
  }
  void step() {
    PodList list;
    for (const auto& [name, pod] : pods) list.push_back(share(pod));
    last = plan_stateful_set(set, list, revisions, context());
    if (last.revision.create || last.revision.renumber) {
      std::erase_if(revisions,
                    [&](const auto& r) { return r->metadata.name == last.revision.present.metadata.name; });
      revisions.push_back(std::make_shared<const kube::ControllerRevision>(last.revision.present));
    }
    for (const auto& old : last.remove_revisions) std::erase(revisions, old);
    for (auto pod : last.create) {
      pod.metadata.uid = "uid-" + pod.metadata.name;
      pod.status.phase = "Pending";
      pods[pod.metadata.name] = pod;
    }
    for (const auto& pod : last.remove)
      pods[pod->metadata.name].metadata.deletionTimestamp = format_time(kStart);
    set.status = last.status;
  }
  /// What is pending gets ready, what leaves is gone.
  void work() {
    std::erase_if(pods,
                  [](const auto& entry) { return entry.second.metadata.deletionTimestamp.has_value(); });
    for (auto& [name, pod] : pods) set_ready(pod);
  }
  void settle() {
    for (int i = 0; i < 20; ++i) step(), work();
    step();
  }
  std::string state() const {
    std::string out;
    for (const auto& [name, pod] : pods) {
      out += (out.empty() ? "" : " ") + name + ":" + pod.spec.containers[0].image;
      if (pod.metadata.deletionTimestamp)
        out += "-";
      else if (!is_ready(pod))
        out += "?";
    }
    return out;
  }
};

TEST(StatefulSet, StartsOneAfterTheOther) {
  World world;
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1?");
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1?") << "waits until it is ready";
  world.work();
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1?");
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v1");
  EXPECT_EQ(world.set.status.readyReplicas, 3);
  EXPECT_EQ(world.set.status.currentRevision, world.set.status.updateRevision);
}

TEST(StatefulSet, PodsHaveStableNames) {
  World world;
  world.set.spec.podManagementPolicy = "Parallel";
  world.set.spec.volumeClaimTemplates.push_back({{"metadata", {{"name", "data"}}}});
  world.step();
  ASSERT_EQ(world.state(), "db-0:v1? db-1:v1? db-2:v1?");
  const kube::Pod& pod = world.pods.at("db-1");
  EXPECT_EQ(pod.spec.hostname, "db-1");
  EXPECT_EQ(pod.spec.subdomain, "db-headless");
  ASSERT_EQ(pod.spec.volumes.size(), 1U);
  EXPECT_EQ(pod.spec.volumes[0].name, "data");
  EXPECT_EQ(pod.spec.volumes[0].persistentVolumeClaim->claimName, "data-db-1");
  EXPECT_EQ(pod.metadata.labels.at("statefulset.kubernetes.io/pod-name"), "db-1");
  EXPECT_EQ(pod.metadata.labels.at("apps.kubernetes.io/pod-index"), "1");
  EXPECT_EQ(pod.metadata.labels.at(kRevisionHashLabel), world.set.status.updateRevision);
  EXPECT_EQ(world.revisions.size(), 1U);
}

TEST(StatefulSet, ShrinksFromTheEnd) {
  World world;
  world.settle();
  world.set.spec.replicas = 1;
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v1-");
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v1-") << "one after the other";
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1");
  world.set.spec.podManagementPolicy = "Parallel";
  world.set.spec.replicas = 4;
  world.settle();
  world.set.spec.replicas = 0;
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1- db-1:v1- db-2:v1- db-3:v1-");
}

TEST(StatefulSet, ReplacesAFailedPod) {
  World world;
  world.settle();
  world.pods["db-1"].status.phase = "Failed";
  world.step();
  EXPECT_EQ(names_of(world.last.remove), std::vector<std::string>{"db-1"});
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v1");
}

TEST(StatefulSet, UpdatesFromTheHighestOrdinalDown) {
  World world;
  world.settle();
  world.set.spec.template_ = make_template("v2");
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v1-");
  EXPECT_NE(world.set.status.currentRevision, world.set.status.updateRevision);
  world.work();
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v2?");
  world.step();
  EXPECT_THAT(world.last.remove, IsEmpty()) << "waits for the new one";
  world.work();
  world.step();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1- db-2:v2");
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v2 db-1:v2 db-2:v2");
  EXPECT_EQ(world.set.status.currentRevision, world.set.status.updateRevision);
  EXPECT_EQ(world.set.status.updatedReplicas, 3);
}

TEST(StatefulSet, PartitionKeepsLowerOrdinalsAtTheOldRevision) {
  World world;
  world.settle();
  world.set.spec.updateStrategy.rollingUpdate.emplace();
  world.set.spec.updateStrategy.rollingUpdate->partition = 2;
  world.set.spec.template_ = make_template("v2");
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v2");
  world.pods.erase("db-0");
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v2") << "made again as it was";
  world.set.spec.updateStrategy.rollingUpdate->partition = 0;
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v2 db-1:v2 db-2:v2");
}

TEST(StatefulSet, OnDeleteWaitsForTheUser) {
  World world;
  world.settle();
  world.set.spec.updateStrategy.type = "OnDelete";
  world.set.spec.template_ = make_template("v2");
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v1 db-2:v1");
  world.pods.erase("db-1");
  world.settle();
  EXPECT_EQ(world.state(), "db-0:v1 db-1:v2 db-2:v1");
}

TEST(StatefulSet, GoingBackUsesTheOldRevisionWithANewNumber) {
  World world;
  world.settle();
  auto first = world.set.status.updateRevision;
  world.set.spec.template_ = make_template("v2");
  world.settle();
  world.set.spec.template_ = make_template("v1");
  world.settle();
  EXPECT_EQ(world.set.status.updateRevision, first);
  ASSERT_EQ(world.revisions.size(), 2U);
  EXPECT_EQ(world.last.revision.present.revision, 3);
  world.set.spec.revisionHistoryLimit = 0;
  world.settle();
  EXPECT_EQ(world.revisions.size(), 1U);
}

TEST(StatefulSet, OrdinalsMayStartElsewhere) {
  World world;
  world.set.spec.ordinals.emplace();
  world.set.spec.ordinals->start = 5;
  world.set.spec.replicas = 2;
  world.settle();
  EXPECT_EQ(world.state(), "db-5:v1 db-6:v1");
}

TEST(StatefulSet, Ordinals) {
  EXPECT_EQ(ordinal_of("db", "db-12"), 12);
  for (auto other : {"db", "db-", "db-x", "db-1x", "db--1", "dbx-1", "xdb-1"})
    EXPECT_EQ(ordinal_of("db", other), -1) << other;
}

}  // namespace
}  // namespace weft::standalone
