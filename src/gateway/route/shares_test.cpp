#include "gateway/route/shares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace weft::gateway {
namespace {

std::vector<WeightedBackend> weights(std::initializer_list<uint32_t> list) {
  std::vector<WeightedBackend> backends;
  for (uint32_t weight : list) backends.push_back({.weight = weight});
  return backends;
}

TEST(Shares, EveryRunHasItsShareOfEach) {
  for (auto list : {weights({70, 30, 0}), weights({1, 1}), weights({1, 2, 3, 4}), weights({999'999, 1}),
                    weights({5, 0, 95}), weights({1, 1, 1, 1, 1, 1, 1})}) {
    Shares shares(list);
    double sum = 0;
    for (const auto& backend : list) sum += backend.weight;
    std::vector<int> count(list.size());
    for (int n = 1; n <= 500; ++n) {
      ++count[shares.next().value()];
      for (size_t i = 0; i < list.size(); ++i)
        ASSERT_LE(std::abs(count[i] - n * list[i].weight / sum), 4) << "backend " << i << " after " << n;
    }
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].weight == 0) EXPECT_EQ(count[i], 0);
  }
}

TEST(Shares, NobodyWithoutWeight) {
  EXPECT_EQ(Shares(weights({})).next(), std::nullopt);
  EXPECT_EQ(Shares(weights({0, 0})).next(), std::nullopt);
  EXPECT_EQ(Shares(weights({0, 7})).next(), 1);
}

TEST(Shares, RulesThatReplaceEachOtherBeginAnywhere) {
  int first = 0;
  for (int i = 0; i < 200; ++i) first += Shares(weights({1, 1})).next() == 0 ? 1 : 0;
  EXPECT_NEAR(first, 100, 10);
}

TEST(Portion, AsManyAsAskedFor) {
  auto taken = [](uint32_t numerator, uint32_t denominator) {
    Portion portion(Mirror{.numerator = numerator, .denominator = denominator});
    int count = 0;
    for (int i = 0; i < 1000; ++i) count += portion.next() ? 1 : 0;
    return count;
  };
  EXPECT_NEAR(taken(20, 100), 200, 4);
  EXPECT_NEAR(taken(1, 3), 333, 4);
  EXPECT_EQ(taken(0, 100), 0);
  EXPECT_EQ(taken(100, 100), 1000);
  EXPECT_EQ(taken(1, 1), 1000);
}

// A mirror of half the requests must not copy those of one backend alone.
TEST(Portion, DoesNotFollowTheShares) {
  Shares shares(weights({1, 1}));
  Portion portion(Mirror{.numerator = 1, .denominator = 2});
  std::map<std::pair<size_t, bool>, int> both;
  for (int i = 0; i < 1000; ++i) ++both[{*shares.next(), portion.next()}];
  for (const auto& [pair, count] : both) EXPECT_NEAR(count, 250, 25);
  EXPECT_EQ(both.size(), 4);
}

}  // namespace
}  // namespace weft::gateway
