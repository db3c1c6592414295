#include "standalone/apimachinery/table.h"

#include <gtest/gtest.h>

#include "kube/time.h"
#include "standalone/apimachinery/openapi.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

kube::TimePoint now() { return *kube::parse_time("2026-01-01T01:00:00Z"); }

std::string row(std::string_view kind, std::string_view object) {
  auto value = yaml(object);
  auto table = make_table(kind_of(kind).resource, {}, {&value}, {}, IncludeObject::none, now());
  EXPECT_EQ(table.at("columnDefinitions").as_array().size(),
            table.at("rows").at(0).at("cells").as_array().size());
  std::string out;
  for (const auto& cell : table.at("rows").at(0).at("cells").as_array()) {
    out +=
        (out.empty() ? "" : "|") + (cell.is_string() ? std::string(cell.as_string()) : json::serialize(cell));
  }
  return out;
}

TEST(Table, Durations) {
  struct {
    int64_t seconds;
    const char* text;
  } cases[] = {{-5, "<invalid>"},
               {-1, "0s"},
               {0, "0s"},
               {119, "119s"},
               {120, "2m"},
               {150, "2m30s"},
               {600, "10m"},
               {3 * 3600 - 1, "179m"},
               {3 * 3600, "3h"},
               {3 * 3600 + 300, "3h5m"},
               {8 * 3600, "8h"},
               {47 * 3600, "47h"},
               {48 * 3600, "2d"},
               {50 * 3600, "2d2h"},
               {8 * 86400, "8d"},
               {729 * 86400LL, "729d"},
               {730 * 86400LL, "2y"},
               {740 * 86400LL, "2y10d"},
               {8 * 365 * 86400LL, "8y"}};
  for (const auto& c : cases) EXPECT_EQ(human_duration(std::chrono::seconds(c.seconds)), c.text) << c.seconds;
}

TEST(Table, Pods) {
  EXPECT_EQ(
      row("Pod",
          "{metadata: {name: a, creationTimestamp: '2026-01-01T00:55:00Z'}, spec: {nodeName: node, "
          "containers: "
          "[{name: a}, {name: b}]}, status: {phase: Running, podIPs: [{ip: 10.0.0.1}], containerStatuses: "
          "[{name: a, ready: true, restartCount: 0, state: {running: {}}}, {name: b, ready: false, "
          "restartCount: 2, "
          "lastState: {terminated: {finishedAt: '2026-01-01T00:59:00Z'}}, state: {waiting: {reason: "
          "CrashLoopBackOff}}}]}}"),
      "a|1/2|CrashLoopBackOff|2 (60s ago)|5m|10.0.0.1|node|<none>|<none>");
  EXPECT_EQ(
      row("Pod",
          "{metadata: {name: a, creationTimestamp: '2026-01-01T00:59:57Z'}, spec: {containers: [{name: a}], "
          "initContainers: [{name: i}, {name: s, restartPolicy: Always}]}, status: {phase: Pending, "
          "initContainerStatuses: [{name: i, state: {running: {}}}]}}"),
      "a|0/2|Init:0/2|0|3s|<none>|<none>|<none>|<none>");
  EXPECT_EQ(
      row("Pod",
          "{metadata: {name: a, deletionTimestamp: '2026-01-01T00:59:57Z'}, spec: {containers: [{name: a}]}, "
          "status: {phase: Running}}"),
      "a|0/1|Terminating|0|<unknown>|<none>|<none>|<none>|<none>");
  EXPECT_EQ(row("Pod",
                "{metadata: {name: a}, spec: {containers: [{name: a}]}, status: {phase: Succeeded, "
                "containerStatuses: "
                "[{name: a, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}}]}}"),
            "a|0/1|Completed|0|<unknown>|<none>|<none>|<none>|<none>");
}

