#include "podnet/ipam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

namespace weft::podnet {
namespace {

using testing::HasSubstr;

class IpamTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/wt-ipam-XXXXXX";
    dir = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(dir); }
  Ipam open(const std::string& v4 = "10.244.0.0/24", const std::string& v6 = "fd00:244::/64") {
    auto ipam = Ipam::open(dir + "/ipam.json", {*IpPrefix::parse(v4), *IpPrefix::parse(v6)});
    EXPECT_TRUE(ipam) << ipam.error().message;
    return std::move(*ipam);
  }
  std::string dir;
};

TEST_F(IpamTest, GivesBothFamiliesAndRemembers) {
  auto ipam = open();
  auto a = *ipam.allocate("a");
  EXPECT_EQ(a[0].str(), "10.244.0.2");
  EXPECT_EQ(a[1].str(), "fd00:244::2");
  EXPECT_EQ(*ipam.allocate("a"), a);
  auto again = open();
  EXPECT_EQ(*again.find("a"), a);
  EXPECT_EQ((*again.allocate("b"))[0].str(), "10.244.0.3");
}

TEST_F(IpamTest, FreedAddressesComeBackLast) {
  auto ipam = open("10.244.0.0/29");
  auto first = (*ipam.allocate("a"))[0];
  ASSERT_TRUE(ipam.release("a"));
  ASSERT_TRUE(ipam.release("a"));
  for (int i = 0; i < 4; ++i) EXPECT_NE((*open("10.244.0.0/29").allocate(std::to_string(i)))[0], first);
  EXPECT_EQ((*open("10.244.0.0/29").allocate("last"))[0], first);
}

TEST_F(IpamTest, SaysWhenThereAreNoMore) {
  auto ipam = open("10.244.0.0/29");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(ipam.allocate(std::to_string(i)));
  auto full = ipam.allocate("one too many");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::exhausted);
  EXPECT_THAT(full.error().message, HasSubstr("10.244.0.0/29 has no free address (5 of 5 in use)"));
  // Nothing of the other family was taken.
  EXPECT_FALSE(ipam.find("one too many"));
  ASSERT_TRUE(ipam.release("3"));
  EXPECT_TRUE(ipam.allocate("one too many"));
}

TEST_F(IpamTest, ABrokenFileIsNotReplaced) {
  for (const char* text : {"", "{", "[]", R"({"pools":[{"range":"10.244.0.0/24","used":{"10.9.0.1":"a"}}]})",
                           R"({"pools":[{"range":"10.9.0.0/24","used":{"10.9.0.2":"a"}}]})"}) {
    std::ofstream(dir + "/ipam.json") << text;
    auto ipam = Ipam::open(dir + "/ipam.json", {*IpPrefix::parse("10.244.0.0/24")});
    ASSERT_FALSE(ipam) << text;
    EXPECT_THAT(ipam.error().message, HasSubstr("ipam.json"));
  }
}

/// Gives addresses until it is killed, and reports each on `out`.
[[noreturn]] void give_addresses(Ipam ipam, int round, int out) {
  for (int i = 0;; ++i) {
    auto id = std::to_string(round) + "-" + std::to_string(i);
    auto given = ipam.allocate(id);
    auto line = (*given)[0].str() + "\n";
    if (::write(out, line.data(), line.size()) < 0) ::_exit(1);
    // Others come and go meanwhile, which must free no address but theirs.
    if (i % 3 == 0) (void)ipam.allocate("passing");
    if (i % 3 == 1) (void)ipam.release("passing");
  }
}

