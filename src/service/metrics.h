#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datapath/map_fill.h"
#include "kube/time.h"
#include "service/engine.h"
#include "service/plan.h"

namespace weft::service {

/// What a node's Service proxy counts, in the text format of Prometheus: kube-proxy's metrics under the
/// prefix weft_, and the state of the kernel's maps. docs/service.md lists them.
class Metrics {
 public:
  /// What is asked for when somebody reads the metrics, and not kept up to date before.
  struct Readings {
    ServiceEngine::Stats services;
    std::vector<datapath::MapFill> maps;
    std::optional<std::span<const uint64_t>> edge;  ///< by weft_edge_counter
    std::vector<prometheus::MetricFamily> others;   ///< what other parts of the agent tell
  };

  /// `start`: endpoints that changed before are no measure of this process.
  explicit Metrics(kube::TimePoint start);

  void service_changed() { service_changes_->Increment(); }
  /// A slice as the informer reports it, after the kernel has it.
  void slice_programmed(const SlicePtr& before, const SlicePtr& after, kube::TimePoint now);
  void round(std::chrono::steady_clock::duration took, bool complete, kube::TimePoint now);
  void healthz_answered(bool ok) { healthz_[ok]->Increment(); }
  void livez_answered(bool ok) { livez_[ok]->Increment(); }

  std::string text(const Readings& readings) const;

 private:
  kube::TimePoint start_;
  std::unique_ptr<prometheus::Registry> registry_;
  prometheus::Histogram *sync_duration_, *programming_duration_;
  prometheus::Gauge* last_sync_;
  prometheus::Counter *service_changes_, *endpoint_changes_;
  std::array<prometheus::Counter*, 2> healthz_, livez_;  ///< [1]: 200
};

}  // namespace weft::service
