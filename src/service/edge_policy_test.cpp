// Policy verdicts at pods' links, with real packets.
#include <optional>

#include "service/test_edge_policy.h"
#include "service/test_sctp.h"

namespace weft::service {
namespace {

using namespace test;

TEST_F(PolicyTest, IngressByIdentityPortAndProtocol) {
  auto servers = std::array{echo(world1, pod_a), echo(world1, pod_a, 8081)};
  isolate(link_a, kIngress);
  for (const auto& a : at_a) EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, a)) << a << ": nothing allows it";
  allow(kC, WEFT_INGRESS, IPPROTO_TCP, kPort);
  for (const auto& a : at_a) {
    EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, a)) << a;
    EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, a, 8081)) << a << ": another port";
    EXPECT_FALSE(reaches(pod_c, SOCK_DGRAM, a)) << a << ": another protocol";
    EXPECT_FALSE(reaches(pod_b, SOCK_STREAM, a)) << a << ": another peer";
  }
  allow(kB, WEFT_INGRESS, IPPROTO_UDP, kPort, 13);  // 8080 to 8087
  for (const auto& a : at_a) {
    EXPECT_TRUE(reaches(pod_b, SOCK_DGRAM, a)) << a;
    EXPECT_TRUE(reaches(pod_b, SOCK_DGRAM, a, 8081)) << a;
  }
  EXPECT_GE(counter(WEFT_POLICY_ALLOWED_INGRESS), 6u);
  EXPECT_GE(counter(WEFT_POLICY_DENIED_INGRESS), 8u);
}

TEST_F(PolicyTest, AnyPeerIsForThoseWithoutAnEntryOfTheirOwn) {
  auto server = echo(world1, pod_a);
  World::in(client, [] {
    shell("ip route add 10.244.0.0/24 via 192.0.2.2 && ip -6 route add fd00:244::/64 via fd00:9::2");
  });
  isolate(link_a, kIngress);
  allow(WEFT_IDENTITY_ANY, WEFT_INGRESS, IPPROTO_TCP);
  set(WEFT_VERDICT_DENY, kC, WEFT_INGRESS, IPPROTO_TCP, kPort);
  for (const auto& a : at_a) {
    EXPECT_TRUE(reaches(pod_b, SOCK_STREAM, a)) << a;
    EXPECT_TRUE(reaches(client, SOCK_STREAM, a)) << a;
    EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, a)) << a;
  }
}

TEST_F(PolicyTest, Egress) {
  auto a = echo(world1, pod_a), b = echo(world1, pod_b), c = echo(world1, pod_c);
  isolate(link_c, kEgress);
  allow(kA, WEFT_EGRESS, IPPROTO_TCP, kPort);
  allow(kB, WEFT_EGRESS, IPPROTO_UDP);
  for (size_t i = 0; i < at_a.size(); ++i) {
    EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, at_a[i])) << at_a[i];
    EXPECT_FALSE(reaches(pod_c, SOCK_DGRAM, at_a[i])) << at_a[i];
    EXPECT_TRUE(reaches(pod_c, SOCK_DGRAM, at_b[i])) << at_b[i];
    EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, at_b[i])) << at_b[i];
    // Answers to what others begin are not its own connections.
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) EXPECT_TRUE(reaches(pod_b, type, at_c[i])) << at_c[i];
  }
}

TEST_F(PolicyTest, EchoRequestsAndOtherProtocolsNeedAVerdictForAnyProtocol) {
  for (const auto& a : at_a) EXPECT_TRUE(pings(pod_c, a)) << a;
  isolate(link_a, kIngress | kEgress);
  allow(kC, WEFT_INGRESS, IPPROTO_TCP);
  for (const auto& a : at_a) EXPECT_FALSE(pings(pod_c, a)) << a;
  allow(kC, WEFT_INGRESS);
  for (const auto& a : at_a) EXPECT_TRUE(pings(pod_c, a)) << a;
  for (const auto& c : at_c) EXPECT_FALSE(pings(pod_a, c)) << c;
}

