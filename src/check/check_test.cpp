#include "check/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/test_findings.h"

namespace weft::check {
namespace {

using test::brief;
using test::findings_of;
using test::kWeb;
using test::service;
using testing::HasSubstr;

TEST(CheckServices, WhatIsRight) {
  for (const char* spec : {"{selector: {app: web}, ports: [{port: 80, targetPort: http}]}",
                           "{selector: {app: web}, ports: [{port: 8080}]}",
                           "{selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: "
                           "metrics, port: 9090}]}",
                           "{type: ExternalName, externalName: example.com}"})
    EXPECT_EQ(brief(findings_of(service(spec))), "") << spec;
}

TEST(CheckServices, WhatIsWrong) {
  EXPECT_EQ(brief(findings_of(service("{selector: {app: wbe}, ports: [{port: 8080}]}"))),
            "19 error WEFT0102\n");
  EXPECT_EQ(brief(findings_of(service("{selector: {tier: x}, ports: [{port: 8080}]}"))),
            "19 note WEFT0102\n");
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 80, targetPort: htp}]}"))),
            "19 error WEFT0104\n");
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 80, targetPort: 8081}]}"))),
            "19 warning WEFT0105\n");
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 8080, protocol: UDP}]}"))),
            "19 error WEFT0106\n");
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 80, targetPort: \"8080\"}]}"))),
            "19 error WEFT0001\n");
}

TEST(CheckServices, WithoutSelector) {
  EXPECT_EQ(brief(findings_of(service("{ports: [{port: 80}]}"))), "19 note WEFT0110\n");
  EXPECT_EQ(brief(findings_of(service("{ports: [{port: 80}]}") + R"(---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [192.0.2.1]}]
)")),
            "");
}

TEST(CheckServices, AWorkloadWithoutPods) {
  auto idle = service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}");
  idle.replace(idle.find("spec:\n"), 6, "spec:\n  replicas: 0\n");
  auto found = findings_of(idle);
  EXPECT_EQ(brief(found), "20 note WEFT0102\n");
  EXPECT_THAT(found.at(0).message,
              HasSubstr("Deployment shop/web, whose pods have the labels app=web, has none"));
}

TEST(CheckServices, NearestLabelsAreNamed) {
  auto found = findings_of(service("{selector: {app: wbe}, ports: [{port: 8080}]}"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].str(),
            "shop.yaml:19: error [WEFT0102] Service shop/web spec.selector: no pod has the labels app=wbe; "
            "Deployment shop/web has app=web. Align the labels");
}

TEST(CheckServices, PodsOfAnotherNamespaceAndOfAnotherWorkload) {
  EXPECT_THAT(findings_of(std::string(kWeb) + R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: front}
spec: {selector: {app: web}, ports: [{port: 8080}]})")[0]
                  .message,
              HasSubstr("no pod of namespace front has the labels app=web; Deployment shop/web has them"));
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") + R"(
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main, image: x, ports: [{name: admin, containerPort: 1}]}]})")),
            "19 warning WEFT0103\n");
}

TEST(CheckPods, ProbesAndHostNetwork) {
  EXPECT_EQ(brief(findings_of(R"(
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostNetwork: true
  containers:
    - name: main
      image: x
      ports: [{containerPort: 80}]
      readinessProbe: {tcpSocket: {port: 81}}
)")),
            "6 note WEFT0120\n11 note WEFT0108\n");
  auto probed = service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}");
  probed.replace(probed.find("httpGet: {port: http}"), 21, "httpGet: {port: 80}");
  EXPECT_EQ(brief(findings_of(probed)), "14 warning WEFT0108\n") << "the Service's port instead of the pod's";
}

TEST(CheckGateways, AClassThatIsNotThereIsToldAndANearOneNamed) {
  auto gateway = [](const char* name) {
    return std::string(
               "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge}\n"
               "spec: {gatewayClassName: ") +
           name + ", listeners: [{name: http, port: 80, protocol: HTTP}]}\n";
  };
  EXPECT_EQ(brief(findings_of(gateway("weft"))), "");
  EXPECT_EQ(brief(findings_of(gateway("wetf"))), "4 note WEFT0121\n");
  EXPECT_EQ(brief(findings_of(gateway("mien") + R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: mine}
spec: {controllerName: example.com/mine}
)")),
            "4 error WEFT0121\n");
}

TEST(Check, ANumberInQuotes) {
  auto found = findings_of(service("{selector: {app: web}, ports: [{port: 80, targetPort: \"8080\"}]}"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].fix, "Write the number without quotes");
}

std::string policy(const std::string& spec) {
  return service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") + R"(---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: main, image: x}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: front, labels: {team: front}}
