#include "policy/matrix.h"

#include "policy/objects.h"
#include "policy/test_world.h"

namespace weft::policy {
namespace {

PolicyObjects objects(const std::string& yaml) {
  auto documents = kube::parse_yaml(yaml, "test.yaml");
  EXPECT_TRUE(documents) << (documents ? "" : documents.error().message);
  auto out = objects_of(documents.value());
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  return out.value_or(PolicyObjects{});
}

Matrix matrix_of(const PolicyObjects& objects, const MatrixOptions& options = {}) {
  PolicyPlan plan({.node = {}});
  fill(plan, objects);
  return make_matrix(plan, objects.pods, options);
}

std::string cell(const Matrix& matrix, const std::string& from, const std::string& to) {
  auto find = [&](const std::string& name) {
    for (size_t i = 0; i < matrix.groups.size(); ++i) {
      if (matrix.groups[i].name == name) return i;
    }
    ADD_FAILURE() << "no group " << name;
    return size_t{0};
  };
  return matrix.cells[find(from)][find(to)].str(matrix.only_port);
}

std::vector<std::string> names(const Matrix& matrix) {
  std::vector<std::string> out;
  for (const auto& group : matrix.groups) out.push_back(group.name);
  return out;
}

constexpr const char* kShop = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger}
spec: {containers: [{name: main}]}
)";

const std::string kPolicy = R"(
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 80}]}, {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}]}]
)";

TEST(Matrix, WithoutPoliciesAllReachAll) {
  auto matrix = matrix_of(objects(kShop));
  EXPECT_EQ(names(matrix), (std::vector<std::string>{"default/stranger", "shop/client", "shop/web"}));
  EXPECT_EQ(cell(matrix, "shop/client", "shop/web"), "all");
  EXPECT_EQ(cell(matrix, "shop/web", "shop/web"), "all") << "of one of its pods to another";
  EXPECT_EQ(cell(matrix, "shop/client", "shop/client"), "-");
}

TEST(Matrix, DeclaredPortsOfTheDestination) {
  auto matrix = matrix_of(objects(kShop + kPolicy));
  EXPECT_EQ(cell(matrix, "shop/client", "shop/web"), "TCP 80");
  EXPECT_EQ(cell(matrix, "default/stranger", "shop/web"), "all");
  EXPECT_EQ(cell(matrix, "shop/web", "shop/web"), "none");
  EXPECT_EQ(cell(matrix, "shop/web", "shop/client"), "all");
}

TEST(Matrix, OnePort) {
  auto matrix = matrix_of(objects(kShop + kPolicy), {.port = 53, .protocol = IPPROTO_UDP});
  EXPECT_EQ(cell(matrix, "shop/client", "shop/web"), "denied");
  EXPECT_EQ(cell(matrix, "default/stranger", "shop/web"), "allowed");
  auto only_shop = matrix_of(objects(kShop + kPolicy), {.namespace_ = "shop", .port = 80, .protocol = 6});
  EXPECT_EQ(names(only_shop), (std::vector<std::string>{"shop/client", "shop/web"}));
  EXPECT_EQ(cell(only_shop, "shop/client", "shop/web"), "allowed");
}

TEST(Matrix, WhatAuditLetsPass) {
  auto all = objects(kShop + kPolicy);
  all.policies[0].metadata.annotations[kAuditAnnotation] = "true";
  EXPECT_EQ(cell(matrix_of(all), "shop/client", "shop/web"), "all (audit)");
  EXPECT_EQ(cell(matrix_of(all, {.port = 81, .protocol = 6}), "shop/client", "shop/web"), "audit");
}

TEST(Matrix, PodsOfOneOwnerThatDifferHaveRowsOfTheirOwn) {
  auto all = objects(kShop + kPolicy);
  for (auto& pod : all.pods) {
    if (pod.metadata.name == "web-1") pod.metadata.labels["app"] = "client";
  }
  auto matrix = matrix_of(all);
  EXPECT_EQ(names(matrix),
            (std::vector<std::string>{"default/stranger", "shop/client", "shop/web-0", "shop/web-1"}));
  EXPECT_EQ(cell(matrix, "shop/web-1", "shop/web-0"), "TCP 80");
}

TEST(Matrix, LabelsThatNoPolicyAsksForDoNotSplitAnOwner) {
  auto all = objects(kShop + kPolicy);
  for (auto& pod : all.pods) pod.metadata.labels["statefulset.kubernetes.io/pod-name"] = pod.metadata.name;
  EXPECT_EQ(names(matrix_of(all)), (std::vector<std::string>{"default/stranger", "shop/client", "shop/web"}));
}

TEST(Matrix, TheFamilyWhereItMatters) {
  auto all = objects(kShop + std::string(R"(
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
)"));
  int number = 0;
  for (auto& pod : all.pods) pod.status.podIPs.emplace_back().ip = "fd00::" + std::to_string(++number);
  auto matrix = matrix_of(all, {.port = 80, .protocol = 6});
  EXPECT_EQ(cell(matrix, "shop/client", "shop/web"), "TCP 80 IPv4");
  EXPECT_EQ(cell(matrix, "shop/client", "default/stranger"), "allowed");
}

TEST(Matrix, JsonHasTheReasons) {
  auto json = matrix_of(objects(kShop + kPolicy)).to_json();
  bool seen = false;
  for (const auto& entry : json["cells"].as_array()) {
    const auto& cell = entry.as_object();
    if (cell.at("from") != "shop/client" || cell.at("to") != "shop/web") continue;
    seen = true;
    const auto& port = cell.at("ports").as_array()[0].as_object();
    EXPECT_EQ(port.at("verdict"), "allowed");
    EXPECT_EQ(port.at("ingress"), "ingress is allowed by NetworkPolicy shop/web ingress[0]");
    EXPECT_EQ(cell.at("ports").as_array()[1].as_object().at("verdict"), "denied");
  }
  EXPECT_TRUE(seen);
}

TEST(Objects, WhatCannotBeDecodedIsNamed) {
  auto documents = kube::parse_yaml("\napiVersion: v1\nkind: Pod\nspec: {containers: 3}\n", "x.yaml");
  auto out = objects_of(documents.value());
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().message.substr(0, 9), "x.yaml:2:");
}

TEST(Objects, ACronJobCountsAsItsJob) {
  auto all = objects(R"(
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: sys}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {metadata: {labels: {app: nightly}}}}}}
)");
  ASSERT_EQ(all.pods.size(), 1U);
  EXPECT_EQ(all.pods[0].metadata.namespace_, "sys");
  EXPECT_EQ(all.pods[0].metadata.labels.at("app"), "nightly");
  EXPECT_EQ(names(matrix_of(all)), std::vector<std::string>{"sys/nightly"});
}

TEST(Objects, WorkloadsCountAsTheirTemplates) {
  auto all = objects(kShop + std::string(R"(
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: sys}
spec: {template: {metadata: {labels: {app: agent}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: none}
spec: {replicas: 0}
---
apiVersion: v1
kind: Service
metadata: {name: web}
)"));
  ASSERT_EQ(all.pods.size(), 6U);
  EXPECT_EQ(all.pods[4].metadata.name, "agent-0");
  EXPECT_EQ(all.pods[4].metadata.labels.at("app"), "agent");
  EXPECT_EQ(all.pods[5].status.podIP, "10.244.0.6");
  ASSERT_EQ(all.namespaces.size(), 3U);
  EXPECT_EQ(all.namespaces[0].metadata.labels.at("kubernetes.io/metadata.name"), "default");
}

}  // namespace
}  // namespace weft::policy
