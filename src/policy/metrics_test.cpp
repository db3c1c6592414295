#include "policy/metrics.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

#include "policy/recent.h"
#include "policy/test_world.h"
#include "policy/warning_text.h"

namespace weft::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const PolicyReadings& readings) {
  return prometheus::TextSerializer().Serialize(metric_families(readings));
}

TEST(PolicyMetrics, CountersOfThePrograms) {
  PolicyReadings readings;
  readings.counters.emplace();
  (*readings.counters)[WEFT_POLICY_DENIED_EGRESS] = 3;
  (*readings.counters)[WEFT_POLICY_AUDITED_INGRESS] = 4;
  (*readings.counters)[WEFT_POLICY_UNKNOWN_POD] = 5;
  (*readings.counters)[WEFT_POLICY_EVENTS_LOST] = 6;
  auto text = text_of(readings);
  EXPECT_THAT(text, HasSubstr("weft_policy_verdicts_total{direction=\"egress\",verdict=\"denied\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("weft_policy_verdicts_total{direction=\"ingress\",verdict=\"audited\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("weft_policy_verdicts_total{direction=\"ingress\",verdict=\"allowed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("weft_policy_packets_of_unknown_pods_total 5\n"));
  EXPECT_THAT(text, HasSubstr("weft_policy_events_lost_total 6\n"));
  EXPECT_THAT(text_of({}), Not(HasSubstr("weft_policy_verdicts_total"))) << "they could not be read";
}

TEST(PolicyMetrics, DecisionsByPolicy) {
  PolicyReadings readings{
      .decisions = {{{"shop/web", Direction::ingress, "denied"}, 7}}, .write_failures = 1, .subjects = 2};
  auto text = text_of(readings);
  EXPECT_THAT(text, HasSubstr("weft_policy_decisions_total{policy=\"shop/"
                              "web\",direction=\"ingress\",verdict=\"denied\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("weft_policy_write_failures_total 1\n"));
  EXPECT_THAT(text, HasSubstr("weft_policy_subjects 2\n"));
}

TEST(RecentDecisions, KeepsTheLatestWithTheTimeOfTheWall) {
  RecentDecisions recent;
  auto now = *kube::parse_time("2026-01-02T03:04:05Z");
  for (uint64_t i = 0; i < RecentDecisions::kMost + 2; ++i) {
    Decision decision{.time_ns = 1'000'000 * i, .allowed = true, .audit = true, .protocol = 6};
    decision.from.pod = "shop/client-" + std::to_string(i);
    decision.to.port = 80;
    recent.add(std::move(decision), now, 1'000'000 * i + 500'000'000);
  }
  EXPECT_EQ(recent.size(), RecentDecisions::kMost);
  auto json = recent.to_json();
  const auto& list = json["decisions"].as_array();
  ASSERT_EQ(list.size(), RecentDecisions::kMost);
  const auto& first = list.front().as_object();
  EXPECT_EQ(first.at("from").as_object().at("pod"), "shop/client-2");
  EXPECT_EQ(first.at("time"), "2026-01-02T03:04:04.500000Z");
  EXPECT_EQ(first.at("verdict"), "audited");
  EXPECT_EQ(first.at("protocol"), "TCP");
  EXPECT_EQ(first.at("to").as_object().at("port"), 80);
}

TEST(WarningText, AsManyAsFit) {
  EXPECT_EQ(warning_text({}), "");
  EXPECT_EQ(warning_text({"a", "b"}), "a; b");
  EXPECT_EQ(warning_text({std::string(2000, 'a')}).size(), 1024U);
  auto text = warning_text(std::vector<std::string>(5, std::string(400, 'a')));
  EXPECT_LE(text.size(), 1024U);
  EXPECT_TRUE(text.ends_with("aaa; and 3 more")) << text;
}

TEST(ReportAllowed, APodsAnnotationIsItsFlag) {
  test::World world;
  world.namespace_("shop");
  auto pod = test::World::pod_object("shop/web", "10.0.0.1");
  world.put(pod);
  EXPECT_EQ(world.plan.entry_of("shop/web")->flags, 0U);
  pod.metadata.annotations[kReportAllowedAnnotation] = "true";
  world.put(pod);
  EXPECT_EQ(world.plan.entry_of("shop/web")->flags, WEFT_POLICY_REPORT_ALLOWED);
  world.policy("shop/all", "{podSelector: {}, policyTypes: [Ingress]}");
  EXPECT_EQ(world.plan.entry_of("shop/web")->flags,
            WEFT_POLICY_REPORT_ALLOWED | WEFT_POLICY_ISOLATED_INGRESS);
  pod.metadata.annotations[kReportAllowedAnnotation] = "false";
  world.put(pod);
  EXPECT_EQ(world.plan.entry_of("shop/web")->flags, WEFT_POLICY_ISOLATED_INGRESS);
}

}  // namespace
}  // namespace weft::policy
