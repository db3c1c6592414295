#include "gateway/proxy/metrics.h"

#include <limits>
#include <string>
#include <utility>

namespace weft::gateway {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily family(MetricType type, const char* name, const char* help) {
  return {.name = name, .help = help, .type = type, .metric = {}};
}

void add(MetricFamily& family, uint64_t value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) =
      static_cast<double>(value);
  family.metric.push_back(std::move(metric));
}

MetricFamily single(MetricType type, const char* name, const char* help, uint64_t value) {
  auto out = family(type, name, help);
  add(out, value);
  return out;
}

/// From a key of Stats::listeners.
Labels labels_of(const std::string& listener) {
  auto slash = listener.rfind('/');
  if (slash == std::string::npos) return {{"gateway", ""}, {"listener", listener}};
  return {{"gateway", listener.substr(0, slash)}, {"listener", listener.substr(slash + 1)}};
}

void add_histogram(MetricFamily& family, const ListenerStats& stats, Labels labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  uint64_t count = 0;
  for (size_t i = 0; i < stats.durations.size(); ++i) {
    count += stats.durations[i];
    bool is_last = i == kDurationBounds.size();
    metric.histogram.bucket.push_back({.cumulative_count = count,
                                       .upper_bound = is_last
                                                          ? std::numeric_limits<double>::infinity()
                                                          : static_cast<double>(kDurationBounds[i]) / 1000});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = static_cast<double>(stats.duration_ms) / 1000;
  family.metric.push_back(std::move(metric));
}

}  // namespace

std::vector<MetricFamily> metric_families(const Stats& stats) {
  auto requests = family(MetricType::Counter, "weft_gateway_requests_total",
                         "Requests, by the first digit of the answer's status; code \"none\": no answer was "
                         "sent whole");
  auto active = family(MetricType::Gauge, "weft_gateway_requests_active", "Requests that are being answered");
  auto in = family(MetricType::Counter, "weft_gateway_request_bytes_total", "Of requests' bodies");
  auto out = family(MetricType::Counter, "weft_gateway_response_bytes_total", "Of answers' bodies");
  auto durations = family(MetricType::Histogram, "weft_gateway_request_duration_seconds",
                          "From a request's head to the end of its answer");
  for (const auto& [listener, numbers] : stats.listeners) {
    const Labels labels = labels_of(listener);
    for (size_t code = 0; code < numbers.requests.size(); ++code) {
      if (numbers.requests[code] == 0) continue;
      auto with_code = labels;
      with_code.push_back({"code", code == 0 ? "none" : std::to_string(code) + "xx"});
      add(requests, numbers.requests[code], std::move(with_code));
    }
    add(active, numbers.active, labels);
    add(in, numbers.bytes_in, labels);
    add(out, numbers.bytes_out, labels);
    add_histogram(durations, numbers, labels);
  }
  return {
      std::move(requests),
      std::move(active),
      std::move(in),
      std::move(out),
      std::move(durations),
      single(MetricType::Gauge, "weft_gateway_connections", "Clients' open connections", stats.connections),
      single(MetricType::Counter, "weft_gateway_connections_total", "Clients' connections",
             stats.connections_total),
      single(MetricType::Counter, "weft_gateway_connections_refused_total",
             "Answered with 503 as there were too many", stats.refused)};
}

}  // namespace weft::gateway
