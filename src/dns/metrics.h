#pragma once

#include <prometheus/metric_family.h>

#include <span>
#include <vector>

#include "dns/counters.h"
#include "dns/forwarder.h"

namespace weft::dns {

/// What a DNS server tells about itself in /metrics.
struct MetricReadings {
  std::vector<const Counters*> threads;
  std::vector<const UpstreamBook*> upstreams;  ///< of each thread
  uint64_t reloads = 0, failed_reloads = 0;
  bool last_reload_failed = false;  ///< an older configuration is in force than the one in the file
  bool synced = false;
};

/// The weft_dns_* families; with `old_names` those that dashboards for CoreDNS ask for too.
std::vector<prometheus::MetricFamily> metric_families(const MetricReadings& readings, bool old_names);

}  // namespace weft::dns
