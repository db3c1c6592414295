#include "standalone/sandbox/scheduler_plan.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "kube/json.h"
#include "kube/toleration.h"

namespace weft::standalone::sandbox {

namespace {

std::optional<int64_t> integer(std::string_view text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// One NodeSelectorRequirement against labels (or against fields: {"metadata.name": …}).
bool requirement_holds(const json::value& requirement, const kube::StringMap& values) {
  auto it = values.find(std::string(kube::string_at(requirement, "key")));
  bool there = it != values.end();
  auto op = kube::string_at(requirement, "operator");
  if (op == "Exists") return there;
  if (op == "DoesNotExist") return !there;
  const auto* list = kube::member(requirement, "values");
  if (!list || !list->is_array()) return false;
  const auto& wanted = list->get_array();
  bool among = there && std::ranges::any_of(wanted, [&](const json::value& value) {
                 return value.is_string() && std::string_view(value.get_string()) == it->second;
               });
  if (op == "In") return among;
  if (op == "NotIn") return !among;
  if (!there || wanted.size() != 1 || !wanted[0].is_string()) return false;
  auto have = integer(it->second), limit = integer(std::string_view(wanted[0].get_string()));
  if (!have || !limit) return false;
  return op == "Gt" ? *have > *limit : op == "Lt" && *have < *limit;
}

bool all_hold(const json::value& term, std::string_view list, const kube::StringMap& values) {
  const auto* requirements = kube::member(term, list);
  if (!requirements || !requirements->is_array()) return true;
  return std::ranges::all_of(requirements->get_array(),
                             [&](const json::value& r) { return requirement_holds(r, values); });
}

/// Terms are alternatives; an empty term admits nothing.
bool affinity_admits(const json::value& affinity, const kube::Node& node) {
  const auto* terms = kube::at_path(
      affinity, "nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");
  if (!terms || !terms->is_array()) return true;
  kube::StringMap fields{{"metadata.name", node.metadata.name}};
  return std::ranges::any_of(terms->get_array(), [&](const json::value& term) {
    bool empty = !kube::member(term, "matchExpressions") && !kube::member(term, "matchFields");
    return !empty && all_hold(term, "matchExpressions", node.metadata.labels) &&
           all_hold(term, "matchFields", fields);
  });
}

const kube::Taint* untolerated(const kube::Pod& pod, const kube::Node& node) {
  for (const auto& taint : node.spec.taints) {
    if (taint.effect == "PreferNoSchedule") continue;
    if (!kube::tolerates(pod.spec.tolerations, taint)) return &taint;
  }
  return nullptr;
}

bool is_ready(const kube::Node& node) {
  return std::ranges::any_of(node.status.conditions,
                             [](const auto& c) { return c.type == "Ready" && c.status == "True"; });
}

bool clash(const HostPort& a, const HostPort& b) {
  return a.protocol == b.protocol && a.port == b.port && (a.ip == b.ip || a.ip.empty() || b.ip.empty());
}

bool has_free_ports(const kube::Pod& pod, const std::multiset<HostPort>& taken) {
  return std::ranges::none_of(host_ports(pod), [&](const HostPort& wanted) {
    return std::ranges::any_of(taken, [&](const HostPort& other) { return clash(wanted, other); });
  });
}

/// "" when the node takes the pod, else why not, in the words of kube-scheduler.
std::string refusal(const kube::Pod& pod, const NodeLoad& load) {
  const auto& node = *load.node;
  if (!is_ready(node)) return "node(s) were not ready";
  if (node.spec.unschedulable) return "node(s) were unschedulable";
  for (const auto& [key, value] : pod.spec.nodeSelector) {
    auto it = node.metadata.labels.find(key);
    if (it == node.metadata.labels.end() || it->second != value)
      return "node(s) didn't match Pod's node affinity/selector";
  }
  if (!affinity_admits(pod.spec.affinity, node)) return "node(s) didn't match Pod's node affinity/selector";
  if (const auto* taint = untolerated(pod, node))
    return fmt::format("node(s) had untolerated taint {{{}: {}}}", taint->key, taint->value);
  if (!has_free_ports(pod, load.ports)) return "node(s) didn't have free ports for the requested pod ports";
  return {};
}

}  // namespace

std::vector<HostPort> host_ports(const kube::Pod& pod) {
  std::vector<HostPort> out;
  for (const auto& container : pod.spec.containers) {
    for (const auto& port : container.ports) {
      if (port.hostPort == 0) continue;
      auto ip = port.hostIP == "0.0.0.0" || port.hostIP == "::" ? std::string() : port.hostIP;
      out.push_back({port.protocol, port.hostPort, std::move(ip)});
    }
  }
  return out;
}

Placement place_pod(const kube::Pod& pod, const std::vector<NodeLoad>& nodes) {
  const NodeLoad* best = nullptr;
  std::map<std::string, int> refusals;
  for (const auto& candidate : nodes) {
    auto why = refusal(pod, candidate);
    if (!why.empty()) {
      ++refusals[why];
      continue;
    }
    bool better = !best || candidate.pods < best->pods ||
                  (candidate.pods == best->pods && candidate.node->metadata.name < best->node->metadata.name);
    if (better) best = &candidate;
  }
  if (best) return {best->node->metadata.name, {}};
  std::vector<std::string> parts;
  for (const auto& [why, count] : refusals) parts.push_back(fmt::format("{} {}", count, why));
  if (parts.empty()) return {"", "no nodes available to schedule pods"};
  return {"", fmt::format("0/{} nodes are available: {}.", nodes.size(), fmt::join(parts, ", "))};
}

}  // namespace weft::standalone::sandbox
