#include "reach/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reach/apply.h"
#include "trace/test_cluster.h"

namespace weft::reach {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using trace::test::Cluster;

const std::string kShop = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template: {metadata: {labels: {app: front}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v2, namespace: shop}
spec:
  selector: {matchLabels: {app: web-v2}}
  template:
    metadata: {labels: {app: web-v2}}
    spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
)";

std::string service(const std::string& selected) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: "
         "{app: " +
         selected + "}, ports: [{port: 80, targetPort: http}]}\n";
}

const std::string kDenyAll = R"(---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
)";

Diff diff(const std::string& before, const std::string& after) {
  Cluster a(before), b(after);
  return compare(Reach(a.world()), Reach(b.world()));
}

std::vector<const Change*> of_kind(const Diff& diff, Change::Kind kind) {
  std::vector<const Change*> out;
  for (const auto& change : diff.changes) {
    if (change.kind == kind) out.push_back(&change);
  }
  return out;
}

TEST(Diff, TheSameIsNoChange) {
  auto result = diff(kShop + service("web"), kShop + service("web"));
  EXPECT_THAT(result.changes, IsEmpty()) << result.to_text();
  EXPECT_THAT(result.to_text(), HasSubstr("no change in who can reach whom"));
}

TEST(Diff, APolicyDenies) {
  auto result = diff(kShop + service("web"), kShop + service("web") + kDenyAll);
  auto denied = of_kind(result, Change::Kind::denied);
  ASSERT_THAT(denied, SizeIs(1)) << result.to_text();
  EXPECT_THAT(result.changes, SizeIs(1)) << result.to_text();
  EXPECT_THAT(denied[0]->from, ElementsAre("Deployment shop/front", "Deployment shop/web-v2"));
  EXPECT_THAT(denied[0]->to, ElementsAre("Deployment shop/web 8080/TCP", "Service shop/web 80/TCP"));
  ASSERT_THAT(denied[0]->after.by, SizeIs(1));
  EXPECT_EQ(denied[0]->after.by[0].name, "closed");
  EXPECT_GT(denied[0]->after.by[0].line, 0);
}

TEST(Diff, TheOtherWayRoundItAllows) {
  auto result = diff(kShop + service("web") + kDenyAll, kShop + service("web"));
  EXPECT_THAT(of_kind(result, Change::Kind::allowed), SizeIs(1)) << result.to_text();
  EXPECT_THAT(result.changes, SizeIs(1));
}

TEST(Diff, AServiceMoves) {
  auto result = diff(kShop + service("web"), kShop + service("web-v2"));
  ASSERT_THAT(result.changes, SizeIs(1)) << result.to_text();
  const auto& change = result.changes[0];
  EXPECT_EQ(change.kind, Change::Kind::moved);
  EXPECT_THAT(change.from,
              ElementsAre("Deployment shop/front", "Deployment shop/web", "Deployment shop/web-v2"));
  EXPECT_THAT(change.before.leads_to, ElementsAre("Deployment shop/web 8080/TCP"));
  EXPECT_THAT(change.after.leads_to, ElementsAre("Deployment shop/web-v2 8080/TCP"));
}

TEST(Diff, AServiceWithoutEndpointsRefuses) {
  auto result = diff(kShop + service("web"), kShop + service("wbe"));
  auto denied = of_kind(result, Change::Kind::denied);
  ASSERT_THAT(denied, SizeIs(1)) << result.to_text();
  EXPECT_EQ(denied[0]->after.verdict, trace::Verdict::refused);
  EXPECT_THAT(denied[0]->after.reason, HasSubstr("matches no pod"));
}

TEST(Diff, WhatGoesIsDeniedAndItsNameIsGone) {
  auto result = diff(kShop + service("web"), kShop);
  EXPECT_THAT(of_kind(result, Change::Kind::denied), SizeIs(1)) << result.to_text();
  auto names = of_kind(result, Change::Kind::unnamed);
  ASSERT_THAT(names, SizeIs(1));
  EXPECT_THAT(names[0]->to, ElementsAre("web.shop.svc.cluster.local"));
  EXPECT_FALSE(names[0]->after.there);
}

std::vector<kube::YamlDocument> parsed(const std::string& text) { return *kube::parse_yaml(text, "t.yaml"); }
Expected<void> as_it_is(json::value&) { return {}; }

TEST(Apply, WhatTheClusterGaveStays) {
  auto out = apply(
      parsed(R"({kind: Service, apiVersion: v1, metadata: {name: a, uid: u1}, spec: {clusterIP: 10.96.0.9,
    clusterIPs: [10.96.0.9], ports: [{port: 80}]}, status: {loadBalancer: {}}})"),
      parsed("{kind: Service, apiVersion: v1, metadata: {name: a}, spec: {ports: [{port: 81}]}}"), as_it_is);
  ASSERT_TRUE(out);
  ASSERT_THAT(*out, SizeIs(1));
  const auto& object = out->front().value;
  EXPECT_EQ(kube::string_at(object, "spec.clusterIP"), "10.96.0.9");
  EXPECT_EQ(kube::string_at(object, "metadata.uid"), "u1");
  EXPECT_EQ(kube::at_path(object, "spec.ports")->get_array()[0].at("port").as_int64(), 81);
}

TEST(Apply, PodsOfAnotherTemplateGo) {
  const std::string cluster = R"(
{kind: Deployment, apiVersion: apps/v1, metadata: {name: web}, spec: {replicas: 1, template: {metadata: {labels: {a: b}}}}}
---
{kind: ReplicaSet, apiVersion: apps/v1, metadata: {name: web-1, ownerReferences: [{kind: Deployment, name: web, controller: true}]}}
---
{kind: Pod, apiVersion: v1, metadata: {name: web-1-x, ownerReferences: [{kind: ReplicaSet, name: web-1, controller: true}]}}
---
{kind: Pod, apiVersion: v1, metadata: {name: other}}
)";
  auto names = [&](const std::string& manifest) {
    std::vector<std::string> out;
    for (const auto& document : *apply(parsed(cluster), parsed(manifest), as_it_is))
      out.emplace_back(kube::string_at(document.value, "metadata.name"));
    std::ranges::sort(out);
    return out;
  };
  const std::string same =
      "{kind: Deployment, apiVersion: apps/v1, metadata: {name: web}, spec: {replicas: 1, template: "
      "{metadata: {labels: {a: b}}}}}";
  EXPECT_THAT(names(same), ElementsAre("other", "web", "web-1", "web-1-x"));
  auto another = same;
  another.replace(another.find("a: b"), 4, "a: c");
  EXPECT_THAT(names(another), ElementsAre("other", "web"));
}

}  // namespace
}  // namespace weft::reach
