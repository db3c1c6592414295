// Claims: of a cluster with 10,000 pods in 100 namespaces, 2,000 NetworkPolicies and 3 nodes, one node's
// policy is planned from nothing in under 1 s, and a pod that comes or a policy that is edited costs under
// 1 ms.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "policy/plan.h"

namespace {

using namespace weft;
using Clock = std::chrono::steady_clock;

constexpr int kNamespaces = 100;
constexpr int kApps = 10;  // of each namespace
constexpr int kPodsOfApp = 10;
constexpr int kPolicies = 20;  // of each namespace
constexpr int kNodes = 3;
constexpr int kChanges = 1'000;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double memory_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(std::strlen("VmRSS:") + 1)) / 1024;
  }
  return 0;
}

std::string space_name(int space) { return fmt::format("team-{:03}", space); }

kube::Namespace make_namespace(int space) {
  kube::Namespace out;
  out.metadata.name = space_name(space);
  out.metadata.labels = {{"kubernetes.io/metadata.name", space_name(space)},
                         {"stage", space % 2 ? "production" : "testing"}};
  return out;
}

kube::Pod make_pod(int space, int app, int number) {
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

kube::NetworkPolicyPort tcp(int port) {
  kube::NetworkPolicyPort out;
  out.port.emplace().value = port;
  return out;
}

kube::LabelSelector with(const std::string& key, const std::string& value) {
  kube::LabelSelector out;
  out.matchLabels[key] = value;
  return out;
}

/// What teams write: deny all; names may be looked up; the world may be reached, but not the cluster; an app
/// is reached by another, on a number or a name; by a namespace of the same stage.
kube::NetworkPolicy make_policy(int space, int number) {
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

int missed = 0;
const char* verdict(bool ok) {
  missed += !ok;
  return ok ? "ok" : "MISSED";
}

size_t entries(const policy::PlanChanges& step) {
  return step.verdicts.size() + step.verdicts_removed.size() + step.identities.size() +
         step.identities_removed.size() + step.pods.size() + step.pods_removed.size() +
         step.verdicts_unused.size();
}

/// `change`: made kChanges times, each settled; claimed to take `most` milliseconds in the median.
void measure(policy::PolicyPlan& plan, const char* what, double most,
             const std::function<void(int)>& change) {
  std::vector<double> times;
  size_t writes = 0;
  for (int i = 0; i < kChanges; ++i) {
    auto start = Clock::now();
    change(i);
    auto steps = plan.take_changes();
    times.push_back(milliseconds_since(start));
    for (const auto& step : steps) writes += entries(step);
  }
  std::ranges::sort(times);
  double median = times[times.size() / 2];
  fmt::print("{}: median {:.4f} ms, p99 {:.4f} ms, {:.1f} entries to write (claim < {}) {}\n", what, median,
             times[times.size() * 99 / 100], static_cast<double>(writes) / kChanges, most,
             verdict(median < most));
}

void measure_changes(policy::PolicyPlan& plan) {
  std::minstd_rand random(1);
  auto any = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  auto extra = [](int i) {
    auto pod = make_pod(i % kNamespaces, i % kApps, 0);
    pod.metadata.name += fmt::format("-extra{}", i);
    pod.spec.nodeName = "node-0";
    pod.status.podIP = fmt::format("10.100.{}.{}", i / 250, i % 250 + 1);
    pod.status.podIPs[0].ip = pod.status.podIP;
    return pod;
  };
  measure(plan, "a pod of a known kind comes", 1, [&](int i) { plan.put(extra(i)); });
  measure(plan, "a pod goes", 1, [&](int i) { plan.erase(extra(i)); });
  measure(plan, "a pod is relabelled", 1, [&](int i) {
    auto pod = make_pod(any(kNamespaces), any(kApps), any(kPodsOfApp));
    pod.metadata.labels["canary"] = std::to_string(i);
    plan.put(pod);
  });
  measure(plan, "a port of a policy is edited", 1, [&](int i) {
    auto policy = make_policy(any(kNamespaces), 5 + any(kPolicies - 5));
    policy.spec.ingress[0].ports[0].port->value = 10'000 + i;
    plan.put(policy);
  });
  measure(plan, "a policy names another network", 5, [&](int i) {
    auto policy = make_policy(any(kNamespaces), 2 + any(3));
    policy.spec.egress[0].to[0].ipBlock->except[1] = fmt::format("172.16.{}.0/24", i % 250);
    plan.put(policy);
  });
}

int run() {
  std::vector<kube::Namespace> spaces;
  std::vector<kube::Pod> pods;
  std::vector<kube::NetworkPolicy> policies;
  for (int space = 0; space < kNamespaces; ++space) {
    spaces.push_back(make_namespace(space));
    for (int app = 0; app < kApps; ++app) {
      for (int i = 0; i < kPodsOfApp; ++i) pods.push_back(make_pod(space, app, i));
    }
    for (int i = 0; i < kPolicies; ++i) policies.push_back(make_policy(space, i));
  }
  double before = memory_mib();
  policy::PolicyPlan plan({.node = "node-0"});
  auto start = Clock::now();
  for (const auto& space : spaces) plan.put(space);
  for (const auto& pod : pods) plan.put(pod);
  for (const auto& policy : policies) plan.put(policy);
  plan.take_changes();
  double cold = milliseconds_since(start);
  fmt::print("{} pods, {} policies: planned from nothing in {:.0f} ms (claim < 1000) {}\n", pods.size(),
             policies.size(), cold, verdict(cold < 1000));
  double memory = memory_mib() - before;
  auto all = plan.everything();
  fmt::print("{} prefixes, {} pods of the node, {} verdicts; memory {:.0f} MiB\n", all.identities.size(),
             all.pods.size(), all.verdicts.size(), memory);
  measure_changes(plan);
  return missed ? 1 : 0;
}

}  // namespace

int main() { return run(); }
