#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"
#include "policy/plan.h"

namespace weft::policy {

/// Resets the TCP connections of a pod that the plan denies by now. The programs at its link let nothing of
/// them pass already; this tells both ends. `pod`: "NAMESPACE/NAME"; `netns`: a descriptor of its network
/// namespace. How many there were.
Expected<size_t> cut_denied(const PolicyPlan& plan, const std::string& pod, int netns);

}  // namespace weft::policy
