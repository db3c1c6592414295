// The engine on real maps, in a bpffs of its own.
#include "policy/engine.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>

#include "datapath/prefix_key.h"

namespace weft::policy {
namespace {

constexpr int kLink = 1'000'001, kOtherLink = 1'000'002;

kube::Pod pod(const std::string& name, const std::string& address, const std::string& app) {
  kube::Pod out;
  out.metadata.namespace_ = "shop";
  out.metadata.name = name;
  out.metadata.uid = name + "-uid";
  out.metadata.labels["app"] = app;
  out.spec.nodeName = "node-1";
  if (!address.empty()) out.status.podIPs.push_back({{}, address});
  return out;
}

/// Pods of `app` accept from pods of `from` alone.
kube::NetworkPolicy allow(const std::string& app, const std::string& from) {
  kube::NetworkPolicy out;
  out.metadata.namespace_ = "shop";
  out.metadata.name = app;
  out.spec.podSelector.matchLabels["app"] = app;
  out.spec.policyTypes = {"Ingress"};
  kube::NetworkPolicyPeer peer;
  peer.podSelector.emplace().matchLabels["app"] = from;
  out.spec.ingress.emplace_back().from.push_back(peer);
  return out;
}

class PolicyEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/wt-policy-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    ASSERT_EQ(mount("bpf", folder, "bpf", 0, nullptr), 0);
  }
  void TearDown() override {
    umount2(folder_.c_str(), MNT_DETACH);
    rmdir(folder_.c_str());
  }

  datapath::PodPolicy maps() const {
    return datapath::PodPolicy::open(folder_ + "/node", {.identities = 64, .verdicts = 64}).value();
  }
  /// One that has been told of a server, a client and a policy, and has written them.
  std::unique_ptr<PolicyEngine> engine(const std::string& from = "client") const {
    auto out = std::make_unique<PolicyEngine>(maps(), "node-1");
    out->plan().put(pod("web", "10.244.0.2", "web"));
    out->plan().put(pod("client", "10.244.0.3", "client"));
    out->plan().put(allow("web", from));
    EXPECT_TRUE(out->connect(kLink, {.pod = {}, .uid = {}, .addresses = {*IpAddr::parse("10.244.0.2")}}));
    EXPECT_TRUE(out->synced());
    return out;
  }
  std::optional<weft_policy_pod> entry(int link) const {
    return maps().pods().lookup(static_cast<uint32_t>(link)).value();
  }
  /// What a connection to the server's port 80 meets, as the programs look.
  std::optional<uint32_t> verdict(const char* peer) const {
    auto identity = maps().identities().lookup(datapath::prefix_key({*IpAddr::parse(peer), 32})).value();
    auto at = entry(kLink);
    if (!identity || !at) return std::nullopt;
    weft_verdict_key key{.length = WEFT_VERDICT_FIXED_BITS + 24,
                         .subject = at->subject,
                         .peer = *identity,
                         .direction = WEFT_INGRESS,
                         .protocol = 6,
                         .port = 0};
    auto found = maps().verdicts().lookup(key).value();
    return found ? found->verdict : WEFT_VERDICT_DENY;
  }

  std::string folder_;
};

TEST_F(PolicyEngineTest, WritesWhatThePlanSays) {
  auto engine = this->engine();
  ASSERT_TRUE(entry(kLink));
  EXPECT_EQ(entry(kLink)->flags, WEFT_POLICY_ISOLATED_INGRESS);
  EXPECT_EQ(verdict("10.244.0.3"), WEFT_VERDICT_ALLOW);
  EXPECT_EQ(verdict("10.244.0.2"), WEFT_VERDICT_DENY);
  engine->plan().erase(allow("web", "client"));
  ASSERT_TRUE(engine->apply());
  EXPECT_EQ(entry(kLink)->flags, 0U);
  EXPECT_TRUE(maps().verdicts().read_all()->empty());
}

