#include "dns/client_limits.h"

#include <gtest/gtest.h>

namespace weft::dns {
namespace {

using namespace std::chrono_literals;

Client pod(int link) { return {.link = link, .address = {}}; }
Client host(const char* address) { return {.link = 0, .address = *IpAddr::parse(address)}; }
const ClientLimits::Clock::time_point kStart{1000s};

int allowed(ClientLimits& limits, const Client& client, int questions, uint32_t rate,
            ClientLimits::Clock::time_point now) {
  int out = 0;
  for (int i = 0; i < questions; ++i) out += limits.allow(client, rate, now);
  return out;
}

TEST(ClientLimits, ASecondsWorthAtOnceThenTheRate) {
  ClientLimits limits;
  EXPECT_EQ(allowed(limits, pod(7), 500, 100, kStart), 100);
  EXPECT_EQ(allowed(limits, pod(7), 500, 100, kStart + 500ms), 50);
  EXPECT_EQ(allowed(limits, pod(7), 500, 100, kStart + 1h), 100) << "no more than that is saved up";
  EXPECT_EQ(allowed(limits, pod(7), 500, 100, kStart), 0) << "a clock that stands still gives nothing";
}

TEST(ClientLimits, OneClientTakesNothingFromAnother) {
  ClientLimits limits;
  EXPECT_EQ(allowed(limits, pod(7), 500, 10, kStart), 10);
  EXPECT_EQ(allowed(limits, pod(8), 5, 10, kStart), 5);
  EXPECT_EQ(allowed(limits, host("10.0.0.1"), 5, 10, kStart), 5);
  EXPECT_EQ(allowed(limits, host("10.0.0.2"), 5, 10, kStart), 5);
}

TEST(ClientLimits, WithoutARateThereIsOneOnlyWhileOverloaded) {
  ClientLimits limits({.overload_rate = 100, .overload_lasts = 1000ms});
  auto allowed_of = [&](int link, int questions, std::optional<uint32_t> rate, auto now) {
    int out = 0;
    for (int i = 0; i < questions; ++i) out += limits.allow_by(rate, now, [&] { return pod(link); });
    return out;
  };
  EXPECT_EQ(allowed_of(7, 500, std::nullopt, kStart), 500);
  EXPECT_EQ(limits.size(), 0U) << "nobody is looked up";
  limits.note_overload(kStart);
  EXPECT_EQ(allowed_of(8, 50, std::nullopt, kStart), 50);
  EXPECT_EQ(allowed_of(7, 500, std::nullopt, kStart), 100);
  EXPECT_EQ(allowed_of(8, 50, std::nullopt, kStart), 50) << "who asks little has no limit to feel";
  EXPECT_EQ(allowed_of(7, 500, 0, kStart), 500) << "0 is no limit at all";
  EXPECT_EQ(allowed_of(9, 500, 10, kStart), 10);
  EXPECT_EQ(allowed_of(7, 500, std::nullopt, kStart + 900ms), 90) << "it lasts while somebody asks too much";
  EXPECT_EQ(allowed_of(7, 500, std::nullopt, kStart + 1800ms), 90);
  EXPECT_EQ(allowed_of(7, 500, std::nullopt, kStart + 2801ms), 500);
}

TEST(ClientLimits, WhoIsAloneInAnOverloadHasNoLimit) {
  ClientLimits limits({.overload_rate = 100, .overload_lasts = 1000ms});
  auto ask = [&](int link, auto now) {
    return limits.allow_by(std::nullopt, now, [&] { return pod(link); });
  };
  EXPECT_TRUE(ask(7, kStart));
  limits.note_overload(kStart);
  EXPECT_TRUE(ask(7, kStart));
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(ask(7, kStart + 990ms)) << i;
  // Another one: it is for him that the first is limited.
  EXPECT_TRUE(ask(8, kStart + 995ms));
  EXPECT_FALSE(ask(7, kStart + 995ms));
}

TEST(ClientLimits, QuestionsWithUpstreamsAreCountedUntilTheyEnd) {
  ClientLimits limits({.clients = 16, .in_flight = 2});
  auto one = limits.begin(pod(7));
  auto two = limits.begin(pod(7));
  EXPECT_TRUE(one && two);
  EXPECT_FALSE(limits.begin(pod(7)));
  EXPECT_TRUE(limits.begin(pod(8)));
  one.reset();
  EXPECT_TRUE(limits.begin(pod(7)));
}

TEST(ClientLimits, TheTableIsBoundedAndForgetsWhoWasSilentLongest) {
  ClientLimits limits({.clients = 16, .in_flight = 2});
  auto held = limits.begin(host("10.0.0.1"));
  auto held_too = limits.begin(host("10.0.0.1"));
  EXPECT_EQ(allowed(limits, pod(7), 100, 10, kStart), 10);
  for (int i = 0; i < 1000; ++i) {
    std::array<uint8_t, 4> bytes{10, 1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    limits.allow({.link = 0, .address = IpAddr::v4(bytes)}, 10, kStart);
    // Who goes on asking is not forgotten.
    EXPECT_FALSE(limits.allow(pod(7), 10, kStart));
    ASSERT_LE(limits.size(), 16U);
  }
  EXPECT_FALSE(limits.begin(host("10.0.0.1"))) << "nor who has something under way";
}

}  // namespace
}  // namespace weft::dns
