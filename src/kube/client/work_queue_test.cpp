#include "kube/client/work_queue.h"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <vector>

namespace weft::kube {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct WorkQueueTest : testing::Test {
  asio::io_context io{1};
  std::vector<std::string> turns;
  std::map<std::string, int> at_once;
  int most_per_key = 0;
  int most = 0, now = 0;
  int failures_left = 0;
  std::chrono::milliseconds takes{0};

  WorkQueue::Work work() {
    return [this](std::string key) -> asio::awaitable<bool> {
      turns.push_back(key);
      most_per_key = std::max(most_per_key, ++at_once[key]);
      most = std::max(most, ++now);
      if (takes.count() > 0) {
        asio::steady_timer timer(io, takes);
        co_await timer.async_wait(asio::use_awaitable);
      }
      --at_once[key];
      --now;
      if (failures_left > 0) co_return --failures_left < 0;
      co_return true;
    };
  }
};

TEST_F(WorkQueueTest, GathersUntilStartedAndOnce) {
  WorkQueue queue(io, work());
  for (const char* key : {"a", "b", "a", "a"}) queue.add(key);
  io.run();
  EXPECT_TRUE(turns.empty());
  queue.start();
  io.restart();
  io.run();
  EXPECT_EQ(turns, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(queue.idle());
}

TEST_F(WorkQueueTest, AddedWhileWorkedOnGetsOneMoreTurn) {
  takes = 10ms;
  WorkQueue queue(io, work());
  queue.start();
  queue.add("a");
  io.run_for(2ms);
  for (int i = 0; i < 5; ++i) queue.add("a");
  io.restart();
  io.run();
  EXPECT_EQ(turns.size(), 2U);
  EXPECT_EQ(most_per_key, 1);
}

TEST_F(WorkQueueTest, WorksOnSeveralKeysAtOnceButNotTooMany) {
  takes = 5ms;
  WorkQueue queue(io, work(), {.at_once = 3});
  queue.start();
  for (int i = 0; i < 10; ++i) queue.add(std::to_string(i));
  io.run();
  EXPECT_EQ(turns.size(), 10U);
  EXPECT_EQ(most, 3);
}

TEST_F(WorkQueueTest, BacksOffAfterFailures) {
  failures_left = 12;
  WorkQueue queue(io, work(), {.first_retry = 4ms, .longest_retry = 16ms});
  queue.start();
  queue.add("a");
  auto begun = Clock::now();
  io.run();
  EXPECT_EQ(turns.size(), 13U);
  EXPECT_GE(Clock::now() - begun, 4ms + 8ms + 10 * 16ms);
  EXPECT_LT(Clock::now() - begun, 5s) << "doubled without end it would be 16 s";
}

TEST_F(WorkQueueTest, EarliestMomentHolds) {
  WorkQueue queue(io, work());
  queue.start();
  queue.add_after("a", 20s);
  queue.add_after("a", 500ms);
  queue.add_after("a", 30s);
  queue.add_after("b", 5ms);
  auto begun = Clock::now();
  io.run();
  EXPECT_EQ(turns, (std::vector<std::string>{"b", "a"}));
  EXPECT_LT(Clock::now() - begun, 10s);
}

TEST_F(WorkQueueTest, SettlesInAStorm) {
  WorkQueue queue(io, work(), {.settle = 20ms});
  queue.start();
  auto begun = Clock::now();
  queue.add("a");
  io.poll();
  EXPECT_EQ(turns.size(), 1U) << "the first one is not delayed";
  while (turns.size() < 5 && Clock::now() - begun < 10s) {
    queue.add("a");
    io.restart();
    io.run_for(1ms);
  }
  io.restart();
  io.run();
  EXPECT_GE(turns.size(), 5U);
  EXPECT_LE(turns.size(), static_cast<size_t>((Clock::now() - begun) / 20ms) + 1);
}

TEST_F(WorkQueueTest, StopsAfterWhatIsUnderWay) {
  takes = 10ms;
  WorkQueue queue(io, work(), {.at_once = 1});
  queue.start();
  queue.add("a");
  queue.add("b");
  while (turns.empty()) io.run_one();
  queue.stop();
  EXPECT_FALSE(queue.idle());
  io.restart();
  io.run();
  EXPECT_EQ(turns, (std::vector<std::string>{"a"}));
  EXPECT_TRUE(queue.idle());
}

TEST_F(WorkQueueTest, GoneQueueBeginsNothing) {
  {
    WorkQueue queue(io, work());
    queue.start();
    queue.add_after("a", 5ms);
  }
  io.run();
  EXPECT_TRUE(turns.empty());
}

TEST_F(WorkQueueTest, ThrownExceptionIsAFailure) {
  int calls = 0;
  WorkQueue queue(io, [&](std::string) -> asio::awaitable<bool> {
    if (++calls < 3) throw std::runtime_error("broken");
    co_return true;
  });
  queue.start();
  queue.add("a");
  io.run();
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace weft::kube
