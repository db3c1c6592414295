#include "gateway/hostname.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::gateway {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Hostname, Intersection) {
  struct Case {
    std::string a, b;
    std::optional<std::string> both;
  };
  for (const auto& [a, b, both] : std::vector<Case>{
           {"", "", ""},
           {"", "a.example", "a.example"},
           {"a.example", "a.example", "a.example"},
           {"a.example", "b.example", {}},
           {"*.example.com", "a.example.com", "a.example.com"},
           {"*.example.com", "a.b.example.com", "a.b.example.com"},
           {"*.example.com", "example.com", {}},
           {"*.example.com", "aexample.com", {}},
           {"*.example.com", "*.b.example.com", "*.b.example.com"},
           {"*.example.com", "*.com", "*.example.com"},
           {"*.example.com", "*.example.org", {}},
       }) {
    EXPECT_EQ(intersect_hostnames(a, b), both) << a << " " << b;
    EXPECT_EQ(intersect_hostnames(b, a), both) << b << " " << a;
  }
}

TEST(Hostname, OfAListenerAndARoute) {
  EXPECT_THAT(common_hostnames("*.a", {}), ElementsAre("*.a"));
  EXPECT_THAT(common_hostnames("", {"x.a", "y.a"}), ElementsAre("x.a", "y.a"));
  EXPECT_THAT(common_hostnames("x.a", {"*.a", "x.a"}), ElementsAre("x.a"));
  EXPECT_THAT(common_hostnames("x.a", {"x.b"}), IsEmpty());
}

}  // namespace
}  // namespace weft::gateway
