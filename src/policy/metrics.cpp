#include "policy/metrics.h"

#include <string>
#include <utility>

#include "base/metric_family.h"

namespace weft::policy {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
void add_counters(const std::array<uint64_t, WEFT_POLICY_COUNTERS>& counters,
                  std::vector<MetricFamily>& out) {
  auto verdicts =
      metric_family(MetricType::Counter, "weft_policy_verdicts_total",
                    "What became of connections of this node's pods: new ones that were allowed, and "
                    "packets of those that were denied, or would have been");
  auto verdict = [&](weft_policy_counter counter, Direction direction, const char* name) {
    add_metric(verdicts, static_cast<double>(counters[counter]),
               {{"direction", std::string(name_of(direction))}, {"verdict", name}});
  };
  verdict(WEFT_POLICY_ALLOWED_INGRESS, Direction::ingress, "allowed");
  verdict(WEFT_POLICY_ALLOWED_EGRESS, Direction::egress, "allowed");
  verdict(WEFT_POLICY_DENIED_INGRESS, Direction::ingress, "denied");
  verdict(WEFT_POLICY_DENIED_EGRESS, Direction::egress, "denied");
  verdict(WEFT_POLICY_AUDITED_INGRESS, Direction::ingress, "audited");
  verdict(WEFT_POLICY_AUDITED_EGRESS, Direction::egress, "audited");
  out.push_back(std::move(verdicts));
  out.push_back(single_metric(MetricType::Counter, "weft_policy_packets_of_unknown_pods_total",
                              "Packets dropped at links whose pod is not known yet",
                              static_cast<double>(counters[WEFT_POLICY_UNKNOWN_POD])));
  out.push_back(single_metric(MetricType::Counter, "weft_policy_events_lost_total",
                              "Decisions that were not reported, as there were too many at once",
                              static_cast<double>(counters[WEFT_POLICY_EVENTS_LOST])));
}

}  // namespace

std::vector<MetricFamily> metric_families(const PolicyReadings& readings) {
  std::vector<MetricFamily> out;
  if (readings.counters) add_counters(*readings.counters, out);
  auto decisions =
      metric_family(MetricType::Counter, "weft_policy_decisions_total",
                    "Reported connections, by the policies that decided; one that is denied again and "
                    "again counts once in five seconds");
  for (const auto& [key, number] : readings.decisions) {
    const auto& [policy, direction, verdict] = key;
    add_metric(decisions, static_cast<double>(number),
               {{"policy", policy}, {"direction", std::string(name_of(direction))}, {"verdict", verdict}});
  }
  out.push_back(std::move(decisions));
  out.push_back(
      single_metric(MetricType::Counter, "weft_policy_write_failures_total",
                    "Times that policies could not be brought to the kernel; isolated pods are closed then",
                    static_cast<double>(readings.write_failures)));
  out.push_back(
      single_metric(MetricType::Gauge, "weft_policy_subjects",
                    "Sets of verdicts of this node's pods: those that the same policies select share one",
                    static_cast<double>(readings.subjects)));
  out.push_back(single_metric(MetricType::Gauge, "weft_policy_identities",
                              "Kinds of addresses that policies can tell apart",
                              static_cast<double>(readings.identities)));
  out.push_back(single_metric(MetricType::Gauge, "weft_policy_domain_addresses",
                              "Addresses that this node's pods were answered for names that policies ask for",
                              static_cast<double>(readings.domain_addresses)));
  out.push_back(
      single_metric(MetricType::Counter, "weft_policy_domain_addresses_lost_total",
                    "Addresses of such names that are not known to policies, as there were too many",
                    static_cast<double>(readings.domains_without_room)));
  return out;
}

}  // namespace weft::policy
