#include "ui/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::ui {
namespace {

using testing::HasSubstr;

std::vector<kube::YamlDocument> read(const std::string& yaml) {
  auto out = kube::parse_yaml(yaml, "x.yaml");
  EXPECT_TRUE(out) << out.error().message;
  return std::move(*out);
}

json::value laid(const std::string& objects, const std::string& manifests) {
  auto out = lay_over(read(objects), read(manifests));
  EXPECT_TRUE(out) << out.error().message;
  json::array all;
  for (auto& document : *out) all.push_back(std::move(document.value));
  return all;
}

std::string text_at(const json::value& list, size_t index, const char* path) {
  const auto* found = kube::at_path(list.at(index), path);
  return found ? json::serialize(*found) : "";
}

TEST(Overlay, ReplacesWhatAManifestSays) {
  auto out = laid(
      "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: n, uid: u}, spec: {clusterIP: "
      "10.0.0.1, ports: "
      "[{port: 80, nodePort: 30000}], selector: {app: a}}}",
      "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: n}, spec: {ports: [{port: 81}], "
      "selector: {app: "
      "b}}}");
  ASSERT_EQ(out.as_array().size(), 1u);
  EXPECT_EQ(text_at(out, 0, "spec.clusterIP"), "\"10.0.0.1\"");
  EXPECT_EQ(text_at(out, 0, "spec.ports"), R"([{"port":81}])");
  EXPECT_EQ(text_at(out, 0, "metadata.uid"), "\"u\"");
}

TEST(Overlay, WhatWasAppliedAndIsNotAnyMoreGoes) {
  auto out = laid(R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "default",
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration":
      "{\"spec\": {\"selector\": {\"app\": \"a\", \"tier\": \"x\"}}}"}},
    "spec": {"selector": {"app": "a", "tier": "x", "other": "y"}}})",
                  "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {selector: {app: a}}}");
  ASSERT_EQ(out.as_array().size(), 1u) << "without a namespace it is of default";
  EXPECT_EQ(text_at(out, 0, "spec.selector"), R"({"app":"a","other":"y"})");
}

TEST(Overlay, AddsWhatIsNotThere) {
  auto out = laid("{apiVersion: v1, kind: Service, metadata: {name: a, namespace: n}}",
                  "{apiVersion: v1, kind: Service, metadata: {name: a, namespace: m}}");
  EXPECT_EQ(out.as_array().size(), 2u);
}

TEST(Overlay, AChangedWorkloadMakesItsPodsAnew) {
  const std::string owned = "ownerReferences: [{controller: true, ";
  auto out = laid(
      "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: n}}\n---\n"
      "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: r, namespace: n, " +
          owned +
          "kind: Deployment, name: d}]}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p, "
          "namespace: n, " +
          owned +
          "kind: ReplicaSet, name: r}]}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: q, "
          "namespace: n}}",
      "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: n}, spec: {replicas: 3}}");
  ASSERT_EQ(out.as_array().size(), 2u);
  EXPECT_EQ(text_at(out, 1, "metadata.name"), "\"q\"");
}

TEST(Overlay, RefusesWhatIsNoObject) {
  auto out = lay_over({}, read("{a: 1}"));
  ASSERT_FALSE(out);
  EXPECT_THAT(out.error().message, HasSubstr("x.yaml:1: it has no kind"));
}

}  // namespace
}  // namespace weft::ui