TEST_F(PolicyEngineTest, APodIsClosedUntilItIsKnown) {
  auto engine = this->engine();
  ASSERT_TRUE(engine->connect(kOtherLink, {.pod = "shop/late", .uid = "late-uid", .addresses = {}}));
  EXPECT_FALSE(entry(kOtherLink));
  auto other = pod("late", "", "web");
  other.metadata.uid = "of an earlier one";
  engine->plan().put(other);
  ASSERT_TRUE(engine->apply());
  EXPECT_FALSE(entry(kOtherLink));
  engine->plan().put(pod("late", "", "web"));
  ASSERT_TRUE(engine->apply());
  ASSERT_TRUE(entry(kOtherLink));
  EXPECT_EQ(entry(kOtherLink)->subject, entry(kLink)->subject);
}

TEST_F(PolicyEngineTest, TheNextOneFindsWhatItWouldWrite) {
  engine().reset();
  auto verdicts = maps().verdicts().read_all().value();
  auto identities = maps().identities().read_all().value();
  auto before = entry(kLink);
  auto next = engine();
  EXPECT_TRUE(next->take_narrowed().empty());
  auto same = [](const auto& a, const auto& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
  };
  EXPECT_TRUE(same(maps().verdicts().read_all().value(), verdicts));
  EXPECT_TRUE(same(maps().identities().read_all().value(), identities));
  EXPECT_EQ(entry(kLink)->subject, before->subject);
}

TEST_F(PolicyEngineTest, WhatChangedMeanwhileAppliesAtItsStart) {
  engine().reset();
  auto next = engine("admin");
  EXPECT_EQ(verdict("10.244.0.3"), WEFT_VERDICT_DENY);
  EXPECT_EQ(next->take_narrowed(), std::set<int>{kLink});
}

TEST_F(PolicyEngineTest, OnlyWhatMayBeDeniedNowIsLookedAt) {
  auto engine = this->engine();
  engine->plan().put(pod("shelf", "10.244.0.4", "shelf"));
  engine->plan().put(allow("shelf", "web"));
  ASSERT_TRUE(
      engine->connect(kOtherLink, {.pod = {}, .uid = {}, .addresses = {*IpAddr::parse("10.244.0.4")}}));
  engine->take_narrowed();
  auto relabel = [&](const char* app) {
    engine->plan().put(pod("client", "10.244.0.3", app));
    EXPECT_TRUE(engine->apply());
    return engine->take_narrowed();
  };
  EXPECT_EQ(relabel("stranger"), std::set<int>{kLink}) << "the other pod never let it in";
  EXPECT_EQ(verdict("10.244.0.3"), WEFT_VERDICT_DENY);
  EXPECT_EQ(relabel("guest"), std::set<int>{}) << "neither may do anything";
  EXPECT_EQ(relabel("client"), std::set<int>{}) << "it may do more";
  EXPECT_EQ(verdict("10.244.0.3"), WEFT_VERDICT_ALLOW);
}

TEST_F(PolicyEngineTest, AFullMapClosesAndIsMended) {
  auto engine = this->engine();
  auto table = maps().identities();
  std::vector<weft_prefix_key> keys;
  auto first = *IpAddr::parse("fd00::");
  for (uint32_t i = 0; i < table.max_entries(); ++i)
    keys.push_back(datapath::prefix_key({first.plus(i), 128}));
  EXPECT_FALSE(table.update_all(keys, std::vector<uint32_t>(keys.size(), 7)));
  engine->plan().put(pod("late", "10.244.0.4", "client"));
  auto full = engine->apply();
  ASSERT_FALSE(full);
  EXPECT_EQ(engine->failures(), 1U);
  EXPECT_EQ(entry(kLink)->flags, WEFT_POLICY_ISOLATED_INGRESS | WEFT_POLICY_ISOLATED_EGRESS);
  EXPECT_EQ(verdict("10.244.0.3"), WEFT_VERDICT_DENY) << "no verdict is that pod's";
  // Then what is not the plan's goes first.
  auto mended = engine->apply();
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_EQ(verdict("10.244.0.4"), WEFT_VERDICT_ALLOW);
  EXPECT_EQ(entry(kLink)->flags, WEFT_POLICY_ISOLATED_INGRESS);
}

