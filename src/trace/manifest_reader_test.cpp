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

TEST(ManifestReader, TheClustersOwnServicesMayBeWritten) {
  Cluster cluster(
      "{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: {clusterIP: "
      "10.96.0.10, "
      "clusterIPs: [10.96.0.10], ports: [{name: dns, port: 53, protocol: UDP}]}}");
  EXPECT_EQ(cluster.world().services.at("kube-system/kube-dns")->spec.clusterIP, "10.96.0.10");
}

}  // namespace
}  // namespace weft::trace
