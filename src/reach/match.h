#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reach/reach.h"

namespace weft::reach {

/// A workload or target of two clusters, by indices; nothing: it is not in that one.
struct Match {
  std::optional<size_t> before, after;
  std::string name;
};

/// Those with an owner by it. Others by their pods: those that are alike in both are told as one.
std::vector<Match> match_workloads(const Reach& before, const Reach& after);
/// Pods with their workloads, others by name.
std::vector<Match> match_targets(const Reach& before, const Reach& after,
                                 const std::vector<Match>& workloads);

}  // namespace weft::reach
