#include "standalone/apimachinery/kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/base64.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Case {
  const char* name;
  const char* object;
  std::vector<std::string> problems;
};

void run(const std::vector<Case>& cases) {
  for (const auto& c : cases) {
    auto got = problems_of(yaml(c.object));
    ASSERT_EQ(got.size(), c.problems.size()) << c.name << ": " << testing::PrintToString(got);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_THAT(got[i], HasSubstr(c.problems[i])) << c.name;
  }
}

TEST(Kinds, Pods) {
  constexpr const char* kHead = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: ns}, spec: ";
  struct {
    const char* spec;
    std::vector<std::string> problems;
  } cases[] = {
      {"{containers: [{name: a, image: x}]}}", {}},
      {"{}}", {"spec.containers: Required value"}},
      {"{containers: [{name: A_, image: x}, {name: b}]}}",
       {"spec.containers[0].name: Invalid value: \"A_\": a lowercase RFC 1123 label",
        "spec.containers[1].image: Required value"}},
      {"{containers: [{name: a, image: x}, {name: a, image: x}]}}",
       {"spec.containers[1].name: Duplicate value: \"a\""}},
      {"{containers: [{name: a, image: x, ports: [{containerPort: 70000}, {containerPort: 80, name: "
       "UPPER}]}]}}",
       {"spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, "
        "inclusive",
        "spec.containers[0].ports[1].name: Invalid value: \"UPPER\": must contain only alpha-numeric",
        "spec.containers[0].ports[1].name: Invalid value: \"UPPER\": must contain at least one letter"}},
      {"{containers: [{name: a, image: x, volumeMounts: [{name: v, mountPath: /v}]}]}}",
       {"spec.containers[0].volumeMounts[0].name: Not found: \"v\""}},
      {"{volumes: [{name: v}], containers: [{name: a, image: x, volumeMounts: [{name: v, mountPath: /v}]}]}}",
       {}},
      {"{volumes: [{name: v, emptyDir: {}, hostPath: {path: /}}], containers: [{name: a, image: x}]}}",
       {"spec.volumes[0]: Forbidden: may not specify more than 1 volume type"}},
      {"{containers: [{name: a, image: x, readinessProbe: {}}]}}",
       {"spec.containers[0].readinessProbe: Required value: must specify a handler type"}},
      {"{containers: [{name: a, image: x, livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}}]}}",
       {"spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"}},
      {"{restartPolicy: Sometimes, containers: [{name: a, image: x}]}}",
       {"spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", "
        "\"Never\""}},
      {"{dnsPolicy: None, containers: [{name: a, image: x}]}}",
       {"spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"}},
      {"{dnsPolicy: None, dnsConfig: {nameservers: [1.2.3]}, containers: [{name: a, image: x}]}}",
       {"spec.dnsConfig.nameservers[0]: Invalid value: \"1.2.3\": must be a valid IP address"}},
      {"{containers: [{name: a, image: x, resources: {limits: {cpu: 1}, requests: {cpu: 1500m}}}]}}",
       {"spec.containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu "
        "limit of 1"}},
      {"{initContainers: [{name: i, image: x, restartPolicy: Always, readinessProbe: {tcpSocket: {port: "
       "1}}}], "
       "containers: [{name: a, image: x}]}}",
       {}},
      {"{initContainers: [{name: i, image: x, readinessProbe: {tcpSocket: {port: 1}}}], "
       "containers: [{name: a, image: x}]}}",
       {"spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers"}},
      {"{containers: [{name: a, image: x, env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: "
       "status.foo}}}]}]}}",
       {"spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not "
        "empty",
        "field label not supported: status.foo"}},
  };
  for (const auto& c : cases) run({{c.spec, (std::string(kHead) + c.spec).c_str(), c.problems}});
}

