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

#include "../policy_cluster.h"
#include "policy/plan.h"

namespace {

using namespace weft;
using namespace weft::bench;
using Clock = std::chrono::steady_clock;

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
