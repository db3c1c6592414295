#include "trace/test_cluster.h"

/// Manifests that are a cluster's own objects, as `kubectl get -o yaml` prints them, and some more.
namespace weft::trace {
namespace {

using test::Cluster;

TEST(ManifestReader, ExampleAddressesKeepClearOfThoseThatPodsHave) {
  // The first two addresses of the range that the only node has.
  Cluster bare("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: c, image: x}]}}");
  auto first = bare.world().pods.at("default/a")->status.podIP;
  Cluster cluster(
      "{apiVersion: v1, kind: Pod, metadata: {name: b}, spec: {nodeName: node-1, containers: [{name: c, "
      "image: x}]}, "
      "status: {phase: Running, podIP: " +
      first + ", podIPs: [{ip: " + first +
      "}]}}\n---\n"
      "{apiVersion: v1, kind: Pod, metadata: {name: c}, spec: {containers: [{name: c, image: x}]}}");
  EXPECT_EQ(cluster.world().pod_at.at(*IpAddr::parse(first)), "default/b");
  EXPECT_NE(cluster.world().pods.at("default/c")->status.podIP, first);
}

const std::string kRunsToEnd =
    "template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, containers: [{name: c, image: "
    "x}]}}";

TEST(ManifestReader, ACronJobHasThePodsOfItsJob) {
  Cluster cluster(
      "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly, namespace: shop}\nspec:\n  schedule: "
      "'0 3 * * *'\n  jobTemplate: {spec: {parallelism: 2, " +
      kRunsToEnd + "}}");
  const auto& world = cluster.world();
  EXPECT_EQ(world.workloads.at("CronJob/shop/nightly"),
            (std::vector<std::string>{"shop/nightly-0", "shop/nightly-1"}));
  const auto& pod = *world.pods.at("shop/nightly-0");
  EXPECT_EQ(pod.metadata.labels, (kube::StringMap{{"app", "a"}})) << "of when it runs its Job has the name";
  EXPECT_EQ(world.origins.find("Pod", "shop/nightly-0").origin, "CronJob shop/nightly");
  EXPECT_EQ(cluster.verdict("cronjob/shop/nightly", "pod/shop/nightly-1", {.port = 80}), "works");
  EXPECT_EQ(cluster.verdict("cj/shop/nightly", "pod/shop/nightly-1", {.port = 80}), "works");
}

TEST(ManifestReader, PodsOfAJobHaveItsName) {
  Cluster cluster("{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {" + kRunsToEnd + "}}");
  const auto& labels = cluster.world().pods.at("default/once-0")->metadata.labels;
  EXPECT_EQ(labels,
            (kube::StringMap{{"app", "a"}, {"batch.kubernetes.io/job-name", "once"}, {"job-name", "once"}}));
}

TEST(ManifestReader, PodsThatAreThereAreThoseOfTheJobAndOfItsCronJob) {
  const std::string owner = "ownerReferences: [{apiVersion: batch/v1, controller: true, uid: u, ";
  Cluster cluster(
      "{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {schedule: '0 3 * * *', "
      "jobTemplate: {spec: {" +
      kRunsToEnd + "}}}}\n---\n{apiVersion: batch/v1, kind: Job, metadata: {name: nightly-29, " + owner +
      "kind: CronJob, name: nightly}]}, spec: {" + kRunsToEnd +
      "}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: nightly-29-x, " + owner +
      "kind: Job, name: nightly-29}]}, spec: {containers: [{name: c, image: x}]}}");
  const auto& workloads = cluster.world().workloads;
  EXPECT_EQ(workloads.at("CronJob/default/nightly"), (std::vector<std::string>{"default/nightly-29-x"}));
  EXPECT_EQ(workloads.at("Job/default/nightly-29"), (std::vector<std::string>{"default/nightly-29-x"}));
}

TEST(ManifestReader, TheClustersOwnServicesMayBeWritten) {
  Cluster cluster(
      "{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: {clusterIP: "
      "10.96.0.10, "
      "clusterIPs: [10.96.0.10], ports: [{name: dns, port: 53, protocol: UDP}]}}");
  EXPECT_EQ(cluster.world().services.at("kube-system/kube-dns")->spec.clusterIP, "10.96.0.10");
}

}  // namespace
}  // namespace weft::trace