TEST(Kinds, PodDefaults) {
  const auto& kind = kind_of("Pod");
  auto pod = yaml(
      "{metadata: {name: a, namespace: ns}, spec: {containers: [{name: a, image: 'x:1', resources: "
      "{limits: {cpu: 1, memory: 1Gi}}}, {name: b, image: 'localhost:5000/y'}], volumes: [{name: v}]}}");
  default_object(kind.resource, *kind.schema, pod);
  prepare_for_create(kind.resource, kind.has_status, pod);
  const auto& spec = pod.at("spec");
  EXPECT_EQ(spec.at("containers").at(0).at("imagePullPolicy"), "IfNotPresent");
  EXPECT_EQ(spec.at("containers").at(1).at("imagePullPolicy"), "Always");
  EXPECT_EQ(spec.at("containers").at(0).at("resources").at("requests").at("memory"), "1Gi");
  EXPECT_EQ(spec.at("volumes").at(0).at("emptyDir"), json::object());
  EXPECT_EQ(spec.at("serviceAccountName"), "default");
  EXPECT_EQ(spec.at("terminationGracePeriodSeconds"), 30);
  EXPECT_EQ(spec.at("enableServiceLinks"), true);
  EXPECT_EQ(pod.at("status"), json::parse(R"({"phase":"Pending","qosClass":"Burstable"})"));
}

TEST(Kinds, PodUpdatesMayChangeLittle) {
  const auto& kind = kind_of("Pod");
  auto old = yaml("{metadata: {name: a, namespace: ns}, spec: {containers: [{name: a, image: x}]}}");
  default_object(kind.resource, *kind.schema, old);
  auto errors = [&](auto change) {
    auto now = old;
    change(now);
    prepare_for_update(kind.resource, true, now, old);
    std::vector<std::string> out;
    for (const auto& e : validate_update(kind.resource, *kind.schema, now, old)) out.push_back(e.text());
    return out;
  };
  EXPECT_THAT(errors([](auto& p) { p.at("spec").at("containers").at(0).as_object()["image"] = "y"; }),
              IsEmpty());
  EXPECT_THAT(errors([](auto& p) { p.at("metadata").as_object()["labels"] = json::object{{"a", "b"}}; }),
              IsEmpty());
  EXPECT_THAT(errors([](auto& p) { p.at("spec").as_object()["hostNetwork"] = true; }),
              Contains(HasSubstr("spec: Forbidden: pod updates may not change fields other than")));
  EXPECT_THAT(errors([](auto& p) { p.at("metadata").as_object()["name"] = "b"; }),
              ElementsAre("metadata.name: Invalid value: \"b\": field is immutable"));
}

TEST(Kinds, Workloads) {
  [[maybe_unused]] constexpr const char* kPod =
      "{metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: x}]}}";
  auto object = [&](const char* kind, const char* spec) {
    return "{apiVersion: apps/v1, kind: " + std::string(kind) +
           ", metadata: {name: a, namespace: ns}, spec: {" + spec + ", template: " + kPod + "}}";
  };
  struct {
    const char* kind;
    const char* spec;
    std::vector<std::string> problems;
  } cases[] = {
      {"Deployment", "selector: {matchLabels: {app: a}}", {}},
      {"ReplicaSet", "selector: {matchLabels: {app: a}}", {}},
      {"DaemonSet", "selector: {matchLabels: {app: a}}", {}},
      {"StatefulSet", "selector: {matchLabels: {app: a}}, serviceName: a", {}},
      {"Deployment", "replicas: 1", {"spec.selector: Required value"}},
      {"Deployment",
       "selector: {}",
       {"spec.selector: Invalid value: {}: empty selector is invalid for deployment"}},
      {"StatefulSet",
       "selector: {matchLabels: {app: b}}",
       {"spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template "
        "`labels`"}},
      {"Deployment",
       "replicas: -1, selector: {matchLabels: {app: a}}",
       {"spec.replicas: Invalid value: -1: must be greater than or equal to 0"}},
      {"Deployment",
       "selector: {matchLabels: {app: a}}, strategy: {type: Recreate, rollingUpdate: {}}",
       {"spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"}},
      {"Deployment",
       "selector: {matchLabels: {app: a}}, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}",
       {"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is "
        "0"}},
      {"DaemonSet",
       "selector: {matchLabels: {app: a}}, updateStrategy: {rollingUpdate: {maxSurge: 1}}",
       {"spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is "
        "non-zero"}},
      {"Deployment",
       "selector: {matchExpressions: [{key: app, operator: In}]}",
       {"spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In'",
        "spec.selector: Invalid value"}},
  };
  for (const auto& c : cases) run({{c.spec, object(c.kind, c.spec).c_str(), c.problems}});
  constexpr const char* kClaims =
      "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, namespace: ns}, spec: {selector: "
      "{matchLabels: {app: "
      "a}}, volumeClaimTemplates: [{metadata: {name: data}}], template: {metadata: {labels: {app: a}}, spec: "
      "{containers: "
      "[{name: a, image: x, volumeMounts: [{name: data, mountPath: /d}, {name: other, mountPath: /e}]}]}}}}";
  run({{"claims may be mounted",
        kClaims,
        {"spec.template.spec.containers[0].volumeMounts[1].name: Not found: \"other\""}}});
}