TEST_F(IpamTest, NoAddressIsGivenTwiceWhateverIsKilled) {
  constexpr int kRounds = 20;
  std::mt19937 random(1);
  std::set<std::string> seen;
  for (int round = 0; round < kRounds; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    pid_t child = ::fork();
    if (child == 0) give_addresses(open("10.244.0.0/16"), round, ends[1]);
    ::close(ends[1]);
    std::FILE* given = ::fdopen(ends[0], "r");
    ASSERT_TRUE(given);
    char line[64];
    for (int i = 0; i < 2; ++i) {
      if (!std::fgets(line, sizeof line, given)) break;
      EXPECT_TRUE(seen.insert(line).second) << line << " twice";
    }
    ::usleep(random() % 10'000);
    ::kill(child, SIGKILL);
    while (!std::feof(given) && std::fgets(line, sizeof line, given))
      EXPECT_TRUE(seen.insert(line).second) << line << " twice";
    std::fclose(given);
    ::waitpid(child, nullptr, 0);
  }
  // All that was given is on record.
  auto ipam = open("10.244.0.0/16");
  auto ids = ipam.ids();
  std::erase(ids, "passing");
  EXPECT_GE(ids.size(), seen.size());
  EXPECT_GE(seen.size(), 2U * kRounds);
}

TEST_F(IpamTest, RefusesRangesWithoutRoomOrOfOneFamilyTwice) {
  for (const auto& ranges : std::vector<std::vector<std::string>>{
           {"10.0.0.0/32"}, {"10.0.0.0/31"}, {"fd00::/128"}, {"10.0.0.0/24", "10.0.1.0/24"}}) {
    std::vector<IpPrefix> prefixes;
    for (const auto& text : ranges) prefixes.push_back(*IpPrefix::parse(text));
    auto opened = Ipam::open(dir + "/none.json", prefixes);
    ASSERT_FALSE(opened) << ranges[0];
    EXPECT_EQ(opened.error().code, ErrorCode::invalid);
    EXPECT_THAT(opened.error().message, HasSubstr(ranges[0]));
  }
}

TEST_F(IpamTest, AnAddressIsRecordedOnce) {
  for (const char* used :
       {R"({"10.244.0.2":"a","10.244.0.3":"a"})", R"({"10.244.0.1":"a"})", R"({"10.244.0.255":"a"})"}) {
    std::ofstream(dir + "/ipam.json") << R"({"pools":[{"range":"10.244.0.0/24","used":)" << used << "}]}";
    EXPECT_FALSE(Ipam::open(dir + "/ipam.json", {*IpPrefix::parse("10.244.0.0/24")})) << used;
  }
  std::ofstream(dir + "/ipam.json")
      << R"({"pools":[{"range":"fd00::/48","used":{"fd00::2":"a","fd00:0:0:1::2":"b"}}]})";
  EXPECT_FALSE(Ipam::open(dir + "/ipam.json", {*IpPrefix::parse("fd00::/48")})) << "beyond what is given";
}

TEST_F(IpamTest, ANodeMayGetASecondFamily) {
  auto one = Ipam::open(dir + "/ipam.json", {*IpPrefix::parse("10.244.0.0/24")});
  auto had = (*one->allocate("a"))[0];
  auto both = open();
  EXPECT_FALSE(both.find("a"));
  auto now = *both.allocate("a");
  EXPECT_EQ(now[0], had);
  EXPECT_EQ(now[1].str(), "fd00:244::2");
  EXPECT_EQ(open().ids().size(), 1U);
}

TEST_F(IpamTest, AdoptsWhatAPodHas) {
  auto ipam = open();
  std::vector<IpAddr> has{*IpAddr::parse("10.244.0.9"), *IpAddr::parse("192.0.2.1"),
                          *IpAddr::parse("fd00:244::9")};
  ASSERT_TRUE(ipam.adopt("a", has));
  EXPECT_EQ((*open().find("a"))[0], has[0]);
  EXPECT_EQ((*open().find("a"))[1], has[2]);
  EXPECT_EQ(ipam.adopt("b", has).error().code, ErrorCode::conflict);
  EXPECT_FALSE(ipam.find("b"));
}

}  // namespace
}  // namespace weft::podnet
