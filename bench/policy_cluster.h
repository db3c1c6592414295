#pragma once

/// A cluster of 10,000 pods in 100 namespaces with 2,000 NetworkPolicies, for benchmarks of policy.

#include <fmt/core.h>

#include <string>

#include "kube/config.h"
#include "kube/networking.h"
#include "kube/pod.h"

namespace weft::bench {

constexpr int kNamespaces = 100;
constexpr int kApps = 10;  ///< of each namespace
constexpr int kPodsOfApp = 10;
constexpr int kPolicies = 20;  ///< of each namespace
constexpr int kNodes = 3;

inline std::string space_name(int space) { return fmt::format("team-{:03}", space); }

inline kube::Namespace make_namespace(int space) {
  kube::Namespace out;
  out.metadata.name = space_name(space);
  out.metadata.labels = {{"kubernetes.io/metadata.name", space_name(space)},
                         {"stage", space % 2 ? "production" : "testing"}};
  return out;
}

inline kube::Pod make_pod(int space, int app, int number) {
  kube::Pod out;
  int index = (space * kApps + app) * kPodsOfApp + number;
  auto name = fmt::format("app-{}", app);
  out.metadata.namespace_ = space_name(space);
  out.metadata.name = fmt::format("{}-6c9f8d7b5-{:05}", name, index);
  out.metadata.uid = fmt::format("1b9f7c1e-6b5d-4c3b-9a29-{:012}", index);
  out.metadata.labels = {{"app", name},
                         {"app.kubernetes.io/instance", name},
                         {"app.kubernetes.io/managed-by", "Helm"},
                         {"pod-template-hash", "6c9f8d7b5"},
                         {"tier", app % 3 ? "back" : "front"}};
  out.spec.nodeName = fmt::format("node-{}", index % kNodes);
  auto& port = out.spec.containers.emplace_back().ports.emplace_back();
  port.name = "http";
  port.protocol = "TCP";
  port.containerPort = 8080;
  out.status.phase = "Running";
  out.status.podIP = fmt::format("10.{}.{}.{}", 1 + index / 62'500, index / 250 % 250, index % 250 + 1);
  out.status.podIPs.emplace_back().ip = out.status.podIP;
  return out;
}

inline kube::NetworkPolicyPort tcp(int port) {
  kube::NetworkPolicyPort out;
  out.port.emplace().value = port;
  return out;
}

inline kube::LabelSelector with(const std::string& key, const std::string& value) {
  kube::LabelSelector out;
  out.matchLabels[key] = value;
  return out;
}

/// What teams write: deny all; names may be looked up; the world may be reached, but not the cluster; an app
/// is reached by another, on a number or a name; by a namespace of the same stage.
inline kube::NetworkPolicy make_policy(int space, int number) {
  kube::NetworkPolicy out;
  out.metadata.namespace_ = space_name(space);
  out.metadata.name = fmt::format("policy-{}", number);
  auto& spec = out.spec;
  if (number == 0) {
    spec.policyTypes = {"Ingress", "Egress"};
  } else if (number == 1) {
    spec.policyTypes = {"Egress"};
    auto& rule = spec.egress.emplace_back();
    rule.to.emplace_back().namespaceSelector = with("kubernetes.io/metadata.name", space_name(0));
    rule.ports = {tcp(53), tcp(53)};
    rule.ports[0].protocol = "UDP";
  } else if (number < 5) {
    spec.podSelector = with("app", fmt::format("app-{}", number));
    spec.policyTypes = {"Egress"};
    auto& block = spec.egress.emplace_back().to.emplace_back().ipBlock.emplace();
    block.cidr = "0.0.0.0/0";
    block.except = {"10.0.0.0/8", fmt::format("192.168.{}.0/24", space)};
  } else {
    int app = number % kApps;
    spec.podSelector = with("app", fmt::format("app-{}", app));
    spec.policyTypes = {"Ingress", "Egress"};
    auto& in = spec.ingress.emplace_back();
    in.from.emplace_back().podSelector = with("app", fmt::format("app-{}", (app + 1) % kApps));
    if (number == 7) {
      in.from.emplace_back().namespaceSelector = with("stage", space % 2 ? "production" : "testing");
      in.from.back().podSelector = with("tier", "front");
    }
    in.ports.push_back(tcp(8080 + number));
    if (number % 2) in.ports.emplace_back().port.emplace().value = "http";
    auto& to = spec.egress.emplace_back();
    to.to.emplace_back().podSelector = with("app", fmt::format("app-{}", (app + 9) % kApps));
    to.ports.push_back(tcp(8080));
  }
  return out;
}

}  // namespace weft::bench
