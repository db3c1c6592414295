#include "service/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/test_world.h"

namespace weft::service {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

const auto kStart = *kube::parse_time("2026-01-02T03:04:05Z");

SlicePtr triggered(const std::string& time) {
  auto out = test::slice("a", "web", {{"p", "TCP", 80}}, {});
  if (!time.empty()) out->metadata.annotations["endpoints.kubernetes.io/last-change-trigger-time"] = time;
  return out;
}

TEST(ServiceMetrics, ProgrammingLatencyIsCountedOnceForEachTrigger) {
  Metrics metrics(kStart);
  auto old = triggered("2026-01-02T03:04:04Z");  // before this process
  auto fresh = triggered("2026-01-02T03:04:06.5Z");
  auto ahead = triggered("2026-01-02T03:09:00Z");  // by a clock that is ahead
  metrics.slice_programmed(nullptr, old, kStart + 1s);
  metrics.slice_programmed(old, fresh, kStart + 1750ms);
  metrics.slice_programmed(fresh, fresh, kStart + 3s);
  metrics.slice_programmed(fresh, triggered(""), kStart + 3s);
  metrics.slice_programmed(fresh, ahead, kStart + 3s);
  metrics.slice_programmed(fresh, nullptr, kStart + 3s);
  auto text = metrics.text({});
  EXPECT_THAT(text, HasSubstr("weft_network_programming_duration_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("weft_network_programming_duration_seconds_sum 0.25\n"));
  EXPECT_THAT(text, HasSubstr("weft_network_programming_duration_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("weft_network_programming_duration_seconds_bucket{le=\"0.25\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("weft_sync_proxy_rules_endpoint_changes_total 6\n"));
}

TEST(ServiceMetrics, RoundsCountAndTheLastCompleteOneIsTold) {
  Metrics metrics(kStart);
  metrics.round(30us, true, kStart);
  metrics.round(3ms, false, kStart + 10s);
  metrics.service_changed();
  auto text = metrics.text({});
  EXPECT_THAT(text, HasSubstr("weft_sync_proxy_rules_duration_seconds_count 2\n"));
  EXPECT_THAT(text, HasSubstr("weft_sync_proxy_rules_duration_seconds_bucket{le=\"5e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("weft_sync_proxy_rules_last_timestamp_seconds 1767323045"));
  EXPECT_THAT(text, HasSubstr("weft_sync_proxy_rules_service_changes_total 1\n"));
}

TEST(ServiceMetrics, TellsWhatWasRead) {
  Metrics metrics(kStart);
  metrics.healthz_answered(true);
  metrics.livez_answered(false);
  std::vector<uint64_t> edge{7, 0, 0, 1, 0, 0, 2};
  ServiceEngine::Stats stats{.services = 3, .frontends = 9, .backends = 4, .kernel_writes = 12};
  stats.failing["shop/web"] = {};
  stats.no_local_external = 2;
  auto text = metrics.text({.services = stats, .maps = {{"service/slots", 5, 100}}, .edge = edge});
  for (const char* line :
       {"weft_services_programmed 3\n", "weft_services_failing 1\n", "weft_frontends_programmed 9\n",
        "weft_backends_programmed 4\n", "weft_kernel_writes_total 12\n",
        "weft_sync_proxy_rules_no_local_endpoints_total{traffic_policy=\"external\"} 2\n",
        "weft_sync_proxy_rules_no_local_endpoints_total{traffic_policy=\"internal\"} 0\n",
        "weft_bpf_map_entries{map=\"service/slots\"} 5\n",
        "weft_bpf_map_capacity{map=\"service/slots\"} 100\n",
        "weft_edge_packets_total{result=\"translated\"} 7\n",
        "weft_edge_packets_total{result=\"table_full\"} 1\n",
        "weft_edge_packets_total{result=\"no_address\"} 2\n", "weft_proxy_healthz_total{code=\"200\"} 1\n",
        "weft_proxy_healthz_total{code=\"503\"} 0\n", "weft_proxy_livez_total{code=\"503\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(metrics.text({}), Not(HasSubstr("weft_edge_packets_total")));
}

TEST(ServiceMetrics, EachHasAHelpText) {
  Metrics metrics(kStart);
  std::vector<uint64_t> edge{7};
  std::istringstream text(metrics.text({.services = {}, .maps = {{"a", 1, 2}}, .edge = edge}));
  int families = 0, helped = 0;
  for (std::string line; std::getline(text, line);) {
    families += line.starts_with("# TYPE ");
    helped += line.starts_with("# HELP ") && line.size() > std::string("# HELP ").size() + 40;
  }
  EXPECT_EQ(families, helped);
  EXPECT_GE(families, 17);
}

}  // namespace
}  // namespace weft::service
