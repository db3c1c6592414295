#include "ui/map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trace/test_cluster.h"

namespace weft::ui {
namespace {

using testing::HasSubstr;
using trace::test::Cluster;

constexpr const char* kShop = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: x, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: main, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: shop}
spec: {containers: [{name: main, image: x}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec: {parentRefs: [{name: edge}], hostnames: [www.shop.example], rules: [{backendRefs: [{name: web, port: 80}]}]}
)";

json::object edge_of(const json::object& map, const std::string& from, const std::string& to) {
  for (const auto& edge : map.at("edges").as_array()) {
    if (edge.at("from").as_string() == from && edge.at("to").as_string() == to) return edge.as_object();
  }
  return {};
}
json::object node_of(const json::object& map, const std::string& id) {
  for (const auto& node : map.at("nodes").as_array()) {
    if (node.at("id").as_string() == id) return node.as_object();
  }
  return {};
}
std::string text(const json::value& object, const char* path) {
  const auto* found = kube::at_path(object, path);
  return found == nullptr     ? ""
         : found->is_string() ? std::string(found->as_string())
                              : json::serialize(*found);
}

TEST(Map, ShowsWhatIsDeclared) {
  Cluster cluster(kShop);
  auto map = to_json(declared_map(cluster.world()), "");
  auto web = node_of(map, "deployment/shop/web");
  EXPECT_EQ(text(web, "pods") + text(web, "ready") + text(web, "column"), "223");
  EXPECT_EQ(text(web, "isolated"), R"(["ingress"])");
  EXPECT_EQ(text(node_of(map, "pod/shop/client"), "column"), "0");
  EXPECT_EQ(text(node_of(map, "service/shop/empty"), "problem"), "no endpoint");
  EXPECT_EQ(text(node_of(map, "gateway/shop/edge"), "problem"), "");

  EXPECT_EQ(text(edge_of(map, "service/shop/web", "deployment/shop/web"), "declared"), R"(["selector"])");
  EXPECT_EQ(text(edge_of(map, "service/shop/web", "deployment/shop/web"), "question"),
            R"({"from":"pod/shop/client","to":"service/shop/web","protocol":"tcp","port":80})");
  auto route = edge_of(map, "gateway/shop/edge", "service/shop/web");
  EXPECT_EQ(text(route, "state"), "unused");
  EXPECT_EQ(
      text(route, "question"),
      R"({"from":"outside","to":"gateway/shop/edge","protocol":"tcp","port":80,"headers":[["host","www.shop.example"]]})");
  EXPECT_EQ(text(edge_of(map, "outside", "gateway/shop/edge"), "declared"), R"(["entrance"])");
  auto allowed = edge_of(map, "pod/shop/client", "service/shop/web");
  EXPECT_EQ(text(allowed, "declared"), R"(["policy"])");
  EXPECT_EQ(text(allowed, "question"),
            R"({"from":"pod/shop/client","to":"service/shop/web","protocol":"tcp","port":80})");
  EXPECT_TRUE(edge_of(map, "pod/shop/stranger", "service/shop/web").empty());
}

std::shared_ptr<const json::value> flow(const char* time, const char* event, const char* verdict,
                                        const char* from, const char* service) {
  json::object out{{"time", time},
                   {"event", event},
                   {"verdict", verdict},
                   {"error", ""},
                   {"protocol", "TCP"},
                   {"from", {{"pod", from}, {"address", "10.1.1.1"}, {"port", 4000}}},
                   {"to", {{"pod", "shop/web-0"}, {"address", "10.1.1.2"}, {"port", 8080}}},
                   {"service", nullptr}};
  if (*service != 0) out["service"] = {{"name", service}, {"address", "10.96.0.1"}, {"port", 80}};
  if (std::string(event) == "decided") out["why"] = "ingress is denied";
  return std::make_shared<const json::value>(std::move(out));
}

class LiveMap : public testing::Test {
 protected:
  json::object map(const std::vector<std::shared_ptr<const json::value>>& flows,
                   const std::string& lately = "9") {
    auto out = declared_map(cluster_.world());
    add_flows(out, cluster_.world(), flows);
    return to_json(out, lately);
  }
  Cluster cluster_{kShop};
};

TEST_F(LiveMap, WhatWorksIsOnTheWholeWay) {
  auto seen = map({flow("1", "connected", "FORWARDED", "shop/client", "shop/web"),
                   flow("1", "accepted", "FORWARDED", "shop/client", "")});
  auto first = edge_of(seen, "pod/shop/client", "service/shop/web");
  EXPECT_EQ(text(first, "state") + text(first, "passed"), "working1");
  EXPECT_EQ(text(edge_of(seen, "service/shop/web", "deployment/shop/web"), "state"), "working");
  EXPECT_TRUE(edge_of(seen, "pod/shop/client", "deployment/shop/web").empty()) << "it is told once";
}

TEST_F(LiveMap, WhatIsDeniedIsOnTheClientsEdge) {
  auto seen = map({flow("1", "decided", "DROPPED", "shop/stranger", ""),
                   flow("2", "failed", "ERROR", "shop/stranger", "shop/web")});
  auto denied = edge_of(seen, "pod/shop/stranger", "service/shop/web");
  EXPECT_EQ(text(denied, "state") + text(denied, "failed"), "failing2");
  EXPECT_EQ(text(denied, "question.from"), "pod/shop/stranger");
  EXPECT_EQ(text(edge_of(seen, "service/shop/web", "deployment/shop/web"), "state"), "unused");
}

TEST_F(LiveMap, AFailureIsForgivenAfterAWhile) {
  std::vector flows{flow("1", "failed", "ERROR", "shop/client", "shop/web"),
                    flow("2", "connected", "FORWARDED", "shop/client", "shop/web")};
  auto state = [&](const char* lately) {
    return text(edge_of(map(flows, lately), "pod/shop/client", "service/shop/web"), "state");
  };
  EXPECT_EQ(state("1"), "failing");
  EXPECT_EQ(state("2"), "working");
}

TEST_F(LiveMap, WhoeverIsNotKnownIsPassedOver) {
  auto before = map({});
  auto after = map({flow("1", "connected", "FORWARDED", "shop/gone", "shop/web"),
                    std::make_shared<const json::value>(json::object{{"event", "connected"}}),
                    std::make_shared<const json::value>(nullptr)});
  EXPECT_EQ(json::serialize(before), json::serialize(after));
}

}  // namespace
}  // namespace weft::ui