---
apiVersion: v1
kind: Pod
metadata: {name: visitor, namespace: front, labels: {app: visitor}}
spec: {containers: [{name: main, image: x}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
)" + spec;
}

TEST(CheckPolicies, WhatIsRight) {
  for (const char* spec : {
           "  podSelector: {}\n",
           "  podSelector: {matchLabels: {app: web}}\n"
           "  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]\n",
           "  podSelector: {matchLabels: {app: web}}\n"
           "  ingress: [{from: [{namespaceSelector: {matchLabels: {team: front}}, podSelector: {matchLabels: "
           "{app: "
           "visitor}}}]}]\n",
           "  podSelector: {matchLabels: {app: client}}\n"
           "  egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}, {ports: "
           "[{port: 53, "
           "protocol: UDP}]}]\n",
           "  podSelector: {matchLabels: {app: client}}\n  policyTypes: [Egress]\n",
           "  podSelector: {matchLabels: {app: client}}\n"
           "  egress: [{to: [{namespaceSelector: {}}]}]\n",
           "  podSelector: {matchLabels: {app: client}}\n"
           "  egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "
           "kube-system}}}]}]\n",
       })
    EXPECT_EQ(brief(findings_of(policy(spec))), "") << spec;
}

TEST(CheckPolicies, WhatIsWrong) {
  struct Case {
    const char* spec;
    const char* code;
    const char* says;
  };
  for (const auto& c : std::vector<Case>{
           {"  podSelector: {matchLabels: {app: webb}}\n", "WEFT0118", "Deployment shop/web has app=web"},
           {"  podSelector: {matchLabels: {app: web}}\n"
            "  ingress: [{from: [{podSelector: {matchLabels: {app: cleint}}}]}]\n",
            "WEFT0118", "Pod shop/client has app=client"},
           {"  podSelector: {matchLabels: {app: web}}\n"
            "  ingress: [{from: [{namespaceSelector: {matchLabels: {team: front}}}, {podSelector: "
            "{matchLabels: {app: "
            "visitor}}}]}]\n",
            "WEFT0118", "the item beside it lets in all pods of its namespaces"},
           {"  podSelector: {matchLabels: {app: web}}\n"
            "  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 80}]}]\n",
            "WEFT0119", "80 is the port of Service shop/web; it leads to port http of Deployment shop/web"},
           {"  podSelector: {matchLabels: {app: client}}\n"
            "  egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]\n",
            "WEFT0116", "Pod shop/client may reach others, but nobody by name"},
           {"  podSelector: {matchLabels: {app: client}}\n"
            "  egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}]\n",
            "WEFT0116", "no rule allows UDP port 53 of the cluster's DNS"},
       }) {
    auto found = findings_of(policy(c.spec));
    ASSERT_EQ(found.size(), 1U) << c.spec << brief(found);
    EXPECT_EQ(found[0].code, c.code) << c.spec;
    EXPECT_THAT(found[0].message, HasSubstr(c.says));
    EXPECT_GE(found[0].where.line, 39) << "in the policy";
  }
}

TEST(CheckPolicies, WhatTheOtherEndDenies) {
  auto found = findings_of(policy(R"(  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: quiet, namespace: shop}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
)"));
  ASSERT_EQ(found.size(), 1U) << brief(found);
  EXPECT_EQ(found[0].code, "WEFT0117");
  EXPECT_THAT(found[0].message, HasSubstr("NetworkPolicy shop/quiet isolates the pod"));
}

std::string route(const std::string& spec, const std::string& more = {}) {
  return service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") + R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: weft
  listeners: [{name: http, port: 80, protocol: HTTP, hostname: "*.example.com"}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
)" + spec +
         more;
}

TEST(CheckGateways, RoutesAndTheirBackends) {
  constexpr const char* kRight =
      "  parentRefs: [{name: edge}]\n  hostnames: [a.example.com]\n  rules: [{backendRefs: [{name: web, "
      "port: 80}]}]\n";
  EXPECT_EQ(brief(findings_of(route(kRight))), "");
  struct Case {
    const char* spec;
    const char* code;
    const char* says;
  };
  for (const auto& c : std::vector<Case>{
           {"  parentRefs: [{name: edge}]\n  hostnames: [a.example.org]\n  rules: [{backendRefs: [{name: "
            "web, port: "
            "80}]}]\n",
            "WEFT0123", "NoMatchingListenerHostname"},
           {"  parentRefs: [{name: edge, sectionName: https}]\n  rules: [{backendRefs: [{name: web, port: "
            "80}]}]\n",
            "WEFT0122", "NoMatchingParent"},
           {"  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: web, port: 8080}]}]\n", "WEFT0107",
            "it has 80"},
           {"  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: webb, port: 80}]}]\n", "WEFT0101",
            "there is web"},
       }) {
    auto found = findings_of(route(c.spec));
    ASSERT_EQ(found.size(), 1U) << c.spec << brief(found);
    EXPECT_EQ(found[0].code, c.code) << c.spec;
    EXPECT_EQ(found[0].severity, Severity::error);
    EXPECT_THAT(found[0].message, HasSubstr(c.says));
  }
}

TEST(CheckGateways, FromAnotherNamespace) {
  auto found = findings_of(
      route("  parentRefs: [{name: edge}]\n  rules: [{backendRefs: [{name: web, port: 80}]}]\n", R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: other, namespace: front}
spec:
  parentRefs: [{name: edge, namespace: shop}]
  rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]
)"));
  auto text = brief(found);
  EXPECT_THAT(text, HasSubstr("error WEFT0122"));
  EXPECT_THAT(text, HasSubstr("error WEFT0124"));
}

