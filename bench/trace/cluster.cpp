#include "cluster.h"

#include <fmt/core.h>

#include <fstream>
#include <string>

#include "../policy_cluster.h"
#include "kube/codec.h"
#include "kube/gateway.h"
#include "kube/gateway_routes.h"
#include "kube/node.h"
#include "kube/service.h"
#include "kube/yaml.h"

namespace weft::bench {
namespace {

constexpr int kMachines = 100;
constexpr int kServicesOfApp = 2;

template <class T>
void write(std::ofstream& out, const T& object) {
  out << "---\n" << kube::to_yaml(kube::encode(object));
}

kube::Node make_node(int number) {
  kube::Node out;
  out.metadata.name = fmt::format("node-{:02}", number);
  out.spec.podCIDR = fmt::format("10.100.{}.0/24", number);
  out.spec.podCIDRs = {out.spec.podCIDR};
  auto& address = out.status.addresses.emplace_back();
  address.type = "InternalIP";
  address.address = fmt::format("192.0.2.{}", number + 1);
  auto& ready = out.status.conditions.emplace_back();
  ready.type = "Ready";
  ready.status = "True";
  return out;
}

/// As it is written or printed, not yet placed.
kube::Pod make_written_pod(int space, int app, int number) {
  auto out = make_pod(space, app, number);
  out.spec.nodeName.clear();
  out.status = {};
  auto& container = out.spec.containers.front();
  container.name = "server";
  container.image = "registry.example/server:1.2.3";
  auto& owner = out.metadata.ownerReferences.emplace_back();
  owner.apiVersion = "apps/v1";
  owner.kind = "ReplicaSet";
  owner.name = fmt::format("app-{}-6c9f8d7b5", app);
  owner.uid = fmt::format("2b9f7c1e-6b5d-4c3b-9a29-{:012}", space * kApps + app);
  owner.controller = true;
  return out;
}

kube::Service make_service(int space, int app, int number) {
  kube::Service out;
  out.metadata.namespace_ = space_name(space);
  out.metadata.name = number == 0 ? fmt::format("app-{}", app) : fmt::format("app-{}-{}", app, number);
  out.spec.selector = {{"app", fmt::format("app-{}", app)}};
  auto& port = out.spec.ports.emplace_back();
  port.name = "http";
  port.port = 80;
  port.targetPort = kube::IntOrString{"http"};
  return out;
}

/// Names are asked for where the cluster's DNS is, and whoever may be reached at all, by its named port as
/// well.
kube::NetworkPolicy make_written_policy(int space, int number) {
  auto out = make_policy(space, number);
  if (number == 1)
    out.spec.egress.front().to.front().namespaceSelector = with("kubernetes.io/metadata.name", "kube-system");
  for (auto& rule : out.spec.ingress) rule.ports.emplace_back().port.emplace().value = "http";
  return out;
}

kube::Gateway make_gateway() {
  kube::Gateway out;
  out.metadata.namespace_ = space_name(0);
  out.metadata.name = "edge";
  out.spec.gatewayClassName = "weft";
  auto& listener = out.spec.listeners.emplace_back();
  listener.name = "http";
  listener.port = 80;
  listener.protocol = "HTTP";
  listener.allowedRoutes.emplace().namespaces.emplace().from = "All";
  return out;
}

kube::HTTPRoute make_route(int space, int app) {
  kube::HTTPRoute out;
  out.metadata.namespace_ = space_name(space);
  out.metadata.name = fmt::format("app-{}", app);
  auto& parent = out.spec.parentRefs.emplace_back();
  parent.namespace_ = space_name(0);
  parent.name = "edge";
  out.spec.hostnames = {fmt::format("app-{}.{}.example.com", app, space_name(space))};
  auto& rule = out.spec.rules.emplace_back();
  rule.matches.emplace_back().path.emplace().value = "/";
  auto& backend = rule.backendRefs.emplace_back();
  backend.name = fmt::format("app-{}", app);
  backend.port = 80;
  return out;
}

}  // namespace

void write_manifests(const std::filesystem::path& folder) {
  std::ofstream nodes(folder / "nodes.yaml");
  for (int i = 0; i < kMachines; ++i) write(nodes, make_node(i));
  write(nodes, make_gateway());
  for (int space = 0; space < kNamespaces; ++space) {
    std::ofstream out(folder / (space_name(space) + ".yaml"));
    write(out, make_namespace(space));
    for (int app = 0; app < kApps; ++app) {
      for (int i = 0; i < kPodsOfApp; ++i) write(out, make_written_pod(space, app, i));
      for (int i = 0; i < kServicesOfApp; ++i) write(out, make_service(space, app, i));
      write(out, make_route(space, app));
    }
    for (int i = 0; i < kPolicies; ++i) write(out, make_written_policy(space, i));
  }
}

}  // namespace weft::bench