TEST(Kinds, DeploymentDefaultsAndGeneration) {
  const auto& kind = kind_of("Deployment");
  auto object = yaml(
      "{metadata: {name: a, namespace: ns}, spec: {selector: {matchLabels: {a: b}}, template: {metadata: "
      "{labels: {a: b}}, spec: {containers: [{name: a, image: x}]}}}, status: {replicas: 7}}");
  default_object(kind.resource, *kind.schema, object);
  prepare_for_create(kind.resource, kind.has_status, object);
  EXPECT_FALSE(object.as_object().contains("status"));
  EXPECT_EQ(object.at("metadata").at("generation"), 1);
  const auto& spec = object.at("spec");
  EXPECT_EQ(spec.at("replicas"), 1);
  EXPECT_EQ(spec.at("revisionHistoryLimit"), 10);
  EXPECT_EQ(spec.at("progressDeadlineSeconds"), 600);
  EXPECT_EQ(
      spec.at("strategy"),
      json::parse(R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}})"));
  EXPECT_EQ(spec.at("template").at("spec").at("dnsPolicy"), "ClusterFirst");

  auto scaled = object;
  scaled.at("spec").as_object()["replicas"] = 3;
  scaled.as_object()["status"] = json::object{{"replicas", 9}};
  prepare_for_update(kind.resource, true, scaled, object);
  EXPECT_EQ(scaled.at("metadata").at("generation"), 2);
  EXPECT_FALSE(scaled.as_object().contains("status"));

  auto labelled = object;
  labelled.at("metadata").as_object()["labels"] = json::object{{"x", "y"}};
  prepare_for_update(kind.resource, true, labelled, object);
  EXPECT_EQ(labelled.at("metadata").at("generation"), 1);

  auto status = object;
  status.as_object()["status"] = json::object{{"replicas", 1}};
  status.at("spec").as_object()["replicas"] = 5;
  prepare_for_update(kind.resource, true, status, object, "status");
  EXPECT_EQ(status.at("spec").at("replicas"), 1);
  EXPECT_EQ(status.at("status").at("replicas"), 1);
  EXPECT_EQ(status.at("metadata").at("generation"), 1);

  auto reselected = object;
  reselected.at("spec").at("selector").at("matchLabels").as_object()["a"] = "c";
  reselected.at("spec").at("template").at("metadata").at("labels").as_object()["a"] = "c";
  auto errors = validate_update(kind.resource, *kind.schema, reselected, object);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_THAT(errors[0].text(),
              HasSubstr("spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable"));
}

TEST(Kinds, Networking) {
  run({{"ingress",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: ns}, spec: {rules: "
        "[{host: 1.2.3.4, "
        "http: {paths: [{path: a, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}, "
        "{path: /, backend: "
        "{}}]}}]}}",
        {"spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address",
         "spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path",
         "spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified",
         "spec.rules[0].http.paths[1].backend: Required value"}},
       {"empty ingress",
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a, namespace: ns}}",
        {"spec: Invalid value: []: either `defaultBackend` or `rules` must be specified"}},
       {"class",
        "{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: a}, spec: {controller: "
        "foo}}",
        {"spec.controller: Invalid value: \"foo\": must be a domain-prefixed path"}},
       {"slice",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, namespace: ns}, "
        "addressType: IPv4, "
        "endpoints: [{addresses: [10.0.0.1]}, {addresses: ['::1']}, {addresses: [127.0.0.1]}, {addresses: "
        "[]}], "
        "ports: [{port: 80}, {port: 81}]}",
        {"endpoints[1].addresses[0]: Invalid value: \"::1\": must be a valid IPv4 address",
         "endpoints[1].addresses[0]: Invalid value: \"::1\": may not be in the loopback range",
         "endpoints[2].addresses[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range",
         "endpoints[3].addresses: Required value: must contain at least 1 address",
         "ports[1].name: Duplicate value: \"\""}}});
}