TEST_F(PolicyEngineTest, AMapThatStaysFullIsComparedWithThePlanWhenThereMayBeRoom) {
  auto engine = this->engine();
  ASSERT_TRUE(
      engine->connect(kOtherLink, {.pod = {}, .uid = {}, .addresses = {*IpAddr::parse("10.244.0.3")}}));
  EXPECT_EQ(engine->comparisons(), 1U) << "at its start";
  auto client = [](int i) { return pod(fmt::format("{}", i), fmt::format("10.244.1.{}", i), "client"); };
  for (int i = 1; i <= 64; ++i) engine->plan().put(client(i));
  ASSERT_FALSE(engine->apply());
  EXPECT_FALSE(engine->is_full()) << "what the plan does not want any more may be in the way";
  ASSERT_FALSE(engine->apply());
  EXPECT_TRUE(engine->is_full());
  EXPECT_EQ(engine->comparisons(), 2U);

  for (int i = 65; i <= 100; ++i) {
    engine->plan().put(client(i));
    auto full = engine->apply();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ErrorCode::exhausted);
  }
  ASSERT_EQ(entry(kOtherLink)->flags, 0U);
  engine->plan().put(allow("client", "web"));
  ASSERT_FALSE(engine->apply());
  EXPECT_EQ(entry(kOtherLink)->flags, WEFT_POLICY_ISOLATED_INGRESS | WEFT_POLICY_ISOLATED_EGRESS)
      << "closed all the same";
  auto narrower = allow("web", "client");
  narrower.spec.ingress[0].ports.emplace_back().port = kube::IntOrString{.value = 80};
  engine->plan().put(narrower);
  ASSERT_FALSE(engine->apply()) << "makes room among the verdicts, which have enough";
  EXPECT_EQ(engine->comparisons(), 2U);

  engine->try_again();
  ASSERT_FALSE(engine->apply());
  ASSERT_FALSE(engine->apply());
  EXPECT_EQ(engine->comparisons(), 3U);

  engine->plan().put(allow("web", "client"));
  for (int i = 1; i <= 50; ++i) engine->plan().erase(client(i));
  auto mended = engine->apply();
  ASSERT_TRUE(mended) << mended.error().message;
  EXPECT_FALSE(engine->is_full());
  EXPECT_EQ(engine->comparisons(), 4U);
  EXPECT_EQ(verdict("10.244.1.100"), WEFT_VERDICT_ALLOW);
  EXPECT_EQ(entry(kLink)->flags, WEFT_POLICY_ISOLATED_INGRESS);
  EXPECT_EQ(entry(kOtherLink)->flags, WEFT_POLICY_ISOLATED_INGRESS);
}

TEST_F(PolicyEngineTest, AFullMapClosesPodsThatAPolicyIsAboutToIsolate) {
  auto engine = this->engine();
  ASSERT_TRUE(
      engine->connect(kOtherLink, {.pod = {}, .uid = {}, .addresses = {*IpAddr::parse("10.244.0.3")}}));
  ASSERT_EQ(entry(kOtherLink)->flags, 0U);
  auto table = maps().verdicts();
  for (uint32_t i = 0; i < table.max_entries(); ++i)
    (void)table.update({WEFT_VERDICT_FIXED_BITS, 1'000'000 + i, 0, 0, 0, 0}, {WEFT_VERDICT_ALLOW, 1});
  engine->plan().put(allow("client", "web"));
  ASSERT_FALSE(engine->apply());
  EXPECT_EQ(entry(kOtherLink)->flags, WEFT_POLICY_ISOLATED_INGRESS | WEFT_POLICY_ISOLATED_EGRESS);
  ASSERT_TRUE(engine->apply()) << "what is not the plan's went first";
  EXPECT_EQ(entry(kOtherLink)->flags, WEFT_POLICY_ISOLATED_INGRESS);
}

}  // namespace
}  // namespace weft::policy
