#include "kube/gateway.h"

#include <gtest/gtest.h>

#include "kube/codec.h"
#include "kube/gateway_policy.h"
#include "kube/gateway_routes.h"
#include "kube/yaml.h"

namespace weft::kube {
namespace {

json::value only_document(std::string_view yaml) {
  auto documents = parse_yaml(yaml, "test");
  EXPECT_TRUE(documents) << (documents ? "" : documents.error().message);
  return documents->at(0).value;
}

/// Read and written again: nothing is lost.
template <class T>
T round_trip(std::string_view yaml) {
  auto value = only_document(yaml);
  auto object = decode<T>(value);
  EXPECT_TRUE(object) << (object ? "" : object.error().message);
  EXPECT_EQ(json::value(encode(*object)), value);
  return *object;
}

TEST(Gateway, ReadsAGateway) {
  auto gateway = round_trip<Gateway>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra, generation: 3}
spec:
  gatewayClassName: weft
  addresses: [{type: IPAddress, value: 192.0.2.7}]
  allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}
  infrastructure: {labels: {k: v}}
  listeners:
  - name: https
    hostname: "*.example.com"
    port: 443
    protocol: HTTPS
    allowedRoutes: {namespaces: {from: All}, kinds: [{kind: HTTPRoute}]}
    tls: {mode: Terminate, certificateRefs: [{group: "", kind: Secret, name: c, namespace: certs}]}
  tls:
    backend: {clientCertificateRef: {name: me}}
    frontend:
      default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}], mode: AllowValidOnly}}
      perPort: [{port: 8443, tls: {}}]
status:
  addresses: [{type: IPAddress, value: 192.0.2.7}]
  attachedListenerSets: 0
  listeners: [{name: https, supportedKinds: [], attachedRoutes: 0, conditions: []}]
)");
  EXPECT_EQ(gateway.spec.listeners[0].tls->certificateRefs[0].namespace_, "certs");
  EXPECT_EQ(gateway.spec.tls->frontend->default_.validation->caCertificateRefs[0].name, "ca");
  EXPECT_EQ(gateway.spec.tls->frontend->perPort[0].port, 8443);
}

TEST(Gateway, ReadsAnHTTPRoute) {
  auto route = round_trip<HTTPRoute>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: infra}
spec:
  parentRefs: [{name: edge, sectionName: https, port: 443}]
  hostnames: [a.example.com]
  rules:
  - name: first
    matches:
    - path: {type: Exact, value: /a}
      headers: [{type: RegularExpression, name: x, value: "a.*"}]
      queryParams: [{name: q, value: "1"}]
      method: GET
    filters:
    - type: URLRewrite
      urlRewrite: {hostname: b.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}}
    - type: RequestMirror
      requestMirror: {backendRef: {name: m, port: 80}, fraction: {numerator: 0, denominator: 1000}}
    - type: ExternalAuth
      externalAuth: {protocol: HTTP}
    backendRefs:
    - name: s
      port: 8080
      weight: 0
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: x-y, value: v}]}}]
    timeouts: {request: 10s, backendRequest: 500ms}
    retry: {codes: [500], attempts: 0, backoff: 100ms}
    sessionPersistence: {type: Cookie}
)");
  EXPECT_EQ(route.spec.rules[0].backendRefs[0].weight, 0);
  EXPECT_EQ(route.spec.rules[0].filters[0].urlRewrite->path->replacePrefixMatch, "");
}

TEST(Gateway, ReadsTheOtherKinds) {
  round_trip<GRPCRoute>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: g}
spec: {rules: [{matches: [{method: {service: a.B, method: C}, headers: [{name: h, value: v}]}],
                backendRefs: [{name: s, port: 1, weight: 1}]}]}
status: {parents: [{parentRef: {name: edge}, controllerName: a/b, conditions: [{type: Accepted, status: "True", reason: A, message: m}]}]}
)");
  round_trip<ListenerSet>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec: {parentRef: {name: edge, namespace: infra}, listeners: [{name: l, port: 80, protocol: HTTP}]}
)");
  auto grant = round_trip<ReferenceGrant>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g}
spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: infra}], to: [{group: "", kind: Secret}]}
)");
  EXPECT_FALSE(grant.spec.to[0].name);
  round_trip<BackendTLSPolicy>(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: p}
spec:
  targetRefs: [{group: "", kind: Service, name: s, sectionName: https}]
  validation:
    caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]
    hostname: s.example
    subjectAltNames: [{type: URI, uri: "spiffe://a/b"}]
)");
}

TEST(Gateway, WrongTypesAreNamed) {
  auto gateway = decode<Gateway>(only_document("spec: {listeners: [{name: a, port: http}]}"));
  ASSERT_FALSE(gateway);
  EXPECT_EQ(gateway.error().message, "spec.listeners[0].port: expected an integer, got a string");
}

}  // namespace
}  // namespace weft::kube