TEST(Kinds, ConfigurationKinds) {
  run({{"config map key",
        "{kind: ConfigMap, metadata: {name: a, namespace: ns}, data: {'a/b': x}}",
        {"data[a/b]: Invalid value: \"a/b\": a valid config key must consist of"}},
       {"tls",
        "{kind: Secret, metadata: {name: a, namespace: ns}, type: kubernetes.io/tls, stringData: {tls.crt: "
        "x}}",
        {"data[tls.key]: Required value"}},
       {"lease",
        "{kind: Lease, metadata: {name: a, namespace: ns}, spec: {leaseDurationSeconds: 0}}",
        {"spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"}},
       {"event",
        "{kind: Event, metadata: {name: a, namespace: ns}, involvedObject: {namespace: other}}",
        {"involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"}},
       {"namespace",
        "{kind: Namespace, metadata: {name: a.b}}",
        {"metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label"}},
       {"metadata",
        "{kind: ConfigMap, metadata: {name: A, labels: {'-a': b, c: 'd e'}, finalizers: [x]}}",
        {"metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain",
         "metadata.namespace: Required value", "metadata.labels: Invalid value: \"-a\"",
         "metadata.labels: Invalid value: \"d e\"",
         "metadata.finalizers: Invalid value: \"x\": name is neither a standard finalizer name nor is it "
         "fully qualified"}},
       {"owners",
        "{kind: ConfigMap, metadata: {name: a, namespace: ns, ownerReferences: [{apiVersion: v1, kind: Pod, "
        "name: p, uid: ''}]}}",
        {"metadata.ownerReferences[0].uid: Invalid value: \"\": must not be empty"}}});
}

TEST(Kinds, SecretTakesStringData) {
  const auto& kind = kind_of("Secret");
  auto secret = yaml("{metadata: {name: a, namespace: ns}, data: {a: eA==, b: eQ==}, stringData: {b: new}}");
  default_object(kind.resource, *kind.schema, secret);
  EXPECT_EQ(secret.at("type"), "Opaque");
  EXPECT_FALSE(secret.as_object().contains("stringData"));
  EXPECT_EQ(secret.at("data"), (json::object{{"a", "eA=="}, {"b", kube::encode_base64("new")}}));
  auto other = secret;
  other.as_object()["type"] = "x/y";
  EXPECT_EQ(validate_update(kind.resource, *kind.schema, other, secret).at(0).text(),
            "type: Invalid value: \"x/y\": field is immutable");
}

TEST(Kinds, Namespaces) {
  const auto& kind = kind_of("Namespace");
  auto ns = yaml("{metadata: {name: a}}");
  default_object(kind.resource, *kind.schema, ns);
  prepare_for_create(kind.resource, true, ns);
  EXPECT_EQ(ns.at("metadata").at("labels").at("kubernetes.io/metadata.name"), "a");
  EXPECT_EQ(ns.at("spec").at("finalizers"), json::array{"kubernetes"});
  EXPECT_EQ(ns.at("status").at("phase"), "Active");
}

TEST(Kinds, GeneratedNames) {
  auto name = generated_name("web-");
  EXPECT_EQ(name.size(), 9U);
  EXPECT_TRUE(name.starts_with("web-"));
  EXPECT_NE(generated_name("web-"), name);
  EXPECT_EQ(generated_name(std::string(100, 'a')).size(), 63U);
}

TEST(FieldErrors, AsUpstreamPrintsThem) {
  FieldErrors one{invalid("spec.ports[0].port", 70000, "must be between 1 and 65535, inclusive")};
  EXPECT_EQ(invalid_object("Service", "", "x", one).message,
            "Service \"x\" is invalid: spec.ports[0].port: Invalid value: 70000: must be between 1 and "
            "65535, inclusive");
  EXPECT_EQ(one[0].reason, "FieldValueInvalid");
  FieldErrors two{required("a"), forbidden("b", "no"), required("a")};
  EXPECT_EQ(invalid_object("Deployment", "apps", "y", two).message,
            "Deployment.apps \"y\" is invalid: [a: Required value, b: Forbidden: no]");
}

}  // namespace
}  // namespace weft::standalone
