#include "reach/reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/test_cluster.h"

namespace weft::reach {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using trace::Verdict;
using trace::test::Cluster;

std::string deployment(const std::string& name, const std::string& ns = "shop", int replicas = 2) {
  return "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + ", namespace: " + ns +
         "}\nspec: {replicas: " + std::to_string(replicas) + ", selector: {matchLabels: {app: " + name +
         "}}, template: {metadata: {labels: {app: " + name +
         "}}, spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}}}\n";
}

std::string service(const std::string& name, const std::string& app, const std::string& more = "") {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: {selector: {app: " + app + "}, ports: [{port: 80, targetPort: http}]" +
         more + "}\n";
}

std::string policy(const std::string& name, const std::string& spec) {
  return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name +
         ", namespace: shop}\nspec: {" + spec + "}\n";
}

const std::string kAllowFront =
    policy("web",
           "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
           "front}}}], ports: [{port: 8080}]}]");

/// By names.
struct Matrix {
  explicit Matrix(const std::string& yaml) : cluster(yaml), reach(cluster.world()) {}

  std::optional<std::pair<size_t, size_t>> find(const std::string& from, const std::string& to) const {
    auto source = std::ranges::find(reach.workloads(), from, &Workload::name);
    auto target = std::ranges::find(reach.targets(), to, &Target::name);
    if (source == reach.workloads().end() || target == reach.targets().end()) {
      ADD_FAILURE() << from << " -> " << to << " is not there";
      return std::nullopt;
    }
    return std::pair(source - reach.workloads().begin(), target - reach.targets().begin());
  }
  std::string verdict(const std::string& from, const std::string& to) const {
    auto at = find(from, to);
    auto verdict = at ? reach.verdict(at->first, at->second) : std::nullopt;
    return verdict ? std::string(name_of(*verdict)) : "not asked";
  }
  Edge edge(const std::string& from, const std::string& to) const {
    auto at = find(from, to);
    return at ? reach.edge(at->first, at->second) : Edge{};
  }

  Cluster cluster;
  Reach reach;
};

TEST(Reach, PodsAndServicesByPolicies) {
  Matrix matrix(deployment("front") + deployment("web") + deployment("other") + service("web", "web") +
                service("none", "nobody") + kAllowFront);
  std::vector<std::string> names;
  for (const auto& workload : matrix.reach.workloads()) names.push_back(workload.name);
  EXPECT_THAT(
      names, ElementsAre("Deployment shop/front", "Deployment shop/other", "Deployment shop/web", "outside"));
  EXPECT_EQ(matrix.verdict("Deployment shop/front", "Deployment shop/web 8080/TCP"), "works");
  EXPECT_EQ(matrix.verdict("Deployment shop/other", "Deployment shop/web 8080/TCP"), "denied");
  EXPECT_EQ(matrix.verdict("Deployment shop/front", "Service shop/web 80/TCP"), "works");
  EXPECT_EQ(matrix.verdict("Deployment shop/other", "Service shop/web 80/TCP"), "denied");
  EXPECT_EQ(matrix.verdict("Deployment shop/front", "Service shop/none 80/TCP"), "refused");
  EXPECT_EQ(matrix.verdict("Deployment shop/web", "Service default/kubernetes 443/TCP"), "unknown");
  EXPECT_EQ(matrix.verdict("Deployment shop/web", "outside 443/TCP"), "works");
  EXPECT_EQ(matrix.verdict("outside", "Service shop/web 80/TCP"), "not asked");
  auto denied = matrix.edge("Deployment shop/other", "Service shop/web 80/TCP");
  ASSERT_EQ(denied.by.size(), 1U);
  EXPECT_EQ(denied.by[0].name, "web");
  EXPECT_GT(denied.by[0].line, 0);
  EXPECT_THAT(matrix.edge("Deployment shop/front", "Service shop/none 80/TCP").reason,
              HasSubstr("matches no pod"));
}

TEST(Reach, APodBehindAServiceGetsToItself) {
  Matrix matrix(deployment("web", "shop", 1) + deployment("two") + service("web", "web") +
                service("two", "two") + policy("none", "podSelector: {}, policyTypes: [Ingress]"));
  EXPECT_EQ(matrix.verdict("Deployment shop/web", "Service shop/web 80/TCP"), "works");
  EXPECT_EQ(matrix.verdict("Deployment shop/web", "Deployment shop/web 8080/TCP"), "not asked");
  EXPECT_EQ(matrix.verdict("Deployment shop/two", "Service shop/two 80/TCP"), "partly");
  EXPECT_EQ(matrix.verdict("Deployment shop/two", "Deployment shop/two 8080/TCP"), "denied");
}

TEST(Reach, ClusterNetworkPoliciesKeepAPodFromItselfByAService) {
  Matrix matrix(deployment("web", "shop", 1) + service("web", "web") + R"(---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: lockdown}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
)");
  EXPECT_EQ(matrix.verdict("Deployment shop/web", "Service shop/web 80/TCP"), "denied");
}

TEST(Reach, PodsWithoutAnOwnerThatAreAlikeAreOne) {
  auto pod = [](const std::string& name, const std::string& app) {
    return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
           ", namespace: shop, labels: {app: " + app + "}}\nspec: {containers: [{name: c, image: i}]}\n";
  };
  Matrix matrix(pod("a", "red") + pod("b", "red") + pod("c", "blue"));
  std::vector<std::string> names;
  for (const auto& workload : matrix.reach.workloads()) names.push_back(workload.name);
  EXPECT_THAT(names, ElementsAre("Pod shop/a and 1 like it", "Pod shop/c", "outside"));
}

const std::string kGateway = R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: edge}]
  hostnames: [www.shop.example]
  rules:
  - matches: [{path: {value: /cart}, method: POST}]
    backendRefs: [{name: web, port: 80}]
)";

