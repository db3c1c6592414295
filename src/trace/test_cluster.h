#pragma once

/// For tests of this room: manifests in short YAML, and what becomes of connections among them.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kube/yaml.h"
#include "standalone/offline.h"
#include "trace/walk.h"

namespace weft::trace::test {

class Cluster {
 public:
  explicit Cluster(const std::string& yaml) {
    auto documents = kube::parse_yaml(yaml, "test.yaml");
    if (!documents) {
      ADD_FAILURE() << documents.error().message;
      return;
    }
    manifests_ = std::move(*documents);
    auto world = build_world(manifests_, standalone::offline_cluster(manifests_));
    if (!world) {
      ADD_FAILURE() << world.error().message;
      return;
    }
    world_ = std::move(*world);
  }

  World& world() { return *world_; }

  Expected<Trace> try_trace(const std::string& from, const std::string& to, const Request& request = {}) {
    WEFT_TRY(auto sources, parse_source(*world_, from, "default"));
    WEFT_TRY(auto destination, parse_destination(*world_, to, "default"));
    return trace_connection(*world_, sources, destination, request);
  }
  Trace trace(const std::string& from, const std::string& to, const Request& request = {}) {
    auto result = try_trace(from, to, request);
    if (result) return std::move(*result);
    ADD_FAILURE() << result.error().message;
    return {};
  }
  /// "denied", or "error 404".
  std::string verdict(const std::string& from, const std::string& to, const Request& request = {}) {
    auto result = trace(from, to, request);
    auto out = std::string(name_of(result.outcome.verdict));
    return result.outcome.status == 0 ? out : out + " " + std::to_string(result.outcome.status);
  }

 private:
  std::vector<kube::YamlDocument> manifests_;
  std::unique_ptr<World> world_;
};

/// Two web pods behind a Service in namespace shop, a client there and one in namespace default.
inline const std::string kShop = R"(
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, labels: {app: stranger}}
spec: {containers: [{name: c, image: i}]}
)";

inline std::string policy(const std::string& name, const std::string& spec, const std::string& ns = "shop") {
  return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: {" + spec + "}\n";
}

/// All hops of one step, wherever they are.
inline std::vector<const Hop*> steps(const std::vector<Hop>& hops, const std::string& step) {
  std::vector<const Hop*> out;
  for (const auto& hop : hops) {
    if (hop.step == step) out.push_back(&hop);
    for (const auto* below : steps(hop.hops, step)) out.push_back(below);
  }
  return out;
}

}  // namespace weft::trace::test
