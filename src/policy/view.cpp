#include "policy/view.h"

#include <algorithm>

namespace weft::policy {
namespace {

bool is_about(const PolicyView& policy, Direction direction) {
  auto at = static_cast<size_t>(direction);
  return policy.isolates[at] || !policy.rules[at].empty();
}

Standing standing_of(const PodEntry& entry, Direction direction, const PolicyPlan& plan) {
  bool in = direction == Direction::ingress;
  if (!(entry.flags & (in ? WEFT_POLICY_ISOLATED_INGRESS : WEFT_POLICY_ISOLATED_EGRESS)))
    return Standing::open;
  if (entry.flags & (in ? WEFT_POLICY_AUDIT_INGRESS : WEFT_POLICY_AUDIT_EGRESS)) return Standing::audit;
  return plan.isolation(entry.pod, direction) ? Standing::isolated : Standing::ruled;
}

json::object to_json(const RuleWords& rule) {
  json::object out{{"rule", rule.index},
                   {"action", rule.action},
                   {"peers", json::value_from(rule.peers)},
                   {"ports", json::value_from(rule.ports)}};
  if (!rule.name.empty()) out["name"] = rule.name;
  return out;
}

json::array rules_to_json(const std::vector<RuleWords>& rules) {
  json::array out;
  for (const auto& rule : rules) out.push_back(to_json(rule));
  return out;
}

}  // namespace

PolicyView view_of(const Policy& policy, const PolicyPlan& plan) {
  auto pods = plan.selected_by(policy.key);
  PolicyView out{.key = policy.key,
                 .namespace_ = policy.namespace_,
                 .tier = policy.tier,
                 .priority = policy.priority,
                 .audit = policy.audit,
                 .pods = {pods.begin(), pods.end()},
                 .isolates = policy.isolates,
                 .rules = {},
                 .warnings = plan.warnings(policy.key)};
  for (size_t direction = 0; direction < 2; ++direction) {
    for (const auto& rule : policy.rules[direction]) out.rules[direction].push_back(describe(rule));
  }
  return out;
}

std::vector<PolicyView> all_policies(const PolicyPlan& plan) {
  std::vector<PolicyView> out;
  for (const auto& policy : plan.policies()) out.push_back(view_of(*policy, plan));
  return out;
}

std::string PolicyView::directions() const {
  std::string out;
  for (auto direction : kDirections) {
    if (!is_about(*this, direction)) continue;
    if (!out.empty()) out += ", ";
    out += name_of(direction);
  }
  return out.empty() ? "-" : out;
}

json::object PolicyView::to_json() const {
  json::object out{{"policy", key},
                   {"kind", tier == Tier::network_policy ? "NetworkPolicy" : "ClusterNetworkPolicy"},
                   {"tier", name_of(tier)},
                   {"audit", audit},
                   {"pods", json::value_from(pods)},
                   {"warnings", json::value_from(warnings)}};
  if (tier != Tier::network_policy) out["priority"] = priority;
  for (auto direction : kDirections) {
    auto at = static_cast<size_t>(direction);
    out[name_of(direction)] = json::object{{"isolates", isolates[at]}, {"rules", rules_to_json(rules[at])}};
  }
  return out;
}

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::open:
      return "open";
    case Standing::ruled:
      return "ruled";
    case Standing::isolated:
      return "isolated";
    case Standing::audit:
      break;
  }
  return "audit";
}

std::optional<PodView> view_of(const std::string& pod, const PolicyPlan& plan) {
  auto entry = plan.entry_of(pod);
  if (!entry) return std::nullopt;
  PodView out;
  out.pod = pod;
  for (const auto& policy : plan.policies_of(pod)) out.policies.push_back(view_of(*policy, plan));
  for (auto direction : kDirections) {
    auto& view = out.directions[static_cast<size_t>(direction)];
    view.standing = standing_of(*entry, direction, plan);
    for (const auto& policy : out.policies) {
      if (is_about(policy, direction)) view.policies.push_back(&policy);
    }
  }
  return out;
}

json::object PodView::to_json() const {
  json::object out{{"pod", pod}};
  for (auto direction : kDirections) {
    const auto& view = directions[static_cast<size_t>(direction)];
    json::array policies;
    for (const auto* policy : view.policies) {
      json::object item{{"policy", policy->key},
                        {"tier", name_of(policy->tier)},
                        {"audit", policy->audit},
                        {"rules", rules_to_json(policy->rules[static_cast<size_t>(direction)])}};
      if (policy->tier != Tier::network_policy) item["priority"] = policy->priority;
      policies.push_back(std::move(item));
    }
    out[name_of(direction)] =
        json::object{{"standing", name_of(view.standing)}, {"policies", std::move(policies)}};
  }
  json::array warnings;
  for (const auto& policy : policies) {
    for (const auto& warning : policy.warnings)
      warnings.push_back(json::object{{"policy", policy.key}, {"warning", warning}});
  }
  out["warnings"] = std::move(warnings);
  return out;
}

}  // namespace weft::policy
