#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "gateway/proxy/stats.h"

namespace weft::gateway {

/// What a proxy tells Prometheus: by Gateway and listener, never by route.
std::vector<prometheus::MetricFamily> metric_families(const Stats& stats);

}  // namespace weft::gateway
