#include "policy/compare.h"

#include <gmock/gmock.h>

#include "policy/test_world.h"

namespace weft::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kLink = 7;

struct Compare : ::testing::Test {
  Compare() {
    world.namespace_("shop");
    world.pod("shop/web", "10.0.0.1", "{app: web}");
    world.pod("shop/client", "10.0.0.2", "{app: client}");
    world.policy(
        "shop/web",
        "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
        "client}}}], ports: [{port: 80}]}]}");
    auto all = world.plan.everything();
    kernel.identities.insert(all.identities.begin(), all.identities.end());
    for (const auto& entry : all.verdicts) kernel.verdicts[entry.key] = {entry.verdict, entry.reason};
    wanted = world.plan.entry_of("shop/web").value();
    kernel.pods[kLink] = {wanted.subject, wanted.flags};
  }
  std::vector<std::string> pod(std::optional<int> link = kLink) {
    return Comparison(world.plan, kernel).pod(wanted, link);
  }
  std::vector<std::string> identities() { return Comparison(world.plan, kernel).identities(); }

  test::World world;
  KernelPolicy kernel;
  PodEntry wanted;
};

TEST_F(Compare, WhatIsThePlansDoesNotDiffer) {
  EXPECT_THAT(pod(), IsEmpty());
  EXPECT_THAT(identities(), IsEmpty());
}

TEST_F(Compare, NumbersAreThoseOfAnotherPlanOfTheSame) {
  test::World other("node-1");
  other.policy("shop/web",
               "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
               "client}}}], ports: [{port: 80}]}]}");
  other.pod("shop/client", "10.0.0.2", "{app: client}");
  other.pod("shop/web", "10.0.0.1", "{app: web}", "spec: {nodeName: node-1}");
  other.namespace_("shop");
  EXPECT_THAT(Comparison(other.plan, kernel).pod(wanted, kLink), IsEmpty());
  EXPECT_THAT(Comparison(other.plan, kernel).identities(), IsEmpty());
}

TEST_F(Compare, AVerdictThatIsMissing) {
  auto lost = std::erase_if(kernel.verdicts,
                            [](const auto& entry) { return entry.second.verdict == WEFT_VERDICT_ALLOW; });
  ASSERT_EQ(lost, 1U);
  EXPECT_THAT(pod(), ElementsAre("ingress from shop/client, TCP 80: the kernel has no entry, the plan allows "
                                 "(ingress is allowed by NetworkPolicy shop/web ingress[0])"));
}

TEST_F(Compare, AVerdictThatSaysTheOther) {
  for (auto& [key, verdict] : kernel.verdicts) verdict.verdict = WEFT_VERDICT_DENY;
  EXPECT_THAT(pod(), ElementsAre(HasSubstr("the kernel denies")));
}

TEST_F(Compare, AVerdictTooMany) {
  kernel.verdicts[{.subject = wanted.subject, .direction = Direction::ingress}] = {WEFT_VERDICT_ALLOW, 1};
  EXPECT_THAT(pod(), ElementsAre("ingress from peers without entries of their own, all ports: the kernel "
                                 "allows (reason 1), the plan has no entry"));
  kernel.verdicts.clear();
  kernel.verdicts[{.subject = wanted.subject + 1}] = {WEFT_VERDICT_ALLOW, 1};
  EXPECT_THAT(pod(), ElementsAre(HasSubstr("the kernel has no entry"))) << "others' do not matter";
}

TEST_F(Compare, ThePodsEntry) {
  kernel.pods[kLink].flags = 0;
  EXPECT_THAT(pod(), ElementsAre("the pod: the kernel has \"open\", the plan \"policies for ingress\""));
  kernel.pods[kLink] = {wanted.subject + 1, wanted.flags};
  EXPECT_THAT(pod(), ElementsAre(HasSubstr("as subject")));
  kernel.pods.clear();
  EXPECT_THAT(pod(), ElementsAre("the kernel does not know its link: nothing passes"));
  EXPECT_THAT(pod(std::nullopt), ElementsAre("its node has no link to it"));
}

TEST_F(Compare, Identities) {
  kernel.identities[IpPrefix::parse("10.0.0.2/32").value()] = 1;
  kernel.identities[IpPrefix::parse("10.0.0.3/32").value()] = 1;
  EXPECT_THAT(
      identities(),
      ElementsAre(HasSubstr("10.0.0.2/32 (shop/client): the kernel has identity 1, the plan identity"),
                  "10.0.0.3/32: the kernel has identity 1, the plan nothing"));
}

}  // namespace
}  // namespace weft::policy
