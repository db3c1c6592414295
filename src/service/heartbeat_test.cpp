#include "service/heartbeat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weft::service {
namespace {

using namespace std::chrono_literals;
using Standing = Liveness::Standing;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Heartbeat, IsReadAsItWasWritten) {
  Heartbeat sent{.node = node_hash("node-1"), .ready = true, .knows_you = false};
  auto packet = encode(sent);
  EXPECT_EQ(parse_heartbeat(packet), sent);
  sent = {.node = 1, .ready = false, .knows_you = true};
  EXPECT_EQ(parse_heartbeat(encode(sent)), sent);
}

TEST(Heartbeat, WhatIsNoneIsNot) {
  auto packet = encode({.node = node_hash("node-1")});
  for (size_t size = 0; size < packet.size(); ++size)
    EXPECT_FALSE(parse_heartbeat(std::span(packet).first(size)));
  std::vector<uint8_t> longer(packet.begin(), packet.end());
  longer.push_back(0);
  EXPECT_FALSE(parse_heartbeat(longer));
  for (size_t at = 0; at < 5; ++at) {
    auto other = packet;
    ++other[at];
    EXPECT_FALSE(parse_heartbeat(other)) << at;
  }
  packet[5] = 4;
  EXPECT_FALSE(parse_heartbeat(packet));
}

IpAddr address_of(int node) { return IpAddr::v4({172, 30, 0, static_cast<uint8_t>(node + 1)}); }
std::string name_of(int node) { return "node-" + std::to_string(node); }

/// node-1's view of a cluster; time goes by in heartbeats.
class World {
 public:
  explicit World(int nodes, bool expected = true) {
    for (int node = 2; node <= nodes; ++node)
      view.set_peer(name_of(node), {.addresses = {address_of(node)}, .expected = expected});
    view.begin(now);
  }
  bool hear(int node, bool ready = true, bool knows_you = false) {
    return view.heard(address_of(node),
                      {.node = node_hash(name_of(node)), .ready = ready, .knows_you = knows_you}, now);
  }
  std::vector<std::pair<std::string, bool>> advance() {
    return view.advance({.carrier = carrier, .prepared = prepared}, now);
  }
  /// The nodes of `speaking` are heard each interval.
  void pass(std::chrono::milliseconds time, const std::set<int>& speaking, bool ready = true) {
    for (auto until = now + time; now < until;) {
      now += Liveness::kInterval;
      for (int node : speaking) hear(node, ready);
      advance();
    }
  }
  Standing standing() const { return view.standing(); }
  bool alive(int node) const { return view.is_alive(name_of(node)); }

  Liveness view{"node-1"};
  Liveness::Time now = Liveness::Time(1h);
  bool carrier = true, prepared = true;
};

TEST(Liveness, ListensBeforeItIsInCharge) {
  World world(3);
  world.pass(400ms, {2, 3});
  EXPECT_EQ(world.standing(), Standing::listening);
  EXPECT_FALSE(world.view.ready());
  world.pass(100ms, {2, 3});
  EXPECT_TRUE(world.view.ready());
  EXPECT_EQ(world.standing(), Standing::listening);  // until the others know
  world.pass(100ms, {2, 3});
  EXPECT_EQ(world.standing(), Standing::in_charge);
}

TEST(Liveness, NotBeforeItKnowsWhatThereIs) {
  World world(3);
  world.prepared = false;
  world.pass(2s, {2, 3});
  EXPECT_FALSE(world.view.ready());
  EXPECT_GT(world.view.next(world.now), world.now);
  world.prepared = true;
  world.pass(200ms, {2, 3});
  EXPECT_EQ(world.standing(), Standing::in_charge);
}

TEST(Liveness, ANodeThatFallsSilentIsDeadAfterTheTimeout) {
  World world(3);
  world.pass(1s, {2, 3});
  auto last = world.now;
  EXPECT_TRUE(world.alive(2));
  world.now = last + Liveness::kTimeout - 1ms;
  world.hear(3);
  EXPECT_THAT(world.advance(), IsEmpty());
  EXPECT_EQ(world.view.next(world.now), last + Liveness::kTimeout);
  world.now = last + Liveness::kTimeout;
  EXPECT_THAT(world.advance(), ElementsAre(Pair("node-2", false)));
  EXPECT_EQ(world.standing(), Standing::in_charge);
  EXPECT_TRUE(world.hear(2));
  EXPECT_THAT(world.advance(), ElementsAre(Pair("node-2", true)));
}