TEST(Table, OtherKinds) {
  struct {
    const char* kind;
    const char* object;
    const char* cells;
  } cases[] = {
      {"Service",
       "{metadata: {name: s}, spec: {type: NodePort, clusterIP: 10.96.0.1, selector: {b: c, a: b}, ports: "
       "[{port: 80, "
       "nodePort: 30000, protocol: TCP}, {port: 53, protocol: UDP}]}}",
       "s|NodePort|10.96.0.1|<none>|80:30000/TCP,53/UDP|<unknown>|a=b,b=c"},
      {"Service", "{metadata: {name: s}, spec: {type: LoadBalancer, clusterIP: 10.96.0.1}}",
       "s|LoadBalancer|10.96.0.1|<pending>|<none>|<unknown>|<none>"},
      {"Service", "{metadata: {name: s}, spec: {type: ExternalName, externalName: a.b}}",
       "s|ExternalName|<none>|a.b|<none>|<unknown>|<none>"},
      {"Deployment",
       "{metadata: {name: d}, spec: {replicas: 3, selector: {matchLabels: {a: b}}, template: {spec: "
       "{containers: "
       "[{name: c, image: x}]}}}, status: {readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1}}",
       "d|1/3|2|1|<unknown>|c|x|a=b"},
      {"EndpointSlice",
       "{metadata: {name: e}, addressType: IPv4, ports: [{port: 80}], endpoints: [{addresses: [10.0.0.1]}, "
       "{addresses: [10.0.0.2]}, {addresses: [10.0.0.3]}, {addresses: [10.0.0.4]}]}",
       "e|IPv4|80|10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...|<unknown>"},
      {"Node",
       "{metadata: {name: node, labels: {node-role.kubernetes.io/control-plane: ''}}, status: {conditions: "
       "[{type: Ready, status: 'True'}], "
       "addresses: [{type: InternalIP, address: 1.2.3.4}]}}",
       "node|Ready|control-plane|<unknown>||1.2.3.4|<none>|<unknown>|<unknown>|<unknown>"},
      {"ConfigMap", "{metadata: {name: c}, data: {a: b, c: d}, binaryData: {e: YQ==}}", "c|3|<unknown>"},
      {"NetworkPolicy", "{metadata: {name: p}, spec: {podSelector: {}}}", "p|<none>|<unknown>"},
      {"ClusterNetworkPolicy", "{metadata: {name: c}, spec: {tier: Admin, priority: 0}}",
       "c|Admin|0|<unknown>"},
      {"AddressPool",
       "{metadata: {name: p}, spec: {addresses: [192.0.2.0/24], autoAssign: true}, status: {assigned: 1, "
       "available: 255, conditions: [{type: Ready, status: 'True'}]}}",
       "p|True|true|1|255|[\"192.0.2.0/24\"]|<unknown>"},
      {"GatewayClass",
       "{metadata: {name: w}, spec: {controllerName: a/b, description: d}, status: {conditions: [{type: "
       "Accepted, status: 'True'}]}}",
       "w|a/b|True|<unknown>|d"},
      {"Gateway",
       "{metadata: {name: g}, spec: {gatewayClassName: w}, status: {addresses: [{value: 192.0.2.1}], "
       "conditions: [{type: Programmed, status: 'False'}]}}",
       "g|w|192.0.2.1|False|<unknown>"},
      {"ListenerSet", "{metadata: {name: l}}", "l|||<unknown>"},
      {"HTTPRoute", "{metadata: {name: r}, spec: {hostnames: [a.b]}}", "r|[\"a.b\"]|<unknown>"},
      {"TCPRoute", "{metadata: {name: t}}", "t|<unknown>"},
      {"Ingress", "{metadata: {name: i}, spec: {ingressClassName: w, rules: [{host: a.b}], tls: [{}]}}",
       "i|w|a.b||80, 443|<unknown>"},
      {"Namespace", "{metadata: {name: nn}, status: {phase: Active}}", "nn|Active|<unknown>"},
      {"Event",
       "{metadata: {name: e}, type: Warning, reason: R, message: 'm', involvedObject: {kind: Pod, name: p}, "
       "lastTimestamp: "
       "'2026-01-01T00:59:00Z', source: {component: k}, count: 3}",
       "60s|Warning|R|pod/p||k|m|<unknown>|3|e"},
  };
  for (const auto& c : cases) EXPECT_EQ(row(c.kind, c.object), c.cells) << c.kind;
  for (const auto& kind : kube::builtin_kinds()) row(kind.resource.kind, "{metadata: {name: x}}");
}

TEST(Table, CustomColumns) {
  kube::ResourceInfo info{.group = "a.b",
                          .version = "v1",
                          .kind = "Foo",
                          .plural = "foos",
                          .singular = "foo",
                          .short_names = {},
                          .categories = {}};
  std::vector<PrinterColumn> columns{
      {.name = "Ready",
       .type = "string",
       .path = R"(.status.conditions[?(@.type=="Ready")].status)",
       .description = {},
       .format = {}},
      {.name = "N", .type = "integer", .path = ".spec.count", .description = {}, .format = {}},
      {.name = "Age",
       .type = "date",
       .path = ".metadata.creationTimestamp",
       .description = {},
       .priority = 1,
       .format = {}}};
  auto object = yaml(
      "{metadata: {name: x, creationTimestamp: '2026-01-01T00:59:00Z'}, spec: {count: 3}, status: "
      "{conditions: "
      "[{type: Ready, status: 'True'}]}}");
  auto table =
      make_table(info, columns, {&object}, {{"resourceVersion", "7"}}, IncludeObject::metadata, now());
  EXPECT_EQ(table.at("rows").at(0).at("cells"), json::parse(R"(["x","True",3,"60s"])"));
  EXPECT_EQ(table.at("rows").at(0).at("object").at("kind"), "PartialObjectMetadata");
  EXPECT_EQ(table.at("columnDefinitions").at(3).at("priority"), 1);
  EXPECT_EQ(table.at("metadata").at("resourceVersion"), "7");
  auto plain = make_table(info, {}, {&object}, {}, IncludeObject::none, now(), false);
  EXPECT_EQ(plain.at("rows").at(0).at("cells"), json::parse(R"(["x","60s"])"));
  EXPECT_TRUE(plain.at("columnDefinitions").is_null());
}