TEST(CheckGateways, ServicesAsParents) {
  auto mesh = [](const std::string& parent) {
    return service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") + R"(---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, )" +
           parent + R"(}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
)";
  };
  EXPECT_EQ(brief(findings_of(mesh("name: web"))), "");
  EXPECT_EQ(brief(findings_of(mesh("name: elsewhere"))), "25 note WEFT0101\n");
  EXPECT_EQ(brief(findings_of(mesh("name: wep"))), "25 error WEFT0101\n");
  EXPECT_EQ(brief(findings_of(mesh("name: web, port: 81"))), "25 error WEFT0122\n");
}

TEST(CheckGateways, Ingresses) {
  auto found = findings_of(service("{selector: {app: web}, ports: [{port: 80, targetPort: http}]}") + R"(---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  defaultBackend: {service: {name: web, port: {name: https}}}
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}
          - {path: /a, pathType: Prefix, backend: {service: {name: elsewhere, port: {number: 80}}}}
          - {path: /b, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
)");
  EXPECT_EQ(brief(found), "25 error WEFT0107\n29 error WEFT0107\n30 note WEFT0101\n");
}

TEST(Check, OneBadObjectHidesNoOther) {
  auto found = findings_of(service("{selector: {app: wbe}, ports: [{port: 80, targetPort: http}]}") + R"(---
apiVersion: v1
kind: Service
metadata: {name: bad, namespace: shop}
spec:
  ports: [{port: 0}]
---
apiVersion: example.com/v1
kind: Unknown
metadata: {name: whatever}
)");
  EXPECT_EQ(brief(found), "19 error WEFT0102\n25 error WEFT0001\n");
}

TEST(Check, ACronJobIsLookedAtByItsJobs) {
  const std::string cron_job = R"(apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: shop}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: nightly}}
        spec:
          restartPolicy: Never
          containers:
            - {name: c, image: i, args: ["http://web:81/"]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nightly, namespace: shop}
spec: {podSelector: {matchLabels: {app: nightly}}}
)";
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 8080}]}") + "---\n" + cron_job)),
            "33 warning WEFT0107\n");
  auto bad = cron_job;
  bad.replace(bad.find("Never"), 5, "Always");
  EXPECT_EQ(brief(findings_of(bad)), "11 error WEFT0001\n");
}

TEST(Check, PodsOfKindsThatNobodyKnows) {
  auto yaml = service("{selector: {app: wbe}, ports: [{port: 8080}]}") + R"(---
apiVersion: v1
kind: ReplicationController
metadata: {name: wbe, namespace: shop}
spec: {template: {metadata: {labels: {app: wbe}}, spec: {containers: [{name: main, image: x}]}}}
)";
  EXPECT_EQ(brief(findings_of(yaml)), "");
  yaml.replace(yaml.rfind("app: wbe"), 8, "app: xyz");
  EXPECT_EQ(brief(findings_of(yaml)), "19 error WEFT0102\n");
}

TEST(Check, AsJsonAndSarif) {
  auto found = findings_of(service("{selector: {app: wbe}, ports: [{port: 8080}]}"));
  auto listed = to_json(found);
  EXPECT_EQ(kube::string_at(listed[0], "code"), "WEFT0102");
  EXPECT_EQ(kube::string_at(listed[0], "object.field"), "spec.selector");
  json::value sarif = to_sarif(found);
  const auto& run = sarif.at("runs").at(0);
  EXPECT_EQ(run.at("results").at(0).at("ruleId"), "WEFT0102");
  EXPECT_EQ(run.at("results").at(0).at("locations").at(0).at("physicalLocation").at("region").at("startLine"),
            19);
  EXPECT_EQ(run.at("tool").at("driver").at("rules").as_array().size(), rules().size());
}

}  // namespace
}  // namespace weft::check
