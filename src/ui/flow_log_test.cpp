#include "ui/flow_log.h"

#include <gtest/gtest.h>

namespace weft::ui {
namespace {

std::vector<json::value> flows(size_t count, const char* time = "2026-01-01T00:00:00Z") {
  return std::vector<json::value>(count, json::object{{"time", time}});
}

TEST(FlowLog, TellsWhatIsNew) {
  FlowLog log;
  EXPECT_EQ(log.since(0).flows.size(), 0u);
  log.add(flows(2));
  auto news = log.since(0);
  EXPECT_EQ(news.flows.size(), 2u);
  EXPECT_TRUE(log.since(news.next).flows.empty());
  log.add(flows(1));
  EXPECT_EQ(log.since(news.next).flows.size(), 1u);
  EXPECT_TRUE(log.since(1000).flows.empty());
}

TEST(FlowLog, KeepsSoManyOnly) {
  FlowLog log;
  log.add(flows(FlowLog::kMost));
  log.add(flows(5));
  auto news = log.since(0);
  EXPECT_EQ(news.flows.size(), FlowLog::kMost);
  EXPECT_EQ(news.next, FlowLog::kMost + 5);
}

TEST(FlowLog, KnowsTheLatest) {
  FlowLog log;
  log.add(flows(3, "2026-01-01T00:00:01Z"));
  log.add(flows(2, "2026-01-01T00:00:02Z"));
  EXPECT_EQ(log.from("2026-01-01T00:00:02Z").size(), 2u);
  EXPECT_EQ(log.from("").size(), 5u);
}

}  // namespace
}  // namespace weft::ui
