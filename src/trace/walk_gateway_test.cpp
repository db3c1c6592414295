#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/test_cluster.h"
#include "trace/walk.h"

namespace weft::trace {
namespace {

using test::Cluster;
using test::steps;
using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

/// Gateway web/edge at port 80, two versions of an application, a client.
const std::string kWeb = R"(
apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web}
spec:
  gatewayClassName: weft
  listeners:
    - {name: http, port: 80, protocol: HTTP, hostname: "*.example.com"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: web}
spec:
  parentRefs: [{name: edge}]
  hostnames: [www.example.com]
  rules:
    - matches: [{path: {value: /new}, headers: [{name: x-try, value: "yes"}]}]
      backendRefs: [{name: v2, port: 80}]
    - matches: [{path: {value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /new}}}]
    - matches: [{path: {value: /missing}}]
      backendRefs: [{name: nobody, port: 80}]
    - matches: [{path: {value: /empty}}]
      backendRefs: [{name: empty, port: 80}]
    - matches: [{path: {value: /app}}]
      backendRefs: [{name: v1, port: 80, weight: 9}, {name: v2, port: 80, weight: 1}]
---
apiVersion: v1
kind: Pod
metadata: {name: v1, namespace: web, labels: {app: v1}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: v2, namespace: web, labels: {app: v2}}
spec: {containers: [{name: c, image: i, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: v1, namespace: web}
spec: {selector: {app: v1}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: v2, namespace: web}
spec: {selector: {app: v2}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: web}
spec: {selector: {app: v3}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: c, image: i}]}
)";

TEST(WalkGateway, FromOutsideToTheRulesBackends) {
  Cluster cluster(kWeb);
  auto trace = cluster.trace("outside", "http://www.example.com/app/x");
  EXPECT_EQ(trace.exit_code(), 0) << trace.to_text();
  auto rules = steps(trace.hops, "rule");
  ASSERT_FALSE(rules.empty());
  EXPECT_EQ(rules[0]->by.at(0).str(), "HTTPRoute web/shop spec.rules[4]");
  EXPECT_EQ(rules[0]->by.at(0).line, 29);
  auto backends = steps(rules[0]->hops, "backend");
  ASSERT_THAT(backends, SizeIs(2));
  EXPECT_THAT(backends[0]->text, HasSubstr("Service web/v1 port 80, 9 of 10 requests"));
  EXPECT_THAT(steps(backends[1]->hops, "endpoint")[0]->text, HasSubstr(":8080, Pod web/v2"));
}

TEST(WalkGateway, HeadersDecideAndWhatWasPassedOverIsTold) {
  Cluster cluster(kWeb);
  Request with{.port = {}, .headers = {{"x-try", "yes"}}};
  auto taken = cluster.trace("client", "http://www.example.com/new", with);
  EXPECT_EQ(steps(taken.hops, "rule")[0]->by.at(0).part, "spec.rules[0]");
  auto not_taken = cluster.trace("client", "http://www.example.com/new");
  EXPECT_EQ(not_taken.outcome.verdict, Verdict::error);
  EXPECT_EQ(not_taken.outcome.status, 404);
  EXPECT_THAT(steps(not_taken.hops, "rule")[0]->notes,
              Contains(HasSubstr("not HTTPRoute web/shop spec.rules[0]: header x-try is not there")));
}

TEST(WalkGateway, AnswersOfTheProxyItself) {
  Cluster cluster(kWeb);
  auto redirect = cluster.trace("outside", "http://www.example.com/old");
  EXPECT_EQ(redirect.outcome.verdict, Verdict::works);
  EXPECT_EQ(redirect.outcome.status, 302);
  EXPECT_EQ(redirect.outcome.location, "http://www.example.com/new");
  EXPECT_THAT(steps(redirect.hops, "rule")[0]->notes,
              Contains(HasSubstr("location http://www.example.com/new")));
  auto missing = cluster.trace("outside", "http://www.example.com/missing");
  EXPECT_EQ(missing.outcome.status, 500);
  EXPECT_THAT(missing.outcome.fix, HasSubstr("make that Service"));
  EXPECT_THAT(missing.outcome.reason, HasSubstr("BackendNotFound"));
  auto empty = cluster.trace("outside", "http://www.example.com/empty");
  EXPECT_EQ(empty.outcome.status, 503);
  EXPECT_THAT(empty.outcome.reason, HasSubstr("the selector of Service web/empty (app=v3) matches no pod"));
  EXPECT_EQ(cluster.verdict("outside", "http://www.example.com/nothing"), "error 404");
}

