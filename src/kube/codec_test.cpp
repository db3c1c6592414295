#include "kube/codec.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "kube/apps.h"
#include "kube/cluster_network_policy.h"
#include "kube/config.h"
#include "kube/networking.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/service.h"

namespace weft::kube {
namespace {

template <class T>
T read(std::string_view text) {
  auto value = decode<T>(json::parse(text));
  if (!value) ADD_FAILURE() << value.error().message;
  return value.value_or(T{});
}

template <class T>
std::string error_of(std::string_view text) {
  auto value = decode<T>(json::parse(text));
  EXPECT_FALSE(value.has_value()) << text;
  if (value) return {};
  EXPECT_EQ(value.error().code, ErrorCode::invalid);
  return value.error().message;
}

/// What is read is written back as it was, whatever the type knows of it.
template <class T>
void expect_round_trip(std::string_view text) {
  auto before = json::parse(text);
  auto object = decode<T>(before);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(json::value(encode(*object)), before) << json::serialize(encode(*object));
}

TEST(Codec, RoundTripsKeepUnknownFieldsAtEachLevel) {
  expect_round_trip<Service>(R"({
    "apiVersion": "v1", "kind": "Service", "x-top": [1, {"a": null}],
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "managedFields": [{"manager": "kubectl"}]},
    "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "selector": {"app": "web"},
             "future": true,
             "ports": [{"name": "http", "port": 80, "targetPort": "http", "weight": 7}, {"port": 81, "targetPort": 8081}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "asn": 65000}]}}})");
  expect_round_trip<Pod>(R"({
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "weft/echo", "resources": {"limits": {"cpu": "2"}},
               "env": [{"name": "A", "value": "1"}, {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
               "readinessProbe": {"httpGet": {"port": "http", "path": "/ok"}, "periodSeconds": 1},
               "securityContext": {"runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}}],
             "affinity": {"nodeAffinity": {"x": 1}},
             "volumes": [{"name": "v", "emptyDir": {}}, {"name": "n", "nfs": {"server": "s", "path": "/"}}]}})");
  expect_round_trip<ClusterNetworkPolicy>(R"({
    "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": {"name": "c"},
    "spec": {"tier": "Admin", "priority": 0, "subject": {"namespaces": {}},
      "ingress": [{"name": "r", "action": "Pass", "from": [{"later": {"x": 1}}, {"pods": {"namespaceSelector": {}, "podSelector": {}}}],
                   "protocols": [{"tcp": {}}, {"udp": {"destinationPort": {"number": 53}}},
                                 {"sctp": {"destinationPort": {"range": {"start": 1, "end": 9}}}}, {"destinationNamedPort": "web"}]}],
      "egress": [{"action": "Accept", "to": [{"nodes": {}}, {"networks": ["::/0"]}, {"domainNames": ["*.example"]}]}]}})");
  expect_round_trip<NetworkPolicy>(R"({
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"],
             "ingress": [{"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                          "ports": [{"port": 80, "endPort": 90}]}]}})");
  expect_round_trip<Deployment>(R"({
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
    "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
             "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}}})");
  expect_round_trip<ConfigMap>(
      R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": ""}, "immutable": false})");
}

TEST(Codec, AbsentAndNullAreTheSame) {
  auto service = read<Service>(R"({"metadata": null, "spec": {"ports": null, "selector": {"a": null}}})");
  EXPECT_EQ(service.spec.selector, (StringMap{{"a", ""}}));
  EXPECT_TRUE(service.spec.ports.empty());
  EXPECT_EQ(service.metadata, ObjectMeta{});
}

TEST(Codec, KindsWriteTheirNamesAndLeaveEmptyFieldsOut) {
  EndpointSlice slice;
  slice.metadata.name = "web-1";
  slice.addressType = "IPv4";
  slice.endpoints.push_back({.addresses = {"10.0.0.1"}});
  EXPECT_EQ(json::value(encode(slice)), json::parse(R"({
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "web-1"}, "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": []})"));
  // Zero says something in some places.
  auto status = encode(ContainerStatus{});
  EXPECT_EQ(status.at("restartCount"), 0);
  EXPECT_EQ(status.at("ready"), false);
}

TEST(Codec, KeywordsLoseTheirUnderscore) {
  auto meta = read<ObjectMeta>(R"({"namespace": "shop"})");
  EXPECT_EQ(meta.namespace_, "shop");
  EXPECT_TRUE(meta.unknown.empty());
  EXPECT_EQ(encode(meta), json::parse(R"({"namespace": "shop"})").as_object());
  EXPECT_TRUE(schema_of<ObjectMeta>()->find("namespace"));
}

TEST(Codec, IntOrStringRemembersWhichItWas) {
  auto port = read<ServicePort>(R"({"port": 1, "targetPort": "80"})");
  EXPECT_FALSE(port.targetPort.is_int());
  EXPECT_EQ(encode(port).at("targetPort"), "80");
  EXPECT_EQ(read<ServicePort>(R"({"targetPort": 80})").targetPort.number(), 80);
}

TEST(Codec, QuantitiesMayBeNumbers) {
  auto container = read<Container>(R"({"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}})");
  EXPECT_EQ(container.resources.limits, (StringMap{{"cpu", "2"}, {"memory", "1Gi"}}));
  EXPECT_EQ(read<EmptyDirVolumeSource>(R"({"sizeLimit": 1024})").sizeLimit, "1024");
}

TEST(Codec, ErrorsStartWithTheFieldPath) {
  EXPECT_EQ(error_of<Service>(R"({"spec": {"ports": [{"port": "80"}]}})"),
            "spec.ports[0].port: expected an integer, got a string");
  EXPECT_EQ(error_of<Service>(R"({"spec": {"ports": {"port": 80}}})"),
            "spec.ports: expected a list, got an object");
  EXPECT_EQ(error_of<Service>(R"([])"), "expected an object, got a list");
  EXPECT_EQ(error_of<Service>(R"({"spec": {"ports": [{"port": 4294967296}]}})"),
            "spec.ports[0].port: expected an integer of 32 bits, got 4294967296");
  EXPECT_EQ(error_of<Service>(R"({"spec": {"ports": [{"port": 80.5}]}})"),
            "spec.ports[0].port: expected an integer, got a number");
  EXPECT_EQ(error_of<Service>(R"({"spec": {"ports": [{"port": 1}, {"targetPort": true}]}})"),
            "spec.ports[1].targetPort: expected an integer or a string, got a boolean");
  EXPECT_EQ(error_of<Pod>(R"({"metadata": {"labels": {"example.com/a": 1}}})"),
            "metadata.labels[example.com/a]: expected a string, got an integer");
  EXPECT_EQ(error_of<Pod>(R"({"spec": {"hostNetwork": "true"}})"),
            "spec.hostNetwork: expected a boolean, got a string");
  EXPECT_EQ(error_of<Pod>(R"({"metadata": {"creationTimestamp": "yesterday"}})"),
            "metadata.creationTimestamp: expected a time as in 2026-01-02T03:04:05Z, got \"yesterday\"");
  EXPECT_EQ(error_of<Secret>(R"({"data": {"key": "not base64!"}})"),
            "data.key: expected base64, got something else");
}

}  // namespace
}  // namespace weft::kube
