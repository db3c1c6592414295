#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "datapath/policy_layout.h"
#include "kube/json.h"
#include "policy/rules.h"

namespace weft::policy {

/// A rule of a policy that took part in a decision.
struct RuleName {
  std::string policy;  ///< Policy::key
  uint32_t index = 0;
  std::string name;  ///< of a ClusterNetworkPolicy's rule, if it has one
  auto operator<=>(const RuleName&) const = default;
};

/// Why a connection is allowed or denied at one of its ends.
struct Reason {
  enum class Kind : uint8_t {
    rules,      ///< `rules`, all of NetworkPolicies, allow it
    isolation,  ///< `policies` isolate the pod, and none of their rules allows it
    accepted,   ///< by `rules[0]` of a ClusterNetworkPolicy
    denied,     ///< by `rules[0]` of a ClusterNetworkPolicy
    no_policy,  ///< no policy decided, so it is allowed
  };
  Kind kind = Kind::no_policy;
  Direction direction = Direction::ingress;
  Tier tier = Tier::network_policy;  ///< of accepted and denied
  int32_t priority = 0;              ///< of accepted and denied
  std::vector<RuleName> rules;
  std::vector<std::string> policies;  ///< keys, sorted
  auto operator<=>(const Reason&) const = default;

  bool allows() const { return kind != Kind::isolation && kind != Kind::denied; }
  /// WEFT_VERDICT_…: what a pod sends to itself by a Service NetworkPolicies leave open, and
  /// ClusterNetworkPolicies do not (network-policy-api#390).
  uint32_t verdict() const;
  /// "ingress is allowed by NetworkPolicy shop/web ingress[0]".
  std::string str() const;
  /// {"verdict": "allow", "direction": "ingress", "kind": "rules", "rules": [{"policy": "shop/web", "rule":
  /// 0}]}
  json::object to_json() const;
};

/// A reason and its number, which is never that of another.
struct NumberedReason {
  uint32_t number = 0;
  uint64_t serial = 0;  ///< it was the so manieth that was made
  Reason reason;
};
using ReasonPtr = std::shared_ptr<const NumberedReason>;

/// Gives reasons numbers; the same to the same reason. One that nobody holds any more is kept for a while,
/// for messages of the kernel that are still on their way.
class ReasonTable {
 public:
  ReasonPtr number(Reason reason);
  /// nullptr if it is not known any more.
  ReasonPtr find(uint32_t number) const;
  size_t size() const { return by_number_.size(); }

 private:
  void forget_unused();

  uint64_t made_ = 0;
  size_t sweep_at_ = 4096;
  std::map<Reason, ReasonPtr> by_reason_;
  std::unordered_map<uint32_t, ReasonPtr> by_number_;
};

}  // namespace weft::policy
