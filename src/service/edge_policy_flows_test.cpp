// What policies make of connections that go on, change and end, with real packets.
#include <cstring>
#include <map>
#include <optional>

#include "datapath/tcp_destroy.h"
#include "service/test_edge_policy.h"

namespace weft::service {
namespace {

using namespace test;

TEST_F(PolicyTest, AChangeCutsWhatItDeniesAndKeepsTheRest) {
  auto server = echo(world1, pod_a);
  isolate(link_a, kIngress);
  allow(kC, WEFT_INGRESS);
  allow(kB, WEFT_INGRESS);
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    for (const auto& a : at_a) {
      Talk from_b(pod_b, type, a), from_c(pod_c, type, a);
      ASSERT_TRUE(from_b.works() && from_c.works());
      retract(kC, WEFT_INGRESS);
      EXPECT_FALSE(from_c.works()) << a << ": in spite of the open way out";
      EXPECT_FALSE(from_c.works("again")) << a;
      EXPECT_TRUE(from_b.works()) << a;
      allow(kC, WEFT_INGRESS);
      EXPECT_TRUE(reaches(pod_c, type, a)) << a;
    }
  }
}

TEST_F(PolicyTest, OfACutConnectionResetsPass) {
  auto server = echo(world1, pod_a);
  isolate(link_a, kIngress | kEgress);
  allow(kC, WEFT_INGRESS);
  Talk talk(pod_c, SOCK_STREAM, at_a[0]);
  ASSERT_TRUE(talk.works());
  retract(kC, WEFT_INGRESS);
  ASSERT_FALSE(talk.works());
  std::vector<datapath::TcpConnection> seen;
  auto destroy = [&](bool all) {
    return datapath::destroy_tcp_connections(pod_a.get(), [&](const auto& connection) {
      seen.push_back(connection);
      return all;
    });
  };
  EXPECT_EQ(destroy(false), 0u);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(std::tuple(seen[0].local, seen[0].local_port, seen[0].remote, seen[0].accepted),
            std::tuple(ip("10.244.0.2"), kPort, ip("10.244.0.3"), true));
  EXPECT_EQ(destroy(true), 1u);
  char byte;
  EXPECT_EQ(recv(talk.fd(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  // Also of one that began before there were policies.
  isolate(link_a, 0);
  Talk before(pod_c, SOCK_STREAM, at_a[0]);
  ASSERT_TRUE(before.works());
  isolate(link_a, kIngress | kEgress);
  EXPECT_EQ(destroy(true), 1u);
  EXPECT_EQ(recv(before.fd(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  // And of what the pod began.
  auto c = echo(world1, pod_c);
  allow(kC, WEFT_EGRESS);
  Talk out(pod_a, SOCK_STREAM, at_c[1]);
  ASSERT_TRUE(out.works());
  seen.clear();
  EXPECT_EQ(destroy(true), 1u);
  EXPECT_EQ(std::tuple(seen[0].local, seen[0].remote, seen[0].remote_port, seen[0].accepted),
            std::tuple(ip("fd00:244::2"), ip("fd00:244::3"), kPort, false));
  EXPECT_FALSE(out.works());
  // One that is not answered yet has nothing to end.
  retract(kC, WEFT_EGRESS);
  Talk asks(pod_a, SOCK_STREAM, at_c[1]);
  seen.clear();
  EXPECT_EQ(destroy(true), 0u);
  EXPECT_TRUE(seen.empty());
}

TEST_F(PolicyTest, ASegmentOfAnUnknownConnectionPassesIfItMightBeAllowed) {
  auto a = echo(world1, pod_a), c = echo(world1, pod_c);
  for (size_t i = 0; i < at_a.size(); ++i) {
    isolate(link_a, 0);
    Talk before(pod_c, SOCK_STREAM, at_a[i]);
    Talk to_c(pod_a, SOCK_STREAM, at_c[i]);
    ASSERT_TRUE(before.works() && to_c.works());
    isolate(link_a, kIngress | kEgress);
    EXPECT_FALSE(before.works()) << "nothing allows it";
    allow(kC, WEFT_INGRESS, IPPROTO_TCP, kPort);
    EXPECT_TRUE(before.hears("hello")) << "it began before there were policies, and is sent again";
    EXPECT_TRUE(before.works());
    forget_flows();
    EXPECT_TRUE(before.works()) << "an entry made room";
    EXPECT_EQ(kept(), 0u) << "what may be an answer to nothing takes no room";
    EXPECT_FALSE(to_c.works()) << "the other way";
    EXPECT_FALSE(reaches(pod_a, SOCK_STREAM, at_c[i])) << "the other way, anew";
    retract(kC, WEFT_INGRESS, IPPROTO_TCP, kPort);
    EXPECT_FALSE(before.works());
  }
}

/// Both ends of one connection to pod a's port 9000, from a port of pod c.
struct Ends {
  Fd listener, client, server;
  bool connect_from(const Fd& netns, uint16_t port, const std::string& at) {
    World::in(netns, [&] {
      auto own = sock_addr(at.find(':') == std::string::npos ? "0.0.0.0" : "::", port);
      auto to = sock_addr(at, 9000);
      client.reset(socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      int on = 1;
      timeval limit{.tv_sec = 0, .tv_usec = 700'000};
      setsockopt(client.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      require(bind(client.get(), own.get(), own.size) == 0, "bind");
      if (connect(client.get(), to.get(), to.size) != 0) client.reset();
    });
    if (client) server.reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(client);
  }
  /// Whether what one end sends, here the end of all, arrives at the other.
  static bool carries(const Fd& from, const Fd& to, bool end) {
    if (end ? shutdown(from.get(), SHUT_WR) != 0 : send(from.get(), "x", 1, MSG_NOSIGNAL) != 1) return false;
    pollfd ready{to.get(), POLLIN, 0};
    char byte;
    return poll(&ready, 1, 1000) == 1 && recv(to.get(), &byte, 1, 0) == (end ? 0 : 1);
  }
};

TEST_F(PolicyTest, AConnectionThatBothEndsHaveClosedIsForgotten) {
  Ends ends;
  World::in(pod_a, [&] { ends.listener = listen_on("::", 9000, SOCK_STREAM); });
  isolate(link_a, kIngress | kEgress);
  for (const auto& a : at_a) {
    allow(kC, WEFT_INGRESS, IPPROTO_TCP, 9000);
    ASSERT_TRUE(ends.connect_from(pod_c, 41'000, a)) << a;
    EXPECT_TRUE(Ends::carries(ends.client, ends.server, false)) << a;
    EXPECT_TRUE(Ends::carries(ends.server, ends.client, true)) << a;
    EXPECT_EQ(kept(), 1u) << a << ": one end may still send";
    EXPECT_TRUE(Ends::carries(ends.client, ends.server, false)) << a;
    EXPECT_TRUE(Ends::carries(ends.client, ends.server, true)) << a;
    EXPECT_EQ(kept(), 0u) << a << ": and the last ACK did not bring it back";
    // What has its ports next is another.
    ASSERT_TRUE(ends.connect_from(pod_c, 41'000, a)) << a;
    EXPECT_EQ(kept(), 1u) << a;
    EXPECT_TRUE(Ends::carries(ends.server, ends.client, true) &&
                Ends::carries(ends.client, ends.server, true))
        << a;
    EXPECT_EQ(kept(), 0u) << a;
    retract(kC, WEFT_INGRESS, IPPROTO_TCP, 9000);
    EXPECT_FALSE(ends.connect_from(pod_c, 41'000, a)) << a << ": decided anew";
    EXPECT_EQ(kept(), 0u) << a;
  }
}

/// Two ports of pod c by which connections to pod a's port 9000 have one place.
std::pair<uint16_t, uint16_t> ports_of_one_place(uint32_t link) {
  std::map<uint64_t, uint16_t> taken;
  weft_policy_flow_key key{};
  auto peer = ip("10.244.0.3").mapped(), pod = ip("10.244.0.2").mapped();
  std::copy(peer.begin(), peer.end(), key.peer);
  std::copy(pod.begin(), pod.end(), key.pod);
  key.pod_port = htons(9000);
  key.protocol = IPPROTO_TCP;
  key.link = link;
  for (uint16_t port = 20'000;; ++port) {
    key.peer_port = htons(port);
    __u64 words[6];
    memcpy(words, &key, sizeof words);
    auto [other, is_new] = taken.emplace(weft_young_hash(words) >> (64 - WEFT_YOUNG_BITS), port);
    if (!is_new) return {other->second, port};
  }
}

TEST_F(PolicyTest, ConnectionsOfOnePlaceAreAllKnown) {
  auto [first_port, second_port] = ports_of_one_place(link_a);
  Ends first, second;
  World::in(pod_a, [&] { first.listener = listen_on("::", 9000, SOCK_STREAM); });
  second.listener.reset(dup(first.listener.get()));
  isolate(link_a, kIngress | kEgress);
  allow(kC, WEFT_INGRESS, IPPROTO_TCP, 9000);
  allow(kC, WEFT_EGRESS);
  ASSERT_TRUE(first.connect_from(pod_c, first_port, at_a[0]));
  auto in_table = [&] { return policy().flows().read_all().value().size(); };
  EXPECT_EQ(in_table(), 0u);
  ASSERT_TRUE(second.connect_from(pod_c, second_port, at_a[0]));
  EXPECT_EQ(in_table(), 1u) << "which needs the place";
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Ends::carries(first.client, first.server, false));
    EXPECT_TRUE(Ends::carries(second.server, second.client, false));
  }
  EXPECT_EQ(kept(), 2u);
  EXPECT_EQ(in_table(), 2u) << "both have needed it";
  retract(kC, WEFT_INGRESS, IPPROTO_TCP, 9000);
  EXPECT_FALSE(Ends::carries(first.client, first.server, false)) << "in spite of the open way out";
  EXPECT_FALSE(Ends::carries(second.client, second.server, false)) << "in spite of the open way out";
}

TEST_F(PolicyTest, WhatIsSentAgainAfterTheEndPasses) {
  Ends ends;
  World::in(pod_a, [&] { ends.listener = listen_on("::", 9000, SOCK_STREAM); });
  isolate(link_a, kIngress | kEgress);
  allow(kC, WEFT_INGRESS, IPPROTO_TCP, 9000);
  ASSERT_TRUE(ends.connect_from(pod_c, 41'000, at_a[0]));
  ASSERT_TRUE(Ends::carries(ends.client, ends.server, true));
  auto denied = [&] { return counter(WEFT_POLICY_DENIED_INGRESS) + counter(WEFT_POLICY_DENIED_EGRESS); };
  auto before = denied();
  auto waits_for_last_ack = [&] {
    bool waits = true;
    World::in(pod_a, [&] { waits = system("test -n \"$(ss -Htn state last-ack)\"") == 0; });
    return waits;
  };
  // The last ACK is lost on the way.
  World::in(pod_c, [] { shell("ip route add blackhole 10.244.0.2/32"); });
  ends.server.reset();
  pollfd ready{ends.client.get(), POLLIN, 0};
  char byte;
  EXPECT_TRUE(poll(&ready, 1, 1000) == 1 && recv(ends.client.get(), &byte, 1, 0) == 0);
  EXPECT_EQ(kept(), 0u);
  EXPECT_TRUE(waits_for_last_ack());
  World::in(pod_c, [] { shell("ip route del blackhole 10.244.0.2/32"); });
  for (int i = 0; i < 100 && waits_for_last_ack(); ++i) usleep(50'000);
  EXPECT_FALSE(waits_for_last_ack()) << "the FIN that was sent again passed, and so did its ACK";
  EXPECT_EQ(kept(), 0u);
  EXPECT_EQ(denied(), before);
}

TEST_F(PolicyTest, AResetAloneForgetsNothing) {
  Ends ends;
  World::in(pod_a, [&] { ends.listener = listen_on("::", 9000, SOCK_STREAM); });
  isolate(link_a, kIngress);
  allow(kC, WEFT_INGRESS, IPPROTO_TCP, 9000);
  ASSERT_TRUE(ends.connect_from(pod_c, 41'000, at_a[0]));
  linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(ends.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ends.client.reset();
  char byte;
  EXPECT_EQ(recv(ends.server.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(kept(), 1u) << "anybody could have sent it, out of sequence";
}

TEST_F(PolicyTest, OfLinksWithOnePlaceInTheArrayTheOthersAreInTheTable) {
  auto server = echo(world1, pod_a);
  uint32_t other = link_a + WEFT_POLICY_LINKS;
  ok(policy().erase_pod(link_a));
  ok(policy().set_pod(other, {kSubject, 0}));
  EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, at_a[0])) << "the other one's entry is not its own";
  isolate(link_a, kIngress);
  EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, at_a[0]));
  allow(kC, WEFT_INGRESS);
  EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, at_a[0]));
  EXPECT_EQ(policy().pod_at(link_a).value()->flags, kIngress);
  EXPECT_EQ(policy().pod_at(other).value()->flags, 0u);
  ok(policy().erase_pod(other));
  EXPECT_FALSE(policy().pod_at(other).value());
  isolate(link_a, kEgress);
  EXPECT_EQ(policy().pod_at(link_a).value()->flags, kEgress) << "in its place now";
}

TEST_F(PolicyTest, DatagramsThatWereBeforePoliciesGoOnIfAllowed) {
  auto a = echo(world1, pod_a), b = echo(world1, pod_b);
  for (size_t i = 0; i < at_a.size(); ++i) {
    isolate(link_a, 0);
    Talk in(pod_c, SOCK_DGRAM, at_a[i]), out(pod_a, SOCK_DGRAM, at_b[i]);
    ASSERT_TRUE(in.works() && out.works());
    isolate(link_a, kIngress | kEgress);
    EXPECT_FALSE(in.works() || out.works());
    isolate(link_a, 0);
    ASSERT_TRUE(in.works() && out.works());
    allow(kC, WEFT_INGRESS, IPPROTO_UDP);
    allow(kB, WEFT_EGRESS, IPPROTO_UDP);
    isolate(link_a, kIngress | kEgress);
    EXPECT_TRUE(in.works()) << "the answer is none of its own";
    EXPECT_TRUE(out.works()) << "the answer is none of its own";
    forget_flows();
    EXPECT_TRUE(in.works() && out.works()) << "begun anew";
    retract(kC, WEFT_INGRESS, IPPROTO_UDP);
    retract(kB, WEFT_EGRESS, IPPROTO_UDP);
  }
}

TEST_F(PolicyTest, AnAnswerAfterALongSilenceIsNone) {
  Fd server;
  World::in(pod_b, [&] { server = listen_on("::", 9000, SOCK_DGRAM); });
  isolate(link_a, kIngress);
  Talk talk(pod_a, SOCK_DGRAM, at_b[0], 9000);
  auto answer_heard = [&](bool aged) {
    require(send(talk.fd(), "?", 1, 0) == 1, "send");
    pollfd ready{server.get(), POLLIN, 0};
    SockAddr from;
    from.size = sizeof from.storage;
    char byte;
    if (poll(&ready, 1, 1000) != 1 || recvfrom(server.get(), &byte, 1, 0, from.get(), &from.size) != 1)
      return false;
    for (auto [key, flow] : policy().flows().read_all().value()) {
      if (aged) flow.seen_ns = 1;
      ok(policy().flows().update(key, flow));
    }
    sendto(server.get(), "!", 1, 0, from.get(), from.size);
    return talk.hears("!");
  };
  EXPECT_TRUE(answer_heard(false));
  EXPECT_FALSE(answer_heard(true));
}

}  // namespace
}  // namespace weft::service