std::vector<ApiKind> all_kinds() {
  std::vector<ApiKind> out;
  for (const auto& kind : kube::builtin_kinds())
    out.push_back({kind.resource, kind.schema, kind.has_status, kind.has_scale});
  out.push_back({crd_kind().resource, crd_kind().schema, true, false});
  return out;
}

TEST(OpenApi, TellsKubectlWhatItAsks) {
  auto document = openapi_v3(all_kinds(), "apps", "v1");
  const auto& paths = document.at("paths").as_object();
  const auto& patch = paths.at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}").at("patch");
  EXPECT_EQ(patch.at("x-kubernetes-action"), "patch");
  EXPECT_EQ(patch.at("x-kubernetes-group-version-kind"),
            json::parse(R"({"group":"apps","version":"v1","kind":"Deployment"})"));
  std::vector<std::string> names;
  for (const auto& parameter : patch.at("parameters").as_array())
    names.emplace_back(kube::string_at(parameter, "name"));
  for (const char* name : {"dryRun", "fieldManager", "fieldValidation", "force"}) {
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  }
  EXPECT_TRUE(paths.contains("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"));
  const auto& schemas = document.at("components").at("schemas").as_object();
  const auto& spec = schemas.at("io.k8s.api.core.v1.PodSpec").at("properties").at("containers");
  EXPECT_EQ(spec.at("x-kubernetes-patch-merge-key"), "name");
  EXPECT_EQ(spec.at("x-kubernetes-patch-strategy"), "merge");
  EXPECT_EQ(spec.at("x-kubernetes-list-type"), "map");
  EXPECT_EQ(
      schemas.at("io.k8s.api.apps.v1.Deployment").at("x-kubernetes-group-version-kind").as_array().size(),
      1U);
  EXPECT_TRUE(schemas.contains("io.k8s.api.apps.v1.DeploymentList"));
  // Every reference leads somewhere.
  auto check = [&](auto&& self, const json::value& value) -> void {
    if (const auto* list = value.if_array()) {
      for (const auto& element : *list) self(self, element);
    }
    if (!value.is_object()) return;
    if (auto ref = kube::string_at(value, "$ref"); !ref.empty()) {
      EXPECT_TRUE(schemas.contains(ref.substr(std::string_view("#/components/schemas/").size()))) << ref;
    }
    for (const auto& [key, element] : value.as_object()) self(self, element);
  };
  check(check, document);
}

TEST(OpenApi, PatchesOfCustomKindsAreNeverStrategic) {
  auto kinds = all_kinds();
  auto accepted = [&] {
    const auto document = openapi_v3(kinds, "apps", "v1");
    const auto& path = document.at("paths").at("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    return path.at("patch").at("requestBody").at("content").as_object();
  };
  EXPECT_TRUE(accepted().contains("application/strategic-merge-patch+json"));
  for (auto& kind : kinds) kind.custom = true;
  EXPECT_FALSE(accepted().contains("application/strategic-merge-patch+json"));
  EXPECT_TRUE(accepted().contains("application/merge-patch+json"));
}

TEST(OpenApi, IndexAndVersion2) {
  auto index = openapi_v3_index(all_kinds());
  EXPECT_TRUE(index.at("paths").as_object().contains("api/v1"));
  EXPECT_TRUE(kube::string_at(index.at("paths").at("apis/apps/v1"), "serverRelativeURL")
                  .starts_with("/openapi/v3/apis/apps/v1?hash="));
  EXPECT_EQ(index, openapi_v3_index(all_kinds()));
  auto v2 = openapi_v2(all_kinds());
  EXPECT_EQ(v2.at("swagger"), "2.0");
  EXPECT_TRUE(v2.at("definitions").as_object().contains("io.k8s.api.core.v1.Pod"));
  EXPECT_TRUE(v2.at("paths").as_object().contains("/api/v1/nodes/{name}/status"));
  EXPECT_EQ(openapi_v2_protobuf(),
            "\x0a\x03"
            "2.0"
            "\x12\x15\x0a\x0aKubernetes\x12\x07v1.34.0");
}

}  // namespace
}  // namespace weft::standalone
