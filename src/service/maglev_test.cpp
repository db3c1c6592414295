#include "service/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace weft::service {
namespace {

std::vector<MaglevBackend> backends(int count) {
  std::vector<MaglevBackend> out(count);
  for (int i = 0; i < count; ++i) {
    out[i].addr = {0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0,
                   0xff,
                   0xff,
                   10,
                   244,
                   static_cast<uint8_t>(i >> 8),
                   static_cast<uint8_t>(i)};
    out[i].port = 8080;
  }
  return out;
}

TEST(Maglev, SharesEvenly) {
  for (int count : {2, 7, 100, 500}) {
    auto table = maglev_table(backends(count));
    ASSERT_EQ(table.size(), maglev_size(count));
    std::map<uint16_t, size_t> share;
    for (auto backend : table) ++share[backend];
    ASSERT_EQ(share.size(), count);
    auto [least, most] = std::ranges::minmax_element(share, {}, [](const auto& s) { return s.second; });
    EXPECT_LE(most->second - least->second, 1) << count;
  }
}

/// Of the clients whose backend stays at most one in a hundred gets another one.
TEST(Maglev, WhenOneOfAHundredGoesTheOthersKeepTheirs) {
  auto all = backends(100);
  auto before = maglev_table(all);
  for (int gone = 0; gone < 100; gone += 11) {
    auto left = all;
    left.erase(left.begin() + gone);
    auto after = maglev_table(left);
    ASSERT_EQ(after.size(), before.size());
    size_t moved = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i] == gone) continue;
      moved += before[i] != after[i] + (after[i] >= gone ? 1 : 0);
    }
    EXPECT_LE(moved, before.size() / 100) << gone;
  }
}

TEST(Maglev, TheOrderOfBackendsDoesNotMatter) {
  auto some = backends(20);
  auto table = maglev_table(some);
  auto turned = some;
  std::ranges::reverse(turned);
  auto other = maglev_table(turned);
  for (size_t i = 0; i < table.size(); ++i) ASSERT_EQ(table[i], 19 - other[i]);
}

TEST(Maglev, OneNeedsNoTable) {
  EXPECT_TRUE(maglev_table(backends(1)).empty());
  EXPECT_TRUE(maglev_table({}).empty());
}

}  // namespace
}  // namespace weft::service
