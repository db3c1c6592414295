#include "dns/metrics.h"

#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "base/metric_family.h"

namespace weft::dns {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

/// RFC 1035 and IANA's list; codes without a name are told by number.
constexpr auto kRcodes = std::to_array<const char*>(
    {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",  "NOTIMP",     "REFUSED",    "YXDOMAIN",   "YXRRSET",
     "NXRRSET", "NOTAUTH", "NOTZONE",  "DSOTYPENI", "RESERVED12", "RESERVED13", "RESERVED14", "RESERVED15",
     "BADVERS", "BADKEY",  "BADTIME",  "BADMODE",   "BADNAME",    "BADALG",     "BADTRUNC",   "OTHER"});
static_assert(kRcodes.size() == std::tuple_size_v<decltype(Counters::responses)>);

/// The names of families and the labels that all their metrics have.
struct Style {
  std::string prefix;
  MetricLabels common;
  bool old;  ///< of CoreDNS

  MetricLabels labels(MetricLabels own) const {
    own.insert(own.end(), common.begin(), common.end());
    return own;
  }
};

/// A histogram of several threads.
struct Durations {
  std::array<uint64_t, Counters::kBuckets.size() + 1> counts{};
  uint64_t us = 0;

  void add(const std::array<Count, Counters::kBuckets.size() + 1>& buckets, const Count& sum) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += buckets[i].get();
    us += sum.get();
  }
  prometheus::ClientMetric metric(MetricLabels labels) const {
    prometheus::ClientMetric out;
    out.label = std::move(labels);
    uint64_t count = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      count += counts[i];
      const double end = i < Counters::kBuckets.size() ? Counters::kBuckets[i] / 1e6
                                                       : std::numeric_limits<double>::infinity();
      out.histogram.bucket.push_back({.cumulative_count = count, .upper_bound = end});
    }
    out.histogram.sample_count = count;
    out.histogram.sample_sum = static_cast<double>(us) / 1e6;
    return out;
  }
};

struct UpstreamSum {
  uint64_t requests = 0, unanswered = 0, probes_failed = 0, down = 0;
  std::array<uint64_t, kRcodes.size()> responses{};
  Durations durations;

  void add(const UpstreamCounters& counters) {
    requests += counters.requests.get();
    unanswered += counters.unanswered.get();
    probes_failed += counters.probes_failed.get();
    down += counters.down.get();
    for (size_t i = 0; i < responses.size(); ++i) responses[i] += counters.responses[i].get();
    durations.add(counters.durations, counters.duration_us);
  }
};

class Families {
 public:
  Families(const MetricReadings& readings, Style style) : readings_(readings), style_(std::move(style)) {}

  std::vector<MetricFamily> take() {
    questions();
    answers();
    cache();
    forwards();
    upstreams();
    if (!style_.old) ours();
    return std::move(out_);
  }

 private:
  MetricFamily family(MetricType type, const std::string& name, const char* help) const {
    return metric_family(type, (style_.prefix + name).c_str(), help);
  }
  template <class F>
  uint64_t sum(F&& count_of) const {
    uint64_t total = 0;
    for (const Counters* thread : readings_.threads) total += std::invoke(count_of, *thread).get();
    return total;
  }
  void add(MetricFamily& family, uint64_t value, MetricLabels own = {}) const {
    add_metric(family, static_cast<double>(value), style_.labels(std::move(own)));
  }
  template <class F>
  void single(MetricType type, const std::string& name, const char* help, F&& count_of) {
    auto one = family(type, name, help);
    add(one, sum(count_of));
    out_.push_back(std::move(one));
  }

  void questions() {
    auto requests = family(MetricType::Counter, style_.old ? "dns_requests_total" : "requests_total",
                           "Questions, by transport, family of the client (1: IPv4, 2: IPv6) and type");
    for (size_t transport = 0; transport < 2; ++transport) {
      for (size_t v6 = 0; v6 < 2; ++v6) {
        for (size_t type = 0; type < Counters::kTypes; ++type) {
          const uint64_t value =
              sum([&](const Counters& c) -> const Count& { return c.requests[transport][v6][type]; });
          if (value == 0) continue;
          add(requests, value,
              {{"proto", transport == 0 ? "udp" : "tcp"},
               {"family", v6 ? "2" : "1"},
               {"type", type_slot_name(type)}});
        }
      }
    }
    out_.push_back(std::move(requests));
  }

  void answers() {
    auto responses = family(MetricType::Counter, style_.old ? "dns_responses_total" : "responses_total",
                            "Answers, by code");
    for (size_t code = 0; code < kRcodes.size(); ++code) {
      const uint64_t value = sum([&](const Counters& c) -> const Count& { return c.responses[code]; });
      if (value > 0 || code == 0) add(responses, value, {{"rcode", kRcodes[code]}});
    }
    out_.push_back(std::move(responses));
    durations();
  }

  void durations() {
    auto out = family(MetricType::Histogram,
                      style_.old ? "dns_request_duration_seconds" : "request_duration_seconds",
                      "From a question's arrival to its answer");
    Durations durations;
    for (const Counters* thread : readings_.threads) durations.add(thread->durations, thread->duration_us);
    out.metric.push_back(durations.metric(style_.labels({})));
    out_.push_back(std::move(out));
  }

  template <class F>
  auto cached(F member) const {
    return [member](const Counters& c) -> const Count& { return c.cache.*member; };
  }

