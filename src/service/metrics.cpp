#include "service/metrics.h"

#include <fmt/core.h>
#include <prometheus/text_serializer.h>

#include <utility>

#include "datapath/edge_layout.h"

namespace weft::service {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr const char* kTriggerTime = "endpoints.kubernetes.io/last-change-trigger-time";

/// kube-proxy's begin at a millisecond; a change takes less here.
prometheus::Histogram::BucketBoundaries sync_buckets() {
  prometheus::Histogram::BucketBoundaries out{0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005};
  for (double bound = 0.001; out.size() < 21; bound *= 2) out.push_back(bound);
  return out;
}

prometheus::Histogram::BucketBoundaries programming_buckets() {
  return {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300};
}

template <class Builder, class... Args>
auto& only_one(Builder&& builder, const char* name, const char* help, prometheus::Registry& registry,
               Args&&... args) {
  return builder.Name(name).Help(help).Register(registry).Add({}, std::forward<Args>(args)...);
}

std::array<prometheus::Counter*, 2> answers(const char* name, const char* help,
                                            prometheus::Registry& registry) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  return {&family.Add({{"code", "503"}}), &family.Add({{"code", "200"}})};
}

std::string name_of_edge_counter(size_t counter) {
  switch (counter) {
    case WEFT_EDGE_TRANSLATED:
      return "translated";
    case WEFT_EDGE_NO_BACKEND:
      return "no_backend";
    case WEFT_EDGE_SOURCE_DENIED:
      return "source_denied";
    case WEFT_EDGE_TABLE_FULL:
      return "table_full";
    case WEFT_EDGE_NO_PORT:
      return "no_port";
    case WEFT_EDGE_NO_ROUTE:
      return "no_route";
    case WEFT_EDGE_NO_ADDRESS:
      return "no_address";
    default:
      return fmt::format("counter_{}", counter);
  }
}

/// A family that is made for one answer.
class Family {
 public:
  Family(MetricType type, std::string name, std::string help)
      : family_{.name = std::move(name), .help = std::move(help), .type = type, .metric = {}} {}

  Family& add(double value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
    return *this;
  }
  MetricFamily take() { return std::move(family_); }

 private:
  MetricFamily family_;
};

void add_services(const ServiceEngine::Stats& stats, std::vector<MetricFamily>& out) {
  auto gauge = [&](const char* name, const char* help, double value) {
    out.push_back(Family(MetricType::Gauge, name, help).add(value).take());
  };
  auto counter = [&](const char* name, const char* help, double value) {
    out.push_back(Family(MetricType::Counter, name, help).add(value).take());
  };
  gauge("weft_services_programmed", "Services that have entries in the kernel",
        static_cast<double>(stats.services));
  gauge("weft_services_failing", "Services that could not be programmed; their last good state stays",
        static_cast<double>(stats.failing.size()));
  gauge("weft_frontends_programmed",
        "Addresses and ports of Services in the kernel, those that refuse included",
        static_cast<double>(stats.frontends));
  gauge("weft_backends_programmed", "Backends in the kernel, each once for each set that uses it",
        static_cast<double>(stats.backends));
  counter("weft_kernel_writes_total", "Entries written to or removed from Service maps",
          static_cast<double>(stats.kernel_writes));
  counter("weft_udp_sockets_destroyed_total",
          "Connected UDP sockets ended because their backend stopped serving",
          static_cast<double>(stats.destroyed_udp_sockets));
  out.push_back(
      Family(MetricType::Gauge, "weft_sync_proxy_rules_no_local_endpoints_total",
             "Services with a Local traffic policy that have endpoints elsewhere but none on this node")
          .add(static_cast<double>(stats.no_local_internal), {{"traffic_policy", "internal"}})
          .add(static_cast<double>(stats.no_local_external), {{"traffic_policy", "external"}})
          .take());
}

void add_maps(const std::vector<datapath::MapFill>& maps, std::vector<MetricFamily>& out) {
  Family entries(MetricType::Gauge, "weft_bpf_map_entries", "Entries of a BPF map");
  Family capacity(MetricType::Gauge, "weft_bpf_map_capacity", "Most entries that a BPF map can have");
  for (const auto& map : maps) {
    entries.add(static_cast<double>(map.entries), {{"map", map.name}});
    capacity.add(static_cast<double>(map.capacity), {{"map", map.name}});
  }
  out.push_back(entries.take());
  out.push_back(capacity.take());
}

void add_edge(std::span<const uint64_t> counters, std::vector<MetricFamily>& out) {
  Family family(MetricType::Counter, "weft_edge_packets_total",
                "What became of the first packets of connections at the node's edge");
  for (size_t i = 0; i < counters.size(); ++i)
    family.add(static_cast<double>(counters[i]), {{"result", name_of_edge_counter(i)}});
  out.push_back(family.take());
}

double seconds(auto duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Metrics::Metrics(kube::TimePoint start) : start_(start), registry_(std::make_unique<prometheus::Registry>()) {
  auto& registry = *registry_;
  sync_duration_ = &only_one(prometheus::BuildHistogram(), "weft_sync_proxy_rules_duration_seconds",
                             "How long it took to bring a change, or at start everything, to the kernel",
                             registry, sync_buckets());
  programming_duration_ = &only_one(
      prometheus::BuildHistogram(), "weft_network_programming_duration_seconds",
      "From the change of a pod or Service, as its EndpointSlice tells it, to the kernel of this node",
      registry, programming_buckets());
  last_sync_ = &only_one(prometheus::BuildGauge(), "weft_sync_proxy_rules_last_timestamp_seconds",
                         "When the kernel last had all that the API asks for", registry);
  service_changes_ = &only_one(prometheus::BuildCounter(), "weft_sync_proxy_rules_service_changes_total",
                               "Changes of Services seen", registry);
  endpoint_changes_ = &only_one(prometheus::BuildCounter(), "weft_sync_proxy_rules_endpoint_changes_total",
                                "Changes of EndpointSlices seen", registry);
  healthz_ = answers("weft_proxy_healthz_total", "Answers of /healthz by status code", registry);
  livez_ = answers("weft_proxy_livez_total", "Answers of /livez by status code", registry);
}

void Metrics::slice_programmed(const SlicePtr& before, const SlicePtr& after, kube::TimePoint now) {
  endpoint_changes_->Increment();
  if (!after) return;
  auto trigger = after->metadata.annotations.find(kTriggerTime);
  if (trigger == after->metadata.annotations.end()) return;
  if (before) {
    // A write that nobody's readiness caused has the time of the one before.
    auto known = before->metadata.annotations.find(kTriggerTime);
    if (known != before->metadata.annotations.end() && known->second == trigger->second) return;
  }
  auto when = kube::parse_time(trigger->second);
  if (when && *when > start_ && *when <= now) programming_duration_->Observe(seconds(now - *when));
}

void Metrics::round(std::chrono::steady_clock::duration took, bool complete, kube::TimePoint now) {
  sync_duration_->Observe(seconds(took));
  if (complete) last_sync_->Set(seconds(now.time_since_epoch()));
}

std::string Metrics::text(const Readings& readings) const {
  auto families = registry_->Collect();
  add_services(readings.services, families);
  add_maps(readings.maps, families);
  if (readings.edge) add_edge(*readings.edge, families);
  families.insert(families.end(), readings.others.begin(), readings.others.end());
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace weft::service
