#include "base/ip.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(IpAddr, ParsesOnlyCanonicalForms) {
  EXPECT_EQ(IpAddr::parse("10.1.2.3")->str(), "10.1.2.3");
  EXPECT_EQ(IpAddr::parse("FD00:0:0::1")->str(), "fd00::1");
  for (auto bad : {"", "10.1.2", "010.1.2.3", "10.1.2.3 ", "fe80::1%eth0", "1::2::3", "10.1.2.3/8", "a.b"}) {
    EXPECT_FALSE(IpAddr::parse(bad)) << bad;
  }
  EXPECT_FALSE(IpAddr::parse(std::string_view("10.1.2.3\0x", 10)));
}

TEST(IpAddr, AddsWithCarry) {
  EXPECT_EQ(IpAddr::parse("10.0.0.255")->plus(1).str(), "10.0.1.0");
  EXPECT_EQ(IpAddr::parse("10.0.255.255")->plus(257).str(), "10.1.1.0");
  EXPECT_EQ(IpAddr::parse("fd00::ffff")->plus(1).str(), "fd00::1:0");
}

TEST(IpAddr, MapsV4IntoV6) {
  EXPECT_EQ(IpAddr::v6(IpAddr::parse("10.1.2.3")->mapped()).str(), "::ffff:10.1.2.3");
}

TEST(IpPrefix, ContainsByFamilyAndLength) {
  auto prefix = *IpPrefix::parse("10.1.2.3/20");
  EXPECT_EQ(prefix.base().str(), "10.1.0.0");
  EXPECT_TRUE(prefix.contains(*IpAddr::parse("10.1.15.255")));
  EXPECT_FALSE(prefix.contains(*IpAddr::parse("10.1.16.0")));
  EXPECT_FALSE(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddr::parse("::1")));
  EXPECT_TRUE(IpPrefix::parse("::/0")->contains(*IpAddr::parse("::1")));
  EXPECT_EQ(prefix.size(), 4096U);
  for (auto bad :
       {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "fd00::/129", "/8", "10.0.0.0/"}) {
    EXPECT_FALSE(IpPrefix::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace weft