TEST_F(PolicyTest, Sctp) {
  auto a4 = sctp_echo(world1, pod_a, AF_INET), a6 = sctp_echo(world1, pod_a, AF_INET6);
  auto asks = [&](const std::string& at, uint16_t port, uint16_t own) {
    return from_pod(pod_c, [&] { return ask_sctp(at, port, 20, own); }).starts_with(at);
  };
  isolate(link_a, kIngress | kEgress);
  allow(kC, WEFT_INGRESS, IPPROTO_SCTP, 3868);
  for (const auto& a : at_a) {
    EXPECT_TRUE(asks(a, 3868, 5000)) << a;
    EXPECT_FALSE(asks(a, 3869, 5000)) << a;
  }
}

TEST_F(PolicyTest, FragmentsFollowTheFirst) {
  auto server = echo(world1, pod_a);
  isolate(link_a, kIngress | kEgress);
  allow(kC, WEFT_INGRESS, IPPROTO_UDP, kPort);
  std::string large(5000, 'x');
  for (const auto& a : at_a) {
    EXPECT_TRUE(Talk(pod_c, SOCK_DGRAM, a).works(large)) << a;
    EXPECT_FALSE(Talk(pod_b, SOCK_DGRAM, a).works(large)) << a;
  }
}

TEST_F(PolicyTest, APodThatIsNotKnownIsCutOff) {
  auto server = echo(world1, pod_a);
  ok(policy().erase_pod(link_a));
  for (const auto& a : at_a) {
    EXPECT_FALSE(reaches(pod_c, SOCK_STREAM, a)) << a;
    EXPECT_FALSE(reaches(node1, SOCK_STREAM, a)) << a;
    EXPECT_FALSE(pings(pod_c, a)) << a;
  }
  EXPECT_GE(counter(WEFT_POLICY_UNKNOWN_POD), 6u);
  // Neighbours are found all the same: of an address that is not in the table.
  World::in(pod_a, [] { shell("ip addr add fd00:ff::a/64 dev eth0 nodad"); });
  World::in(node1, [&] {
    shell("ip addr add fd00:ff::1/64 dev poda nodad");
    Talk(node1, SOCK_DGRAM, "fd00:ff::a").works();
    shell("ip -6 neigh show fd00:ff::a dev poda | grep -q lladdr");
  });
  World::in(node1, [&] {
    auto link = static_cast<int>(link_a);
    ok(policy().introduce({&link, 1}));
  });
  for (const auto& a : at_a) EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, a)) << a;
}

TEST_F(PolicyTest, TheNodeReachesItsPodsAndNotTheOtherWay) {
  auto pod = echo(world1, pod_a), node = echo(world1, node1, 8090);
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    for (const auto& a : at_a) {
      isolate(link_a, 0);
      Talk before(node1, type, a);
      ASSERT_TRUE(before.works());
      isolate(link_a, kIngress | kEgress);
      EXPECT_TRUE(before.works()) << a;
      EXPECT_TRUE(reaches(node1, type, a)) << a;
      EXPECT_TRUE(pings(node1, a)) << a;
    }
    for (const char* at : {"192.0.2.2", "fd00:9::2"}) EXPECT_FALSE(reaches(pod_a, type, at, 8090)) << at;
  }
  allow(kNode, WEFT_EGRESS, IPPROTO_TCP, 8090);
  for (const char* at : {"192.0.2.2", "fd00:9::2"}) EXPECT_TRUE(reaches(pod_a, SOCK_STREAM, at, 8090)) << at;
}

TEST_F(PolicyTest, AnAnswerToTheNodeThatIsOnItsWayWhenThePodIsIsolatedArrives) {
  for (const auto& a : at_a) {
    isolate(link_a, 0);
    Fd listener, accepted;
    World::in(pod_a, [&] { listener = listen_on("::", 9000, SOCK_STREAM); });
    Talk talk(node1, SOCK_STREAM, a, 9000);
    pollfd ready{listener.get(), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, 1000), 1);
    accepted.reset(accept(listener.get(), nullptr, nullptr));
    isolate(link_a, kIngress | kEgress);
    ASSERT_EQ(send(accepted.get(), "answer", 6, 0), 6);
    EXPECT_TRUE(talk.hears("answer")) << a;
  }
}

