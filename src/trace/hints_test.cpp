#include "trace/hints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "trace/test_cluster.h"

namespace weft::trace {
namespace {

using test::Cluster;
using test::kShop;
using test::policy;
using test::steps;
using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

TEST(Hints, ServicesWithoutEndpoints) {
  Cluster cluster(kShop + R"(
---
apiVersion: v1
kind: Service
metadata: {name: typo, namespace: shop}
spec: {selector: {app: wep}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: named, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: bare, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sick, namespace: shop, labels: {app: sick}}
spec: {nodeName: node-1, containers: [{name: c, image: i}]}
status:
  phase: Running
  podIP: 10.244.0.200
  podIPs: [{ip: 10.244.0.200}]
  conditions: [{type: Ready, status: "False"}]
---
apiVersion: v1
kind: Service
metadata: {name: sick, namespace: shop}
spec: {selector: {app: sick}, ports: [{port: 80}]}
)");
  auto trace = [&](const char* to) { return cluster.trace("shop/client", to); };
  auto typo = trace("service/shop/typo");
  EXPECT_EQ(typo.outcome.verdict, Verdict::refused);
  EXPECT_THAT(typo.outcome.reason, HasSubstr("the selector of Service shop/typo (app=wep) matches no pod"));
  EXPECT_THAT(typo.outcome.fix, HasSubstr("Pod shop/web-0 has app=web")) << "the nearest";
  EXPECT_THAT(trace("service/default/elsewhere").outcome.fix,
              HasSubstr("is in namespace shop; put the Service there"));
  auto named = trace("service/shop/named");
  EXPECT_THAT(named.outcome.reason, HasSubstr("TCP port named \"web\""));
  EXPECT_THAT(named.outcome.fix, HasSubstr("http (8080/TCP)"));
  EXPECT_THAT(trace("service/shop/bare").outcome.reason, HasSubstr("has no selector and no EndpointSlice"));
  auto sick = trace("service/shop/sick");
  EXPECT_THAT(sick.outcome.reason, HasSubstr("none of the 1 pods of Service shop/sick is ready"));
  ASSERT_THAT(steps(sick.hops, "slices"), SizeIs(1));
  EXPECT_THAT(steps(sick.hops, "slices")[0]->notes.at(0), HasSubstr("(Pod shop/sick): it is not ready"));
}

TEST(Hints, SlicesOfAnotherFamily) {
  Cluster cluster(kShop + R"(
---
apiVersion: v1
kind: Service
metadata: {name: four, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: four-1, namespace: shop, labels: {kubernetes.io/service-name: four}}
addressType: IPv6
ports: [{port: 80}]
endpoints: [{addresses: ["2001:db8::5"]}]
)");
  auto four = cluster.trace("shop/client", "service/shop/four");
  EXPECT_THAT(four.outcome.reason, HasSubstr("no EndpointSlice of Service shop/four has IPv4 addresses"));
  EXPECT_THAT(four.outcome.fix, HasSubstr("they have IPv6"));
}

TEST(Hints, WorkloadsWithoutPods) {
  Cluster cluster(kShop + R"(
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: idle, namespace: shop}
spec: {replicas: 0, selector: {matchLabels: {app: idle}}, template: {metadata: {labels: {app: idle}}, spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: idle, namespace: shop}
spec: {selector: {app: idle}, ports: [{port: 80}]}
)");
  auto idle = cluster.trace("shop/client", "service/shop/idle");
  EXPECT_EQ(idle.outcome.verdict, Verdict::refused);
  EXPECT_THAT(idle.outcome.fix,
              HasSubstr("Deployment shop/idle makes such pods, and has none: give it replicas"));
  EXPECT_THAT(idle.notes, Contains("Deployment shop/idle has no pods"));
}

TEST(Hints, APortThatThePodDoesNotDeclare) {
  Cluster cluster(kShop +
                  policy("web",
                         "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}], "
                         "ports: [{port: 8080}]}]") +
                  R"(
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 9090}]}
)");
  auto pod = cluster.trace("shop/client", "pod/shop/web-0", {.port = 80, .headers = {}});
  EXPECT_EQ(pod.outcome.verdict, Verdict::denied);
  EXPECT_THAT(pod.outcome.fix, HasSubstr("does not declare port 80/TCP, but 8080, which policies allow"));
  auto endpoints = [&](const char* to) { return cluster.trace("shop/client", to).hops; };
  EXPECT_THAT(steps(endpoints("service/shop/other"), "endpoint").at(0)->notes,
              Contains(HasSubstr("no container of it declares port 9090/TCP")));
  EXPECT_THAT(cluster.trace("shop/client", "service/shop/other").outcome.fix, HasSubstr("but 8080"));
  auto stranger = cluster.trace("default/stranger", "pod/shop/web-0", {.port = 80, .headers = {}});
  EXPECT_THAT(stranger.outcome.fix, HasSubstr("add an ingress rule")) << "it is let in nowhere";
}

TEST(Hints, PortsThatAServiceDoesNotHave) {
  Cluster cluster(kShop);
  auto wrong = cluster.trace("shop/client", "web.shop:8080");
  EXPECT_EQ(wrong.outcome.verdict, Verdict::refused);
  EXPECT_THAT(wrong.outcome.reason, HasSubstr("Service shop/web has no port 8080/TCP"));
  EXPECT_THAT(wrong.outcome.fix, HasSubstr("ask for a port that it has (http 80/TCP)"));
  auto udp = cluster.trace("shop/client", "service/shop/web:80",
                           {.protocol = IPPROTO_UDP, .port = {}, .headers = {}});
  EXPECT_THAT(udp.outcome.fix, HasSubstr("of another protocol"));
  cluster = Cluster(kShop + R"(
---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
)");
  udp = cluster.trace("shop/client", "service/shop/plain:80",
                      {.protocol = IPPROTO_UDP, .port = {}, .headers = {}});
  EXPECT_THAT(udp.outcome.fix, HasSubstr("of another protocol")) << "its targetPort has that number, too";
}

}  // namespace
}  // namespace weft::trace