TEST(Reach, RoutesFromOutside) {
  Matrix matrix(deployment("web") + service("web", "web") + kGateway);
  const std::string cart = "http://www.shop.example/cart (Gateway shop/edge) POST";
  EXPECT_EQ(matrix.verdict("outside", cart), "works");
  EXPECT_EQ(matrix.verdict("Deployment shop/web", cart), "not asked");
  auto at = matrix.find("outside", cart);
  ASSERT_TRUE(at);
  EXPECT_THAT(matrix.reach.leads_to(at->second),
              ElementsAre("Deployment shop/web", "Service shop/web port 80"));
  auto edge = matrix.edge("outside", cart);
  ASSERT_FALSE(edge.by.empty());
  EXPECT_EQ(edge.by[0].kind, "HTTPRoute");
}

TEST(Reach, RoutesThatPoliciesCut) {
  Matrix matrix(deployment("web") + service("web", "web") + kGateway + kAllowFront);
  // The proxies on all nodes but the pod's own are kept out; there is one node.
  EXPECT_EQ(matrix.verdict("outside", "http://www.shop.example/cart (Gateway shop/edge) POST"), "works");
}

/// All that can be traced comes to the same, for each pod.
TEST(Reach, AgreesWithTrace) {
  std::string nodes;
  for (const char* name : {"one", "two"})
    nodes += std::string("---\napiVersion: v1\nkind: Node\nmetadata: {name: ") + name + "}\n";
  Matrix matrix(
      nodes + deployment("front") + deployment("web") + deployment("other") +
      deployment("single", "shop", 1) + deployment("far", "away") + service("web", "web") +
      service("front", "front", ", internalTrafficPolicy: Local") +
      service("single", "single", ", internalTrafficPolicy: Local") + service("none", "nobody") +
      kAllowFront +
      policy("out",
             "podSelector: {matchLabels: {app: other}}, policyTypes: [Egress], egress: [{to: [{podSelector: "
             "{matchLabels: {app: front}}}]}]") +
      policy("block",
             "podSelector: {matchLabels: {app: single}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, "
             "except: [10.244.0.0/22]}}]}]"));
  const auto& reach = matrix.reach;
  size_t asked = 0;
  for (size_t from = 0; from + 1 < reach.workloads().size(); ++from) {
    for (size_t to = 0; to < reach.targets().size(); ++to) {
      const auto& target = reach.targets()[to];
      auto verdict = reach.verdict(from, to);
      if (!verdict || target.kind == Target::Kind::gateway || target.kind == Target::Kind::outside) continue;
      std::vector<trace::Hop> ways;
      for (const auto& pod : reach.workloads()[from].pods) {
        std::vector<std::string> destinations{"service/" + (target.service ? target.service->service() : "")};
        if (target.kind == Target::Kind::pods) {
          destinations.clear();
          for (const auto& other : reach.workloads()[target.workload].pods) {
            if (other != pod) destinations.push_back("pod/" + other);
          }
        }
        for (const auto& destination : destinations) {
          trace::Request request;
          request.port = target.port.port;
          request.protocol = target.port.protocol;
          auto trace = matrix.cluster.trace(pod, destination, request);
          trace::Hop hop;
          hop.outcome = trace.outcome;
          ways.push_back(std::move(hop));
        }
      }
      // Where no way works, which of the reasons is told is of no importance.
      if (std::ranges::none_of(ways, [](const trace::Hop& hop) {
            return hop.outcome.verdict == Verdict::works || hop.outcome.verdict == Verdict::partly;
          })) {
        EXPECT_TRUE(verdict != Verdict::works && verdict != Verdict::partly) << target.name;
        continue;
      }
      auto wanted = trace::any_of(ways).verdict;
      EXPECT_EQ(name_of(*verdict), name_of(wanted)) << reach.workloads()[from].name << " -> " << target.name;
      ++asked;
    }
  }
  EXPECT_GT(asked, 20U);
}

TEST(Reach, PodsOfAJobAreTheCronJobsThatMadeIt) {
  const std::string owner = "ownerReferences: [{apiVersion: batch/v1, controller: true, uid: u, ";
  const std::string spec = "spec: {restartPolicy: Never, containers: [{name: c, image: i}]}";
  Cluster cluster("{apiVersion: batch/v1, kind: Job, metadata: {name: nightly-29, " + owner +
                  "kind: CronJob, name: nightly}]}, spec: {template: {" + spec +
                  "}}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: nightly-29-x, " + owner +
                  "kind: Job, name: nightly-29}]}, " + spec +
                  "}\n---\n{apiVersion: batch/v1, kind: Job, metadata: " +
                  "{name: once}, spec: {template: {" + spec + "}}}");
  Reach reach(cluster.world());
  std::vector<std::string> names;
  for (const auto& workload : reach.workloads()) names.push_back(workload.name);
  EXPECT_THAT(names, ElementsAre("CronJob default/nightly", "Job default/once", "outside"));
}

}  // namespace
}  // namespace weft::reach
