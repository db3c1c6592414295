#include "policy/domain_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "policy/domain_file.h"

namespace weft::policy {
namespace {

using namespace std::chrono_literals;
using domain_feed::kGrace;
using domain_feed::TimedAddress;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

IpAddr ip(std::string_view text) { return IpAddr::parse(text).value(); }
const KnownDomain::Time kNow{1'000'000s};
const TimedAddress kOne{ip("192.0.2.1"), 60}, kTwo{ip("2001:db8::2"), 600};

TEST(DomainTable, AnAddressCountsForItsTimeAndAGrace) {
  DomainTable table;
  auto learned = table.learn("a.example", {kOne, kTwo}, kNow);
  EXPECT_THAT(learned.added, ElementsAre(KnownDomain{"a.example", kOne.address, kNow + 60s + kGrace},
                                         KnownDomain{"a.example", kTwo.address, kNow + 600s + kGrace}));
  EXPECT_EQ(table.next_expiry(), kNow + 60s + kGrace);
  EXPECT_THAT(table.expired(kNow + 59s + kGrace), IsEmpty());
  EXPECT_THAT(table.expired(kNow + 60s + kGrace), ElementsAre(learned.added[0]));
}

TEST(DomainTable, TheLaterTimeCounts) {
  DomainTable table;
  table.learn("a.example", {kOne}, kNow);
  auto again = table.learn("a.example", {kOne}, kNow + 10s);
  EXPECT_THAT(again.added, IsEmpty());
  EXPECT_THAT(again.changed, ElementsAre(KnownDomain{"a.example", kOne.address, kNow + 70s + kGrace}));
  auto earlier = table.learn("a.example", {{kOne.address, 1}}, kNow + 11s);
  EXPECT_THAT(earlier.changed, IsEmpty());
  EXPECT_EQ(table.next_expiry(), kNow + 70s + kGrace);
  EXPECT_EQ(table.size(), 1U);
}

TEST(DomainTable, NotForever) {
  DomainTable table;
  table.learn("a.example", {{kOne.address, UINT32_MAX}}, kNow);
  EXPECT_EQ(table.next_expiry(), kNow + std::chrono::days(7) + kGrace);
}

TEST(DomainTable, Limits) {
  DomainTable table({.addresses = 3, .of_one_name = 2});
  EXPECT_EQ(table.learn("a", {kOne, kTwo, {ip("192.0.2.3"), 1}}, kNow).no_room, 1U);
  EXPECT_EQ(table.learn("b", {kOne, kTwo}, kNow).no_room, 1U);
  EXPECT_EQ(table.learn("a", {kTwo}, kNow + 1s).no_room, 0U) << "one that is known";
  table.remove({"a", kOne.address, {}});
  EXPECT_THAT(table.learn("c", {kOne}, kNow).added, SizeIs(1));
}

class DomainFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-domains-XXXXXX";
    ASSERT_TRUE(::mkdtemp(folder));
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  size_t lines() const {
    std::ifstream in(path());
    return static_cast<size_t>(std::count(std::istreambuf_iterator<char>(in), {}, '\n'));
  }
  std::string path() const { return domain_file_in(folder_); }
  std::string folder_;
};

TEST_F(DomainFileTest, TheNextOneKnowsTheSame) {
  EXPECT_EQ(DomainFile::read(path()).value().size(), 0U);
  DomainTable table;
  auto file = DomainFile::open(path(), table).value();
  ASSERT_TRUE(file.append(table.learn("a.example", {kOne, kTwo}, kNow).changed, table));
  ASSERT_TRUE(file.append(table.learn("a.example", {kOne}, kNow + 5s).changed, table));
  table.remove({"a.example", kTwo.address, {}});
  ASSERT_TRUE(file.append(std::vector{KnownDomain{"a.example", kTwo.address, {}}}, table));
  EXPECT_EQ(lines(), 4U);
  EXPECT_EQ(DomainFile::read(path()).value().all(), table.all());
  DomainTable next;
  auto opened = DomainFile::open(path(), next);
  EXPECT_EQ(next.all(), table.all());
  EXPECT_EQ(lines(), 1U) << "only what counts";
}

TEST_F(DomainFileTest, HalfALineIsNone) {
  std::ofstream(path()) << "100 192.0.2.1 a.example\nnonsense\n100 192.0.2.2 a.exam";
  EXPECT_THAT(DomainFile::read(path()).value().all(),
              ElementsAre(KnownDomain{"a.example", ip("192.0.2.1"), KnownDomain::Time(100s)}));
}

TEST_F(DomainFileTest, DoesNotGrow) {
  DomainTable table;
  auto file = DomainFile::open(path(), table).value();
  for (int i = 0; i < 3000; ++i)
    ASSERT_TRUE(file.append(table.learn("a.example", {kOne}, kNow + std::chrono::seconds(i)).changed, table));
  EXPECT_LT(lines(), 1100U);
  EXPECT_EQ(DomainFile::read(path()).value().all(), table.all());
}

TEST(KnownDomain, Lines) {
  EXPECT_EQ(parse_known_domain("7 2001:db8::1 a.example"),
            (KnownDomain{"a.example", ip("2001:db8::1"), KnownDomain::Time(7s)}));
  for (const char* line : {"", "7", "7 ", "7 192.0.2.1", "7 192.0.2.1 ", "x 192.0.2.1 a", "-1 192.0.2.1 a",
                           "7 192.0.2 a", "7 192.0.2.1 a b", "7192.0.2.1 a"})
    EXPECT_FALSE(parse_known_domain(line)) << line;
}

}  // namespace
}  // namespace weft::policy
