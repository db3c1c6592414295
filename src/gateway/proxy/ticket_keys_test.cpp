#include "gateway/proxy/ticket_keys.h"

#include <gtest/gtest.h>

namespace weft::gateway {
namespace {

using namespace std::chrono_literals;

TEST(TicketKeys, AreUsedForAWhileAndForgottenWithTheirTickets) {
  TicketKeys keys;
  TicketKeys::TimePoint start(1h);
  auto first = keys.current(start);
  ASSERT_TRUE(first);
  EXPECT_EQ(keys.current(start + 59min)->name, first->name);
  auto second = keys.current(start + 60min);
  EXPECT_NE(second->name, first->name);
  EXPECT_NE(second->cipher, first->cipher);
  EXPECT_NE(second->mac, first->mac);
  EXPECT_EQ(keys.find(first->name, start + 179min)->cipher, first->cipher)
      << "of tickets that were made with it";
  EXPECT_FALSE(keys.find(first->name, start + 180min));
  EXPECT_TRUE(keys.find(second->name, start + 180min));
  auto third = keys.current(start + 10h);
  EXPECT_FALSE(keys.find(first->name, start)) << "it is not kept";
  EXPECT_FALSE(keys.find(second->name, start));
  EXPECT_TRUE(keys.find(third->name, start + 10h));
  std::array<uint8_t, 16> nobody{};
  EXPECT_FALSE(keys.find(nobody, start));
}

}  // namespace
}  // namespace weft::gateway
