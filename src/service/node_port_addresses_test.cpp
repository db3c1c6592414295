#include "service/node_port_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::service {
namespace {

using testing::ElementsAre;

std::vector<IpAddr> ips(std::initializer_list<const char*> texts) {
  std::vector<IpAddr> out;
  for (const char* text : texts) out.push_back(*IpAddr::parse(text));
  return out;
}

std::vector<std::string> choose(const std::vector<std::string>& flags) {
  static const auto kPrimary = ips({"172.30.0.2", "fd00:172::2"});
  static const auto kAll = ips({"fd00:172::2", "192.0.2.9", "10.1.0.1", "172.30.0.2", "127.0.0.1", "::1",
                                "fe80::1", "169.254.1.1", "2001:db8::9"});
  auto parsed = NodePortAddresses::parse(flags);
  EXPECT_TRUE(parsed);
  std::vector<std::string> out;
  for (const auto& ip : parsed->choose(kPrimary, kAll)) out.push_back(ip.str());
  return out;
}

TEST(NodePortAddresses, ArePrimaryOnesUnlessToldOtherwise) {
  EXPECT_THAT(choose({}), ElementsAre("172.30.0.2", "fd00:172::2"));
  EXPECT_THAT(choose({"primary"}), ElementsAre("172.30.0.2", "fd00:172::2"));
  EXPECT_FALSE(NodePortAddresses::parse({})->follows_links());
}

TEST(NodePortAddresses, AreThoseInTheRanges) {
  EXPECT_THAT(choose({"10.0.0.0/8"}), ElementsAre("10.1.0.1"));
  EXPECT_THAT(choose({"172.30.0.0/16", "2001:db8::/32"}), ElementsAre("172.30.0.2", "2001:db8::9"));
  EXPECT_THAT(choose({"primary", "192.0.2.0/24"}), ElementsAre("172.30.0.2", "fd00:172::2", "192.0.2.9"));
  EXPECT_THAT(choose({"203.0.113.0/24"}), ElementsAre());
}

TEST(NodePortAddresses, AreNeverThoseThatOnlyTheNodeItselfReaches) {
  EXPECT_THAT(choose({"0.0.0.0/0", "::/0"}),
              ElementsAre("172.30.0.2", "fd00:172::2", "2001:db8::9", "10.1.0.1", "192.0.2.9"));
}

TEST(NodePortAddresses, SayWhatTheyDoNotUnderstand) {
  std::vector<std::string> flags{"10.0.0.1"};
  auto parsed = NodePortAddresses::parse(flags);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message,
            "--nodeport-addresses 10.0.0.1: neither a range like 10.0.0.0/8 nor \"primary\"");
}

}  // namespace
}  // namespace weft::service
