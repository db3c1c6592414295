#include "gateway/proxy/metrics.h"

#include <limits>
#include <string>
#include <utility>

#include "base/metric_family.h"

namespace weft::gateway {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
/// From a key of Stats::listeners.
MetricLabels labels_of(const std::string& listener) {
  auto slash = listener.rfind('/');
  if (slash == std::string::npos) return {{"gateway", ""}, {"listener", listener}};
  return {{"gateway", listener.substr(0, slash)}, {"listener", listener.substr(slash + 1)}};
}

void add_histogram(MetricFamily& family, const ListenerStats& stats, MetricLabels labels) {
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

void add_failures(MetricFamily& family, const ListenerStats& stats, const MetricLabels& labels) {
  for (size_t i = 1; i < stats.flags.size(); ++i) {
    if (stats.flags[i] == 0) continue;
    auto with_flag = labels;
    with_flag.push_back({"flag", std::string(kFlagNames[i])});
    add_metric(family, static_cast<double>(stats.flags[i]), std::move(with_flag));
  }
}

/// Of listeners that have had any: those for HTTP have none.
struct StreamFamilies {
  MetricFamily total =
      metric_family(MetricType::Counter, "weft_gateway_streams_total",
                    "TCP and TLS connections that were passed on, and sessions of UDP clients");
  MetricFamily active =
      metric_family(MetricType::Gauge, "weft_gateway_streams_active", "Those that have not ended");
  MetricFamily in = metric_family(MetricType::Counter, "weft_gateway_stream_received_bytes_total",
                                  "From clients, on streams");
  MetricFamily out =
      metric_family(MetricType::Counter, "weft_gateway_stream_sent_bytes_total", "To clients, on streams");

  void add(const ListenerStats& stats, const MetricLabels& labels) {
    if (stats.streams == 0) return;
    add_metric(total, static_cast<double>(stats.streams), labels);
    add_metric(active, static_cast<double>(stats.streams_active), labels);
    add_metric(in, static_cast<double>(stats.stream_bytes_in), labels);
    add_metric(out, static_cast<double>(stats.stream_bytes_out), labels);
  }
};

}  // namespace

std::vector<MetricFamily> metric_families(const Stats& stats) {
  auto requests =
      metric_family(MetricType::Counter, "weft_gateway_requests_total",
                    "Requests, by the first digit of the answer's status; code \"none\": no answer was "
                    "sent whole");
  auto active =
      metric_family(MetricType::Gauge, "weft_gateway_requests_active", "Requests that are being answered");
  auto in = metric_family(MetricType::Counter, "weft_gateway_request_bytes_total", "Of requests' bodies");
  auto out = metric_family(MetricType::Counter, "weft_gateway_response_bytes_total", "Of answers' bodies");
  auto durations = metric_family(MetricType::Histogram, "weft_gateway_request_duration_seconds",
                                 "From a request's head to the end of its answer");
  StreamFamilies streams;
  auto failures = metric_family(MetricType::Counter, "weft_gateway_failures_total",
                                "Requests and streams that came to no good end, by what kept them from it");
  for (const auto& [listener, numbers] : stats.listeners) {
    const MetricLabels labels = labels_of(listener);
    streams.add(numbers, labels);
    add_failures(failures, numbers, labels);
    for (size_t code = 0; code < numbers.requests.size(); ++code) {
      if (numbers.requests[code] == 0) continue;
      auto with_code = labels;
      with_code.push_back({"code", code == 0 ? "none" : std::to_string(code) + "xx"});
      add_metric(requests, static_cast<double>(numbers.requests[code]), std::move(with_code));
    }
    add_metric(active, static_cast<double>(numbers.active), labels);
    add_metric(in, static_cast<double>(numbers.bytes_in), labels);
    add_metric(out, static_cast<double>(numbers.bytes_out), labels);
    add_histogram(durations, numbers, labels);
  }
  return {std::move(requests),
          std::move(active),
          std::move(in),
          std::move(out),
          std::move(durations),
          std::move(streams.total),
          std::move(streams.active),
          std::move(streams.in),
          std::move(streams.out),
          std::move(failures),
          single_metric(MetricType::Gauge, "weft_gateway_connections", "Clients' open connections",
                        static_cast<double>(stats.connections)),
          single_metric(MetricType::Counter, "weft_gateway_connections_total", "Clients' connections",
                        static_cast<double>(stats.connections_total)),
          single_metric(MetricType::Counter, "weft_gateway_connections_refused_total",
                        "Answered with 503 as there were too many", static_cast<double>(stats.refused))};
}

}  // namespace weft::gateway