  void cache() {
    using Cache = Counters::Cache;
    auto two = [&](MetricType type, const std::string& name, const char* help, auto positive, auto negative) {
      auto out = family(type, name, help);
      add(out, sum(cached(positive)), {{"type", "success"}});
      add(out, sum(cached(negative)), {{"type", "denial"}});
      out_.push_back(std::move(out));
    };
    two(MetricType::Gauge, "cache_entries", "Answers of upstreams that are kept", &Cache::entries_positive,
        &Cache::entries_negative);
    two(MetricType::Counter, "cache_hits_total", "Questions answered from the cache", &Cache::hits_positive,
        &Cache::hits_negative);
    single(MetricType::Counter, "cache_requests_total", "Questions looked for in the cache",
           cached(&Cache::requests));
    single(MetricType::Counter, "cache_served_stale_total",
           "Answered with what had ended, as no upstream answered", cached(&Cache::served_stale));
    single(MetricType::Counter, "cache_prefetch_total", "Asked for again before their end",
           cached(&Cache::prefetches));
    single(MetricType::Counter, "cache_evictions_total", "Answers that made room for others",
           cached(&Cache::evictions));
  }

  void forwards() {
    single(MetricType::Counter,
           style_.old ? "forward_max_concurrent_rejects_total" : "forward_overloaded_total",
           "Questions that were not asked, as too many were in flight", &Counters::forward_overloaded);
    if (style_.old) return;
    single(MetricType::Counter, "forward_coalesced_total",
           "Questions that waited for the answer to an equal one", &Counters::forward_coalesced);
    single(MetricType::Counter, "forward_loops_total",
           "Questions of its own that came back to it through other servers", &Counters::forward_loops);
  }

  /// Of all threads, by upstream.
  void upstreams() {
    std::map<std::string, UpstreamSum> sums;
    for (const UpstreamBook* book : readings_.upstreams)
      book->each([&](const std::string& upstream, const UpstreamCounters& counters) {
        sums[upstream].add(counters);
      });
    auto requests = family(MetricType::Counter, "forward_requests_total", "Times that an upstream was asked");
    auto responses =
        family(MetricType::Counter, "forward_responses_total", "Answers of an upstream, by code");
    auto took =
        family(MetricType::Histogram, "forward_request_duration_seconds", "How long an upstream took");
    auto failed =
        family(MetricType::Counter, "forward_healthcheck_failures_total", "Health checks without an answer");
    auto unanswered =
        family(MetricType::Counter, "forward_unanswered_total", "Questions that an upstream did not answer");
    auto down = family(MetricType::Gauge, "forward_down", "Threads for which an upstream counts as down");
    for (const auto& [upstream, sum] : sums) {
      add(requests, sum.requests, {{"to", upstream}});
      for (size_t code = 0; code < kRcodes.size(); ++code) {
        if (sum.responses[code] > 0)
          add(responses, sum.responses[code], {{"to", upstream}, {"rcode", kRcodes[code]}});
      }
      took.metric.push_back(sum.durations.metric(style_.labels({{"to", upstream}})));
      add(failed, sum.probes_failed, {{"to", upstream}});
      add(unanswered, sum.unanswered, {{"to", upstream}});
      add(down, sum.down, {{"to", upstream}});
    }
    for (auto* one : {&requests, &responses, &took, &failed}) out_.push_back(std::move(*one));
    if (style_.old) return;
    out_.push_back(std::move(unanswered));
    out_.push_back(std::move(down));
  }

  void ours() {
    single(MetricType::Counter, "dropped_total", "Packets that are no question", &Counters::dropped);
    single(MetricType::Counter, "client_limited_total", "Questions of clients that ask too much",
           &Counters::client_limited);
    single(MetricType::Counter, "overflowed_total",
           "Datagrams that were lost, whoever sent them, as more came than could be answered",
           &Counters::overflowed);
    single(MetricType::Counter, "search_path_total", "Walks along a search path that were answered at once",
           &Counters::search_path);
    single(MetricType::Counter, "rebind_refused_total", "Answers of upstreams that pointed into the cluster",
           &Counters::rebind_refused);
    auto reloads =
        family(MetricType::Counter, "config_reloads_total", "Times that the configuration was read again");
    add(reloads, readings_.reloads, {{"result", "success"}});
    add(reloads, readings_.failed_reloads, {{"result", "failure"}});
    out_.push_back(std::move(reloads));
    auto good = family(MetricType::Gauge, "config_last_reload_successful",
                       "0 while the file is wrong and an older configuration is in force");
    add(good, readings_.last_reload_failed ? 0 : 1);
    out_.push_back(std::move(good));
    auto synced =
        family(MetricType::Gauge, "synced", "1 once all Services, EndpointSlices and Namespaces are known");
    add(synced, readings_.synced ? 1 : 0);
    out_.push_back(std::move(synced));
  }

  const MetricReadings& readings_;
  const Style style_;
  std::vector<MetricFamily> out_;
};

}  // namespace

std::vector<MetricFamily> metric_families(const MetricReadings& readings, bool old_names) {
  auto out = Families(readings, {.prefix = "weft_dns_", .common = {}, .old = false}).take();
  if (!old_names) return out;
  Style old{
      .prefix = "coredns_", .common = {{"server", "dns://:53"}, {"zone", "."}, {"view", ""}}, .old = true};
  for (auto& family : Families(readings, std::move(old)).take()) out.push_back(std::move(family));
  auto failed =
      metric_family(MetricType::Counter, "coredns_reload_failed_total", "Configurations that were refused");
  add_metric(failed, static_cast<double>(readings.failed_reloads));
  out.push_back(std::move(failed));
  return out;
}

}  // namespace weft::dns
