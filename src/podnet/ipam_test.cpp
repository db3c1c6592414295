#include "podnet/ipam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
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

TEST_F(IpamTest, NoAddressIsGivenTwiceWhateverIsKilled) {
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    pid_t child = ::fork();
    if (child == 0) {
      auto ipam = open("10.244.0.0/16");
      for (int i = 0;; ++i) {
        auto given = ipam.allocate(std::to_string(round) + "-" + std::to_string(i));
        auto line = (*given)[0].str() + "\n";
        if (::write(ends[1], line.data(), line.size()) < 0) ::_exit(1);
      }
    }
    ::close(ends[1]);
    ::usleep(3000 + 1000 * round);
    ::kill(child, SIGKILL);
    char buffer[65536];
    while (true) {
      auto got = ::read(ends[0], buffer, sizeof buffer);
      if (got <= 0) break;
      std::ofstream(dir + "/given", std::ios::app).write(buffer, got);
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
  }
  std::set<std::string> seen;
  std::ifstream given(dir + "/given");
  for (std::string line; std::getline(given, line);) EXPECT_TRUE(seen.insert(line).second) << line << " twice";
  EXPECT_GT(seen.size(), 20U);
}

}  // namespace
}  // namespace weft::podnet
