#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

/// Metrics made anew at each scrape from numbers that are kept elsewhere, in few words. Needs
/// prometheus-cpp's core, which whoever includes it has to link.
namespace weft {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

inline prometheus::MetricFamily metric_family(prometheus::MetricType type, const char* name,
                                              const char* help) {
  return {.name = name, .help = help, .type = type, .metric = {}};
}

/// A counter's or a gauge's value.
inline void add_metric(prometheus::MetricFamily& family, double value, MetricLabels labels = {}) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  (family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  family.metric.push_back(std::move(metric));
}

/// A family of one value.
inline prometheus::MetricFamily single_metric(prometheus::MetricType type, const char* name, const char* help,
                                              double value) {
  auto out = metric_family(type, name, help);
  add_metric(out, value);
  return out;
}

}  // namespace weft