TEST_F(PolicyTest, ClientsOfTheNodesEdge) {
  auto server = echo(world1, pod_a);
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")}),
                                           slice("s6", "a", kTargets, {on("node-1", "fd00:244::2")})});
  auto guarded = [&] {
    size_t count = 0;
    for (const auto& [tuple, flow] : one.edge->edge().flows().read_all().value())
      count += (flow.flags & WEFT_FLOW_GUARDED) != 0;
    return count;
  };
  /// For longer than a way is kept.
  auto works_on = [](const Talk& talk) {
    for (int i = 0; i < 40; ++i) {
      if (!talk.works()) return false;
      usleep(10'000);
    }
    return true;
  };
  allow(kClient, WEFT_INGRESS);
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    for (const char* at : {"192.0.2.2", "fd00:9::2"}) {
      uint16_t port = type == SOCK_STREAM ? 30080 : 30081;
      isolate(link_a, 0);
      Talk talk(client, type, at, port);
      ASSERT_TRUE(works_on(talk)) << at;
      size_t before = guarded();
      isolate(link_a, kIngress | kEgress);
      EXPECT_TRUE(works_on(talk)) << at << ": allowed by the client's own address";
      EXPECT_EQ(guarded(), before + 1) << at << ": by way of the program at the pod's link";
      retract(kClient, WEFT_INGRESS);
      usleep(300'000);
      // More than the one that asks for the route; and answers to any would pass.
      isolate(link_a, kIngress);
      for (int i = 0; i < 5; ++i) EXPECT_EQ(send(talk.fd(), "cut", 3, MSG_NOSIGNAL), 3);
      EXPECT_FALSE(talk.hears("cut")) << at;
      EXPECT_FALSE(reaches(client, type, at, port)) << at;
      allow(kClient, WEFT_INGRESS);
    }
  }
}

TEST_F(PolicyTest, AClientThatIsGivenAnotherPortIsItself) {
  auto server = answer(world1, pod_a, "a", kPort);
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")})});
  World::in(client, [] { shell("ip route add 10.96.0.0/16 via 192.0.2.2"); });
  isolate(link_a, kIngress);
  auto both = [&] {
    auto ask_from = [&](const char* at, uint16_t port) {
      return from_client([&] {
        Fd fd(socket(AF_INET, SOCK_DGRAM, 0));
        timeval limit{.tv_sec = 0, .tv_usec = 500'000};
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        auto own = sock_addr("0.0.0.0", 41'000);
        require(bind(fd.get(), own.get(), own.size) == 0, "bind");
        return test::ask_from(fd.get(), at, port);
      });
    };
    return ask_from("192.0.2.2", 30081) + ", " + ask_from("10.96.0.7", 80);
  };
  EXPECT_EQ(both(), "EAGAIN, EAGAIN");
  allow(kClient, WEFT_INGRESS, IPPROTO_UDP);
  EXPECT_THAT(both(), testing::AllOf(testing::StartsWith("a ::ffff:192.0.2.1 41000"),
                                     testing::HasSubstr(", a ::ffff:192.0.2.1 "),
                                     testing::Not(testing::HasSubstr(", a ::ffff:192.0.2.1 41000"))));
}

TEST_F(PolicyTest, ServicesAreTheirBackends) {
  auto a = answer(world1, pod_a, "a", kPort), b = answer(world1, pod_b, "b", kPort);
  isolate(link_c, kIngress | kEgress);
  allow(kA, WEFT_EGRESS, 0);
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    auto asked = [&] { return from_pod(pod_c, [&] { return ask(type, "10.96.0.7", 80); }); };
    start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")})});
    EXPECT_THAT(asked(), testing::StartsWith("a ")) << "its answers, from the Service's address, are known";
    start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-2", "10.244.1.2")})});
    EXPECT_THAT(asked(), testing::AnyOf("EINPROGRESS", "EAGAIN")) << "another backend";
  }
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {})});
  EXPECT_EQ(from_pod(pod_c, [&] { return ask(SOCK_STREAM, "10.96.0.7", 80); }), "ECONNREFUSED");
}

