#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "datapath/policy_layout.h"
#include "policy/report.h"

namespace weft::policy {

/// What is asked for when somebody reads a node's metrics.
struct PolicyReadings {
  std::optional<std::array<uint64_t, WEFT_POLICY_COUNTERS>> counters;  ///< nothing: they could not be read
  DecisionCounts decisions;
  uint64_t write_failures = 0;
  size_t subjects = 0, identities = 0;
  size_t domain_addresses = 0;  ///< that names were answered to have
  uint64_t domains_without_room = 0;
};

/// Under the prefix weft_policy_; docs/policy.md lists them. How many entries the maps have is told with
/// those of all maps.
std::vector<prometheus::MetricFamily> metric_families(const PolicyReadings& readings);

}  // namespace weft::policy
