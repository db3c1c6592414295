#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "kube/json.h"
#include "policy/describe.h"
#include "policy/plan.h"

/// What is in force, for people: of a policy and of a pod. Pure: all from a plan whose subjects are the pods
/// of all nodes (PlanOptions::node empty), as of its last take_changes().
namespace weft::policy {

/// A policy, as far as it is for all pods the same.
struct PolicyView {
  std::string key;  ///< as Policy::key
  std::string namespace_;
  Tier tier = Tier::network_policy;
  int32_t priority = 0;  ///< of a ClusterNetworkPolicy
  bool audit = false;    ///< its own, or its namespace's
  std::vector<std::string> pods;
  std::array<bool, 2> isolates{};  ///< by direction
  std::array<std::vector<RuleWords>, 2> rules;
  std::vector<std::string> warnings;  ///< what cannot be enforced as written

  /// "ingress, egress", those that it isolates or has rules for; "-": none.
  std::string directions() const;
  json::object to_json() const;
};
PolicyView view_of(const Policy& policy, const PolicyPlan& plan);
/// All policies, in the order in which they are asked.
std::vector<PolicyView> all_policies(const PolicyPlan& plan);

/// What becomes of a pod's connections in one direction when no rule is about them.
enum class Standing : uint8_t {
  open,      ///< no policy is asked
  ruled,     ///< they are allowed, unless a rule of a ClusterNetworkPolicy denies them
  isolated,  ///< they are denied
  audit,     ///< what would be denied passes, and is reported
};
std::string_view name_of(Standing standing);

struct DirectionView {
  Standing standing = Standing::open;
  std::vector<const PolicyView*> policies;  ///< of PodView::policies, those that are about the direction
};

struct PodView {
  std::string pod;
  std::vector<PolicyView> policies;  ///< that select it, in the order in which they are asked
  std::array<DirectionView, 2> directions;

  PodView() = default;
  PodView(const PodView&) = delete;  ///< it has pointers into itself
  PodView& operator=(const PodView&) = delete;
  PodView(PodView&&) = default;
  PodView& operator=(PodView&&) = default;

  json::object to_json() const;
};
/// Nothing: policies are not about the pod, as it is on the host's network, or over.
std::optional<PodView> view_of(const std::string& pod, const PolicyPlan& plan);

}  // namespace weft::policy