TEST_F(PolicyTest, APodReachesItself) {
  auto a = answer(world1, pod_a, "a", kPort);
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")})});
  isolate(link_a, kIngress | kEgress);
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    auto itself = [&] { return from_pod(pod_a, [&] { return ask(type, "10.96.0.7", 80); }); };
    EXPECT_THAT(itself(), testing::StartsWith("a ::ffff:192.0.2.2 "));
    for (uint8_t direction : {WEFT_EGRESS, WEFT_INGRESS}) {
      set(WEFT_VERDICT_DENY, kA, direction);
      EXPECT_THAT(itself(), testing::StartsWith("a ::ffff:192.0.2.2 "));
      set(WEFT_VERDICT_DENY_ITSELF, kA, direction);
      EXPECT_THAT(itself(), testing::AnyOf("EINPROGRESS", "EAGAIN"));
      retract(kA, direction);
    }
  }
}

TEST_F(PolicyTest, APodReachesItselfByAFamilyInWhichTheNodeHasNoAddress) {
  auto a = answer(world1, pod_a, "a", kPort);
  World::in(node1, [] { shell("ip addr del fd00:9::2/64 dev eth0"); });
  one.facts.addresses = {ip("192.0.2.2")};
  nodes[0] = node_object("node-1", {"192.0.2.2"}, {"10.244.0.0/24", "fd00:244::/64"});
  auto by_backend = [&](const char* backend) {
    start(node_port_service(kPorts, 30080), {slice("s6", "a", kTargets, {on("node-1", backend)})});
  };
  by_backend("fd00:244::2");
  isolate(link_a, kIngress | kEgress);
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    auto itself = [&] { return from_pod(pod_a, [&] { return ask(type, "fd00:96::7", 80); }); };
    EXPECT_THAT(itself(), testing::StartsWith("a fd00:244:: "));
    set(WEFT_VERDICT_DENY_ITSELF, kA, WEFT_INGRESS);
    EXPECT_THAT(itself(), testing::AnyOf("EINPROGRESS", "EAGAIN"));
    retract(kA, WEFT_INGRESS);
  }
  EXPECT_EQ(counters()[WEFT_EDGE_NO_ADDRESS], 0u);
  // One outside the cluster could not answer to that address.
  by_backend("2001:db8::1");
  isolate(link_a, 0);
  EXPECT_EQ(from_pod(pod_a, [] { return ask(SOCK_DGRAM, "fd00:96::7", 80); }), "EAGAIN");
  EXPECT_EQ(counters()[WEFT_EDGE_NO_ADDRESS], 1u);
  EXPECT_EQ(counters()[WEFT_EDGE_TABLE_FULL], 0u);
}

TEST_F(PolicyTest, StaysInForceWithoutAnAgent) {
  auto server = echo(world1, pod_a);
  isolate(link_a, kIngress);
  allow(kC, WEFT_INGRESS);
  Talk talk(pod_c, SOCK_STREAM, at_a[0]);
  ASSERT_TRUE(talk.works());
  auto edge = std::exchange(one.edge, nullptr);
  edge.reset();
  EXPECT_TRUE(talk.works());
  EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, at_a[0]));
  EXPECT_FALSE(reaches(pod_b, SOCK_STREAM, at_a[0]));
  World::in(node1, [&] {
    one.edge = std::move(NodeEdgeEngine::open(world1.bpf_dir(), one.services->socket()).value());
    ok(one.edge->attach_pods());
  });
  EXPECT_TRUE(talk.works()) << "the next agent takes over what is there";
  EXPECT_FALSE(reaches(pod_b, SOCK_STREAM, at_a[0]));
  EXPECT_EQ(policy().pods().lookup(link_a).value()->flags, kIngress);
}