TEST(Liveness, OnlyTheNodeItselfFromItsAddressCounts) {
  World world(3);
  EXPECT_FALSE(world.view.heard(address_of(3), {.node = node_hash("node-2"), .ready = true}, world.now));
  EXPECT_FALSE(world.view.heard(address_of(9), {.node = node_hash("node-2"), .ready = true}, world.now));
  EXPECT_THAT(world.advance(), IsEmpty());
  // An address that a node no longer has is nobody's.
  world.view.set_peer("node-2", {.addresses = {address_of(9)}, .expected = true});
  world.hear(2);
  EXPECT_THAT(world.advance(), IsEmpty());
}

TEST(Liveness, AnAgentThatStartsAgainKeepsItsPlace) {
  World world(3);
  world.pass(1s, {2, 3});
  world.pass(400ms, {3});
  for (int i = 0; i < 6; ++i) {
    world.hear(2, false);
    world.pass(100ms, {3});
  }
  EXPECT_TRUE(world.alive(2));
  world.pass(200ms, {2, 3});
  EXPECT_TRUE(world.alive(2));
}

TEST(Liveness, ButNotForLong) {
  World world(3);
  world.pass(1s, {2, 3});
  for (int i = 0; i < 31; ++i) {
    world.hear(2, false);
    world.pass(100ms, {3});
  }
  EXPECT_FALSE(world.alive(2));
}

TEST(Liveness, OneThatComesBackIsDeadUntilItIsReady) {
  World world(3);
  world.pass(1s, {2, 3});
  world.pass(600ms, {3});
  EXPECT_FALSE(world.alive(2));
  world.hear(2, false);
  EXPECT_THAT(world.advance(), IsEmpty());
}

TEST(Liveness, WithoutACarrierItOwnsNothing) {
  World world(3);
  world.pass(1s, {2, 3});
  world.carrier = false;
  world.advance();
  EXPECT_EQ(world.standing(), Standing::no_carrier);
  EXPECT_FALSE(world.view.ready());
  world.carrier = true;
  world.pass(400ms, {2, 3});
  EXPECT_EQ(world.standing(), Standing::listening);
  world.pass(200ms, {2, 3});
  EXPECT_EQ(world.standing(), Standing::in_charge);
}

TEST(Liveness, WhomAllLeaveAtOnceIsHimselfTheOneWhoLeft) {
  World world(3);
  world.pass(1s, {2, 3});
  world.pass(600ms, {});
  EXPECT_EQ(world.standing(), Standing::hears_nobody);
  EXPECT_TRUE(world.hear(2));
  world.pass(600ms, {2});
  EXPECT_EQ(world.standing(), Standing::in_charge);
}

TEST(Liveness, TheLastOneLeftGoesOn) {
  World world(3);
  world.pass(1s, {2, 3});
  world.pass(1s, {3});
  world.pass(1s, {});
  EXPECT_EQ(world.standing(), Standing::in_charge);
}

TEST(Liveness, OfTwoTheOneWithACarrierGoesOn) {
  World world(2);
  world.pass(1s, {2});
  world.pass(1s, {});
  EXPECT_EQ(world.standing(), Standing::in_charge);
}

TEST(Liveness, NodesThatTheApiDoesNotCallReadyAreNotWaitedFor) {
  World world(4, false);
  world.pass(600ms, {});
  EXPECT_EQ(world.standing(), Standing::in_charge);
  World other(4);
  other.pass(600ms, {});
  EXPECT_EQ(other.standing(), Standing::hears_nobody);
}

TEST(Liveness, KnowsWhetherTheOthersCountedOnIt) {
  World world(3);
  world.hear(2, true, true);
  world.pass(600ms, {2, 3});
  EXPECT_TRUE(world.view.was_known());
  World other(3);
  other.pass(500ms, {2, 3});
  ASSERT_TRUE(other.view.ready());
  other.hear(2, true, true);  // since it said that it is ready
  other.pass(100ms, {2, 3});
  EXPECT_FALSE(other.view.was_known());
}

TEST(Liveness, TellsTheOthersWhatItKnows) {
  World world(3);
  world.hear(2);
  world.advance();
  EXPECT_EQ(world.view.message_for("node-2"),
            (Heartbeat{.node = node_hash("node-1"), .ready = false, .knows_you = true}));
  world.pass(500ms, {2});
  EXPECT_EQ(world.view.message_for("node-3"),
            (Heartbeat{.node = node_hash("node-1"), .ready = true, .knows_you = false}));
}

}  // namespace
}  // namespace weft::service
