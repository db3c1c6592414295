#include "gateway/duration.h"

#include <gtest/gtest.h>

namespace weft::gateway {
namespace {

TEST(Duration, IsReadAsGep2257SaysIt) {
  EXPECT_EQ(parse_duration("0s"), 0U);
  EXPECT_EQ(parse_duration("500ms"), 500U);
  EXPECT_EQ(parse_duration("10s"), 10'000U);
  EXPECT_EQ(parse_duration("1h30m"), 5'400'000U);
  EXPECT_EQ(parse_duration("1h2m3s4ms"), 3'723'004U);
  EXPECT_EQ(parse_duration("1m1ms"), 60'001U);
  for (const auto* wrong : {"", "1", "s", "1.5s", "-1s", "1d", "100000s", "1s1s1s1s1s", "99999h", "1 s"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

}  // namespace
}  // namespace weft::gateway
