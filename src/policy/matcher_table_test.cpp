#include "policy/matcher_table.h"

#include <gtest/gtest.h>

namespace weft::policy {
namespace {

kube::Selector labelled(const std::string& text) { return kube::Selector::parse(text).value(); }

PodPtr pod(const std::string& key, const std::string& address, const kube::StringMap& labels) {
  PodFacts facts;
  facts.key = key;
  facts.namespace_ = key.substr(0, key.find('/'));
  facts.labels = labels;
  facts.addresses = {IpAddr::parse(address).value()};
  return std::make_shared<const PodFacts>(std::move(facts));
}

TEST(MatcherTable, IsSharedByKeyAndGoneWithItsLastUser) {
  IdentityTable identities;
  MatcherTable matchers(identities);
  identities.change_pod(nullptr, pod("n/a", "10.0.0.1", {{"app", "a"}}));
  identities.change_pod(nullptr, pod("n/b", "10.0.0.2", {{"app", "b"}}));
  for (uint32_t number : identities.settle().made) matchers.add(*identities.find(number));
  uint32_t a = identities.identity_of(*IpAddr::parse("10.0.0.1"));

  uint32_t one = matchers.use(pods_of("n", labelled("app=a")), 1);
  EXPECT_EQ(matchers.use(pods_of("n", labelled("app=a")), 2), one);
  uint32_t other = matchers.use(pods_of("n", labelled("app!=a")), 2);
  EXPECT_NE(other, one);
  EXPECT_EQ(matchers.members(one), (std::set<uint32_t>{a}));
  EXPECT_EQ(identities.find(a)->matchers, (std::vector<uint32_t>{one}));

  matchers.release(one, 1);
  EXPECT_EQ(matchers.size(), 2U);
  matchers.release(one, 2);
  EXPECT_EQ(matchers.size(), 1U);
  EXPECT_TRUE(identities.find(a)->matchers.empty());
  EXPECT_NE(matchers.use(pods_of("n", labelled("app=a")), 1), one) << "numbers do not come back at once";
}

TEST(MatcherTable, TellsWhomAnIdentityConcerns) {
  IdentityTable identities;
  MatcherTable matchers(identities);
  uint32_t matcher = matchers.use(pods_of(labelled(""), labelled("app=a")), 7);
  identities.change_pod(nullptr, pod("n/a", "10.0.0.1", {{"app", "a"}}));
  identities.change_pod(nullptr, pod("n/b", "10.0.0.2", {{"app", "b"}}));
  auto settled = identities.settle();
  ASSERT_EQ(settled.made.size(), 2U);
  EXPECT_EQ(matchers.add(*identities.find(settled.made[0])), (std::set<uint32_t>{7}));
  EXPECT_TRUE(matchers.add(*identities.find(settled.made[1])).empty());
  EXPECT_EQ(matchers.members(matcher).size(), 1U);
  EXPECT_EQ(matchers.remove(*identities.find(settled.made[0])), (std::set<uint32_t>{7}));
  EXPECT_TRUE(matchers.members(matcher).empty());
}

}  // namespace
}  // namespace weft::policy
