#include "gateway/proxy/timers.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

namespace weft::gateway {
namespace {

struct Owner final : TimerOwner {
  void on_timer(Timer&) override { fired.push_back(now); }
  Timer timer{*this};
  std::vector<uint64_t> fired;
  static inline uint64_t now = 0;
};

TEST(TimerWheel, FiresOnceAtTheDeadlineOrShortlyAfter) {
  TimerWheel wheel;
  std::minstd_rand random(1);
  std::vector<std::unique_ptr<Owner>> owners;
  std::vector<uint64_t> deadlines;
  Owner::now = 1'000'000;
  wheel.advance(Owner::now);
  for (int i = 0; i < 2000; ++i) {
    owners.push_back(std::make_unique<Owner>());
    deadlines.push_back(Owner::now + random() % 40'000);
    wheel.set(owners.back()->timer, deadlines.back());
  }
  // Some move, back or forth, and some are given up.
  for (size_t i = 0; i < owners.size(); i += 3) {
    deadlines[i] = Owner::now + random() % 40'000;
    wheel.set(owners[i]->timer, deadlines[i]);
  }
  for (size_t i = 0; i < owners.size(); i += 7) owners[i]->timer.clear();
  while (true) {
    int wait = wheel.wait(Owner::now);
    if (wait < 0) break;
    Owner::now += static_cast<uint64_t>(wait) + random() % 3;
    wheel.advance(Owner::now);
  }
  for (size_t i = 0; i < owners.size(); ++i) {
    if (i % 7 == 0) {
      EXPECT_TRUE(owners[i]->fired.empty());
      continue;
    }
    ASSERT_EQ(owners[i]->fired.size(), 1u) << i;
    EXPECT_GE(owners[i]->fired[0], deadlines[i]);
    EXPECT_LE(owners[i]->fired[0], deadlines[i] + 16);
    EXPECT_FALSE(owners[i]->timer.is_set());
  }
}

TEST(TimerWheel, ALongSleepFiresAllThatIsDue) {
  TimerWheel wheel;
  Owner near, far, later;
  Owner::now = 5000;
  wheel.advance(Owner::now);
  wheel.set(near.timer, 5100);
  wheel.set(far.timer, 30'000);
  wheel.set(later.timer, 200'000);
  Owner::now = 100'000;
  wheel.advance(Owner::now);
  EXPECT_EQ(near.fired.size(), 1u);
  EXPECT_EQ(far.fired.size(), 1u);
  EXPECT_TRUE(later.fired.empty());
  EXPECT_GE(wheel.wait(Owner::now), 0);
}

TEST(TimerWheel, WhoFiresMayBeSetAgainOrTakeOthersAway) {
  struct Again final : TimerOwner {
    void on_timer(Timer&) override {
      ++count;
      wheel->set(timer, now + 50);
      if (victim) victim->timer.clear();
    }
    TimerWheel* wheel = nullptr;
    Owner* victim = nullptr;
    uint64_t now = 0;
    int count = 0;
    Timer timer{*this};
  };
  TimerWheel wheel;
  Again again;
  Owner victim;
  again.wheel = &wheel;
  again.victim = &victim;
  wheel.advance(1000);
  wheel.set(victim.timer, 1104);
  wheel.set(again.timer, 1104);  // linked in front
  for (again.now = 1000; again.now < 1300; ++again.now) wheel.advance(again.now);
  EXPECT_GE(again.count, 3);
  EXPECT_TRUE(victim.fired.empty());
}

}  // namespace
}  // namespace weft::gateway