TEST_F(PolicyTest, ForgetsPodsWhoseLinksAreGone) {
  World::in(node1, [&] {
    shell("ip link del podc");
    ok(policy().forget_gone_links());
  });
  EXPECT_FALSE(policy().pods().lookup(link_c).value());
  EXPECT_TRUE(policy().pods().lookup(link_a).value());
}

TEST_F(PolicyTest, ManyEntriesAreWrittenAndRemovedAtOnce) {
  std::vector<weft_verdict_key> keys;
  for (uint16_t port = 1; port <= 1000; ++port) keys.push_back(key(kC, WEFT_INGRESS, IPPROTO_TCP, port, 16));
  std::vector<weft_verdict> values(keys.size(), {WEFT_VERDICT_ALLOW, 7});
  ok(policy().verdicts().update_all(keys, values));
  EXPECT_EQ(policy().verdicts().read_all().value().size(), 1000u);
  for (size_t gone : {0, 1, 500, 998}) ok(policy().verdicts().erase(keys[gone]));
  ok(policy().verdicts().erase_all(std::span(keys).first(999)));
  auto left = policy().verdicts().read_all().value();
  ASSERT_EQ(left.size(), 1u) << "what is gone already stops nothing";
  EXPECT_EQ(ntohs(left[0].first.port), 1000);
}

TEST_F(PolicyTest, ReportsDecisions) {
  auto server = echo(world1, pod_a);
  std::vector<weft_policy_event> events;
  auto reader = datapath::PolicyEvents::open(policy(), [&](const auto& event) { events.push_back(event); });
  ASSERT_TRUE(reader);
  isolate(link_a, kIngress);
  set(WEFT_VERDICT_DENY, kC, WEFT_INGRESS, IPPROTO_UDP, kPort, 16, 42);
  Talk denied(pod_c, SOCK_DGRAM, at_a[0]);
  EXPECT_FALSE(denied.works() || denied.works());
  pollfd readable{reader->poll_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&readable, 1, 1000), 1);
  ASSERT_EQ(reader->read().value(), 1u) << "the second datagram is no news";
  EXPECT_EQ(IpAddr::v6(std::to_array(events[0].peer)), IpAddr::v6(ip(at_c[0].c_str()).mapped()));
  EXPECT_EQ(ntohs(events[0].pod_port), kPort);
  EXPECT_EQ(std::tuple(events[0].verdict, events[0].audit, events[0].direction, events[0].protocol),
            std::tuple(WEFT_VERDICT_DENY, 0, WEFT_INGRESS, IPPROTO_UDP));
  EXPECT_EQ(std::tuple(events[0].link, events[0].subject, events[0].peer_identity, events[0].reason),
            std::tuple(link_a, kSubject, kC, 42u));

  isolate(link_a, kIngress | WEFT_POLICY_AUDIT_INGRESS);
  EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, at_a[0]));
  ASSERT_EQ(reader->read().value(), 1u);
  EXPECT_EQ(std::tuple(events[1].verdict, events[1].audit, events[1].reason),
            std::tuple(WEFT_VERDICT_ALLOW, 1, 0u));
  EXPECT_EQ(counter(WEFT_POLICY_AUDITED_INGRESS), 1u);

  allow(kC, WEFT_INGRESS, IPPROTO_TCP);
  isolate(link_a, kIngress | WEFT_POLICY_REPORT_ALLOWED);
  EXPECT_TRUE(reaches(pod_c, SOCK_STREAM, at_a[0]));
  ASSERT_EQ(reader->read().value(), 1u);
  EXPECT_EQ(std::tuple(events[2].verdict, events[2].audit, events[2].reason),
            std::tuple(WEFT_VERDICT_ALLOW, 0, 1u));
}

}  // namespace
}  // namespace weft::service