TEST(WalkGateway, ByItsNameAndAHost) {
  Cluster cluster(kWeb);
  Request host{.port = {}, .headers = {{"host", "www.example.com"}}};
  EXPECT_EQ(cluster.verdict("outside", "gateway/web/edge", host), "error 404") << "no rule has the path /";
  Request other{.port = {}, .headers = {{"host", "www.example.org"}}};
  auto no_listener = cluster.trace("outside", "gateway/web/edge", other);
  EXPECT_EQ(no_listener.outcome.status, 404);
  EXPECT_THAT(no_listener.outcome.fix, HasSubstr("*.example.com"));
  EXPECT_EQ(cluster.verdict("outside", "gateway/web/edge:81"), "no way");
}

TEST(WalkGateway, AServerNameOfNoListenerHasNoTlsToAnswerOver) {
  Cluster cluster(kWeb + R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: pass, namespace: web}
spec:
  gatewayClassName: weft
  listeners: [{name: tls, port: 443, protocol: TLS, hostname: "*.example.com", tls: {mode: Passthrough}}]
)");
  Request other{.port = {}, .headers = {{"host", "www.example.org"}}};
  EXPECT_EQ(cluster.verdict("outside", "gateway/web/pass", other), "refused");
}

TEST(WalkGateway, AStreamHasNothingToAnswerIn) {
  Cluster cluster(kWeb + R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: raw, namespace: web}
spec: {gatewayClassName: weft, listeners: [{name: a, port: 5000, protocol: TCP}]}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: a, namespace: web}
spec: {parentRefs: [{name: raw}], rules: [{backendRefs: [{name: empty, port: 80}]}]}
)");
  auto empty = cluster.trace("outside", "gateway/web/raw:5000");
  EXPECT_EQ(empty.outcome.verdict, Verdict::refused) << empty.to_text();
  EXPECT_EQ(empty.outcome.status, 0);
  EXPECT_THAT(empty.outcome.reason, HasSubstr("Service web/empty"));
}

TEST(WalkGateway, TheProxyIsItsNodeToPolicies) {
  Cluster cluster(kWeb + R"(
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: web}
spec: {podSelector: {}, ingress: []}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: quiet}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{protocol: UDP, port: 53}]}]}
)");
  EXPECT_EQ(cluster.verdict("outside", "http://www.example.com/app"), "works")
      << "a node gets to its own pods";
  auto denied = cluster.trace("client", "http://www.example.com/app");
  EXPECT_EQ(denied.outcome.verdict, Verdict::denied);
  EXPECT_THAT(denied.outcome.reason, HasSubstr("egress from Pod default/client to Node node-1"));
}

TEST(WalkGateway, RoutesThatDoNotAttach) {
  Cluster cluster(kWeb + R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: foreign, namespace: default}
spec:
  parentRefs: [{name: edge, namespace: web}]
  hostnames: [foreign.example.com]
  rules: [{backendRefs: [{name: x, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: alien, namespace: web}
spec: {gatewayClassName: other, listeners: [{name: http, port: 80, protocol: HTTP}]}
)");
  Request host{.port = {}, .headers = {{"host", "foreign.example.com"}}};
  auto trace = cluster.trace("outside", "gateway/web/edge", host);
  EXPECT_EQ(trace.outcome.status, 404);
  EXPECT_THAT(trace.outcome.reason, HasSubstr("NotAllowedByListeners"));
  EXPECT_THAT(trace.outcome.fix, HasSubstr("allowedRoutes"));
  auto alien = cluster.trace("outside", "gateway/web/alien");
  EXPECT_EQ(alien.outcome.verdict, Verdict::no_way);
  EXPECT_THAT(alien.outcome.reason, HasSubstr("GatewayClass other"));
}

TEST(WalkGateway, AnIngress) {
  Cluster cluster(kWeb + R"(
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: old, namespace: web}
spec:
  rules:
    - host: old.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: v1, port: {number: 80}}}}]}
)");
  auto trace = cluster.trace("outside", "http://old.example.org/a");
  EXPECT_EQ(trace.exit_code(), 0) << trace.to_text();
  EXPECT_EQ(steps(trace.hops, "rule")[0]->by.at(0).kind, "Ingress");
  EXPECT_THAT(steps(trace.hops, "endpoint").back()->text, HasSubstr("Pod web/v1"));
}

