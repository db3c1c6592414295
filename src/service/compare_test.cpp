#include "service/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/test_world.h"

namespace weft::service {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CompareTest : public testing::Test {
 protected:
  CompareTest() {
    web = test::service("web", {"10.96.0.7"}, {{"http", "TCP", 80}});
    slices = {test::slice("s", "web", {{"http", "TCP", 8080}},
                          {test::endpoint("10.244.0.1"), test::endpoint("10.244.0.2")})};
    plans.push_back({web.get(), plan_service(*web, slices, {"node-1", ""})});
    there.addr = *IpAddr::parse("10.96.0.7");
    there.port = 80;
    there.backends = {target("10.244.0.2"), target("10.244.0.1")};
    there.edge_backends = there.backends;
  }
  static ProgrammedFrontend::Target target(const char* ip) { return {1, *IpAddr::parse(ip), 8080}; }
  std::vector<Way> ways(std::vector<ProgrammedFrontend> kernel) { return compare(plans, kernel); }

  std::shared_ptr<kube::Service> web;
  std::vector<SlicePtr> slices;
  std::vector<NamedPlan> plans;
  ProgrammedFrontend there;
};

TEST_F(CompareTest, TheSameHasNoDifference) {
  auto out = ways({there});
  ASSERT_EQ(out.size(), 1);
  EXPECT_EQ(out[0].service, "shop/web");
  EXPECT_EQ(out[0].difference, "");
  EXPECT_THAT(out[0].backends, ElementsAre("10.244.0.1:8080", "10.244.0.2:8080"));
}

TEST_F(CompareTest, WhatIsMissingAndWhatIsTooMuch) {
  EXPECT_EQ(ways({})[0].difference, "not in the kernel");
  auto other = there;
  other.backends = {target("10.244.0.1"), target("10.244.0.9")};
  EXPECT_EQ(ways({other})[0].difference, "without 10.244.0.2:8080; still with 10.244.0.9:8080");
  other = there;
  other.edge_backends.clear();
  EXPECT_THAT(ways({other})[0].difference, HasSubstr("for packets from elsewhere: without 10.244.0.1:8080"));
  other = there;
  other.affinity_seconds = 60;
  EXPECT_EQ(ways({other})[0].difference, "session affinity of 60 s instead of 0 s");
}

TEST_F(CompareTest, WhatNobodyAsksFor) {
  auto stray = there;
  stray.port = 81;
  auto out = ways({there, stray});
  ASSERT_EQ(out.size(), 2);
  EXPECT_EQ(out[1].service, "");
  EXPECT_THAT(out[1].difference, HasSubstr("no Service asks for it"));
  // The entry that refuses all other ports of an address is no way in.
  stray.whole_address = true;
  EXPECT_EQ(ways({there, stray}).size(), 1);
}

}  // namespace
}  // namespace weft::service
