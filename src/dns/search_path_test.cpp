#include "dns/search_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Name name(std::string_view text) { return *Name::parse(text); }

std::vector<std::string> rest(std::string_view asked, std::string_view ns = "shop",
                              const std::vector<Name>& node = {}) {
  std::vector<std::string> out;
  for (const Name& step : rest_of_search_path(name(asked), ns, name("cluster.local"), node))
    out.push_back(step.str());
  return out;
}

TEST(SearchPath, WhatAPodAsksAfterItsFirstStep) {
  EXPECT_THAT(rest("web.other.shop.svc.cluster.local"),
              ElementsAre("web.other.svc.cluster.local.", "web.other.cluster.local.", "web.other."));
  EXPECT_THAT(rest("www.example.com.shop.svc.cluster.local", "shop", {name("corp.example"), name("lan")}),
              ElementsAre("www.example.com.svc.cluster.local.", "www.example.com.cluster.local.",
                          "www.example.com.corp.example.", "www.example.com.lan.", "www.example.com."));
}

TEST(SearchPath, CaseIsKeptAndDoesNotMatter) {
  EXPECT_THAT(rest("WwW.SHOP.svc.Cluster.Local"),
              ElementsAre("WwW.svc.cluster.local.", "WwW.cluster.local.", "WwW."));
}

TEST(SearchPath, NothingElseIsAFirstStep) {
  for (const char* asked : {"web.other.svc.cluster.local", "web.cluster.local", "web", ".",
                            "shop.svc.cluster.local", "svc.cluster.local", "web.shop.svc.example.com",
                            "web.xshop.svc.cluster.local", "web.shop.pod.cluster.local"}) {
    EXPECT_THAT(rest(asked), IsEmpty()) << asked;
  }
  EXPECT_THAT(rest("web.shop.svc.cluster.local", "other"), IsEmpty()) << "of another namespace";
  EXPECT_THAT(rest("web.shop.svc.cluster.local", ""), IsEmpty());
  EXPECT_THAT(rest("web.shop.svc.cluster.local", std::string(64, 'x')), IsEmpty());
}

TEST(SearchPath, ALabelThatLooksLikeTheEndIsNotTheEnd) {
  // One label of 22 bytes whose bytes are those of `<4>shop<3>svc<7>cluster…`.
  Name asked;
  asked.append("web");
  asked.append(std::string("a\4shop\3svc\7cluster"));
  asked.append("local");
  EXPECT_THAT(rest_of_search_path(asked, "shop", name("cluster.local"), {}), IsEmpty());
}

TEST(SearchPath, StepsThatAreTooLongAreLeftOut) {
  std::string longest;
  for (int i = 0; i < 3; ++i) longest += std::string(63, 'a') + ".";
  auto steps =
      rest(longest + std::string(30, 'a') + ".shop.svc.cluster.local", "shop", {name(std::string(40, 'b'))});
  EXPECT_THAT(steps, testing::SizeIs(3));
}

}  // namespace
}  // namespace weft::dns