/// Service web/v1 with routes: of its own namespace (producer) and, in `more`, of others (consumers).
std::string mesh(const std::string& ns, const std::string& backends) {
  return R"(
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: v1, namespace: )" +
         ns + R"(}
spec:
  parentRefs: [{group: "", kind: Service, name: v1, namespace: web, port: 80}]
  rules:
    - matches: [{path: {value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]
    - matches: [{path: {value: /a}}]
      backendRefs: )" +
         backends + "\n";
}

TEST(WalkMesh, AServiceWithoutRoutesHasNoProxy) {
  Cluster cluster(kWeb);
  auto trace = cluster.trace("client", "http://v1.web/a");
  EXPECT_EQ(trace.outcome.verdict, Verdict::works);
  EXPECT_THAT(steps(trace.hops, "gateway"), SizeIs(0));
}

TEST(WalkMesh, ARouteOfTheServicesNamespaceConcernsAll) {
  Cluster cluster(kWeb + mesh("web", "[{name: v1, port: 80, weight: 3}, {name: v2, port: 80}]"));
  auto trace = cluster.trace("client", "http://v1.web/a");
  EXPECT_EQ(trace.outcome.verdict, Verdict::works) << trace.to_text();
  auto gateways = steps(trace.hops, "gateway");
  ASSERT_THAT(gateways, SizeIs(1));
  EXPECT_EQ(gateways[0]->text, "the routes of Service web/v1, served by the proxy on node-1");
  EXPECT_EQ(gateways[0]->by.at(0).str(), "Service web/v1");
  auto listeners = steps(trace.hops, "listener");
  EXPECT_THAT(listeners.at(0)->text, HasSubstr("all clients (producers)"));
  EXPECT_EQ(listeners.at(0)->by.at(0).part, "spec.ports[0]");
  auto rules = steps(trace.hops, "rule");
  EXPECT_EQ(rules.at(0)->by.at(0).str(), "HTTPRoute web/v1 spec.rules[1]");
  auto backends = steps(trace.hops, "backend");
  ASSERT_THAT(backends, SizeIs(2));
  EXPECT_THAT(backends[0]->text, HasSubstr("Service web/v1 port 80, 3 of 4 requests"));
  EXPECT_THAT(steps(backends[1]->hops, "endpoint").at(0)->text, HasSubstr("Pod web/v2"));
  EXPECT_EQ(cluster.verdict("client", "http://v1.web/b"), "error 404");
  EXPECT_EQ(cluster.verdict("client", "http://v1.web/old"), "works 301");
  EXPECT_THAT(steps(cluster.trace("client", "http://v2.web/a").hops, "gateway"), SizeIs(0))
      << "another Service";
}

TEST(WalkMesh, ARouteOfAnotherNamespaceConcernsItsPodsInstead) {
  Cluster cluster(kWeb + mesh("web", "[{name: v1, port: 80}]") +
                  mesh("default", "[{name: v1, namespace: web, port: 80}]"));
  auto consumer = cluster.trace("client", "http://v1.web/a");
  EXPECT_EQ(steps(consumer.hops, "rule").at(0)->by.at(0).str(), "HTTPRoute default/v1 spec.rules[1]");
  EXPECT_THAT(steps(consumer.hops, "listener").at(0)->text, HasSubstr("namespace default (consumers)"));
  auto other = cluster.trace("web/v2", "http://v1/a");
  EXPECT_EQ(steps(other.hops, "rule").at(0)->by.at(0).str(), "HTTPRoute web/v1 spec.rules[1]");
}

TEST(WalkMesh, WhomNoRouteConcernsIsPassedOn) {
  Cluster cluster(kWeb + mesh("default", "[{name: v1, namespace: web, port: 80}]"));
  auto trace = cluster.trace("web/v2", "http://v1/anything");
  EXPECT_EQ(trace.outcome.verdict, Verdict::works) << trace.to_text();
  EXPECT_EQ(steps(trace.hops, "rule").at(0)->text, "no route is for this client: passed on as it is");
  EXPECT_THAT(steps(trace.hops, "endpoint").back()->text, HasSubstr("Pod web/v1"));
  EXPECT_EQ(cluster.verdict("client", "http://v1.web/anything"), "error 404");
}

}  // namespace
}  // namespace weft::trace
