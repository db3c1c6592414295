#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kube/gateway_policy.h"
#include "kube/gateway_routes.h"
#include "kube/meta.h"

/// Conditions and statuses as the plan wants them (without lastTransitionTime), and as they are written: over
/// what is there, which others may have written to as well.
namespace weft::gateway {

kube::Condition condition(std::string_view type, bool status, std::string_view reason, std::string message,
                          int64_t generation);

using Conditions = std::vector<kube::Condition>;

/// `wanted` with the time of the last transition: that in `current` where the status is the same, else `now`.
/// Conditions of types that are not ours stay.
Conditions merge_conditions(const Conditions& current, Conditions wanted, const kube::Time& now);

/// Our entries, and those of other controllers as they are.
std::vector<kube::RouteParentStatus> merge_parents(const std::vector<kube::RouteParentStatus>& current,
                                                   std::vector<kube::RouteParentStatus> wanted,
                                                   const kube::Time& now);
std::vector<kube::PolicyAncestorStatus> merge_ancestors(
    const std::vector<kube::PolicyAncestorStatus>& current, std::vector<kube::PolicyAncestorStatus> wanted,
    const kube::Time& now);
std::vector<kube::ListenerStatus> merge_listeners(const std::vector<kube::ListenerStatus>& current,
                                                  std::vector<kube::ListenerStatus> wanted,
                                                  const kube::Time& now);

}  // namespace weft::gateway
