// Policy verdicts at pods' links, with real packets.
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include <optional>

#include "datapath/prefix_key.h"
#include "datapath/tcp_destroy.h"
#include "service/test_edge.h"
#include "service/test_sctp.h"

namespace weft::service {
namespace {

using namespace test;

constexpr uint32_t kA = 10, kB = 11, kC = 12, kClient = 13,
                   kNode = 14;  // identities of pods and of the client
constexpr uint32_t kSubject = 77;
constexpr uint32_t kIngress = WEFT_POLICY_ISOLATED_INGRESS, kEgress = WEFT_POLICY_ISOLATED_EGRESS;
constexpr uint16_t kPort = 8080;

/// Sends back every message, on connections that stay and by datagrams.
Child echo(World& world, const Fd& netns, uint16_t port = kPort) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn(
      [&] {
        Fd tcp = listen_on("::", port, SOCK_STREAM), udp = listen_on("::", port, SOCK_DGRAM);
        if (write(tell.get(), "x", 1) != 1) return 97;
        std::vector<Fd> talks;
        for (;;) {
          std::vector<pollfd> polls = {{tcp.get(), POLLIN, 0}, {udp.get(), POLLIN, 0}};
          for (const auto& talk : talks) polls.push_back({talk.get(), POLLIN, 0});
          poll(polls.data(), polls.size(), -1);
          char buffer[65536];
          for (size_t i = 2; i < polls.size(); ++i) {
            if (!polls[i].revents) continue;
            ssize_t n = recv(polls[i].fd, buffer, sizeof buffer, 0);
            if (n <= 0 || send(polls[i].fd, buffer, n, MSG_NOSIGNAL) < 0) talks[i - 2].reset();
          }
          std::erase_if(talks, [](const Fd& talk) { return !talk; });
          if (polls[0].revents) talks.emplace_back(accept4(tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
          SockAddr from;
          from.size = sizeof from.storage;
          if (!polls[1].revents) continue;
          ssize_t n = recvfrom(udp.get(), buffer, sizeof buffer, 0, from.get(), &from.size);
          if (n >= 0) sendto(udp.get(), buffer, n, 0, from.get(), from.size);
        }
        return 0;
      },
      false, netns.get());
  tell.reset();
  char byte;
  require(read(listening.get(), &byte, 1) == 1, "echo did not start");
  return child;
}

/// A connection that stays, from a namespace.
class Talk {
 public:
  Talk(const Fd& netns, int type, const std::string& at, uint16_t port = kPort, int protocol = 0) {
    World::in(netns, [&] {
      auto to = sock_addr(at, port);
      fd_.reset(socket(to.storage.ss_family, type | SOCK_CLOEXEC, protocol));
      timeval limit{.tv_sec = 0, .tv_usec = 700'000};
      for (int option : {SO_RCVTIMEO, SO_SNDTIMEO})
        setsockopt(fd_.get(), SOL_SOCKET, option, &limit, sizeof limit);
      // A connect that times out is still in progress.
      open_ = connect(fd_.get(), to.get(), to.size) == 0;
    });
  }
  /// Whether what is said comes back.
  bool works(const std::string& what = "hello") const {
    return open_ && send(fd_.get(), what.data(), what.size(), MSG_NOSIGNAL) >= 0 && hears(what);
  }
  bool hears(const std::string& what) const {
    std::string heard(what.size(), 0);
    ssize_t n = recv(fd_.get(), heard.data(), heard.size(), MSG_WAITALL);
    return n == static_cast<ssize_t>(what.size()) && heard == what;
  }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  bool open_ = false;
};

class PolicyTest : public EdgeTest {
 protected:
  PolicyTest() {
    start(node_port_service(kPorts, 30080), {});
    for (const auto& [addresses, identity] : std::initializer_list<std::pair<std::vector<const char*>, int>>{
             {{"10.244.0.2/32", "fd00:244::2/128"}, kA},
             {{"10.244.1.2/32", "fd00:244:1::2/128"}, kB},
             {{"10.244.0.3/32", "fd00:244::3/128"}, kC},
             {{"192.0.2.1/32", "fd00:9::1/128"}, kClient},
             {{"192.0.2.2/32", "fd00:9::2/128"}, kNode}}) {
      for (const char* address : addresses)
        ok(policy().identities().update(datapath::prefix_key(prefix(address)),
                                        static_cast<uint32_t>(identity)));
    }
    node1.reset(dup(world1.netns()));
    link_a = index_of("poda");
    link_c = index_of("podc");
  }
  uint32_t index_of(const char* link) const {
    uint32_t out = 0;
    World::in(node1, [&] { out = if_nametoindex(link); });
    return out;
  }
  template <class T>
  static void ok(const Expected<T>& result) {
    if (!result) throw std::runtime_error(result.error().message);
  }
  const datapath::PodPolicy& policy() const { return one.edge->policy(); }
  void isolate(uint32_t link, uint32_t flags) {
    ok(policy().set_pod(link, {kSubject, flags}));
    ok(policy().raise_revision());
  }
  /// `port`: 0 for any; of it the first `bits` count.
  static weft_verdict_key key(uint32_t peer, uint8_t direction, uint8_t protocol, uint16_t port,
                              uint32_t bits) {
    uint32_t length = WEFT_VERDICT_FIXED_BITS + (protocol ? 8 : 0) + (port ? bits : 0);
    return {length, kSubject, peer, direction, protocol, htons(port)};
  }
  void set(uint32_t verdict, uint32_t peer, uint8_t direction, uint8_t protocol = 0, uint16_t port = 0,
           uint32_t bits = 16, uint32_t reason = 1) {
    ok(policy().verdicts().update(key(peer, direction, protocol, port, bits), {verdict, reason}));
    ok(policy().raise_revision());
  }
  void allow(uint32_t peer, uint8_t direction, uint8_t protocol = 0, uint16_t port = 0, uint32_t bits = 16) {
    set(WEFT_VERDICT_ALLOW, peer, direction, protocol, port, bits);
  }
  void retract(uint32_t peer, uint8_t direction, uint8_t protocol = 0, uint16_t port = 0) {
    ok(policy().verdicts().erase(key(peer, direction, protocol, port, 16)));
    ok(policy().raise_revision());
  }
  void forget_flows() const {
    for (const auto& [flow, value] : policy().flows().read_all().value()) ok(policy().flows().erase(flow));
  }
  /// Connections that are kept as neither the node's nor anything but TCP.
  size_t kept() const {
    size_t count = 0;
    for (const auto& [key, flow] : policy().flows().read_all().value())
      count += key.protocol == IPPROTO_TCP && !(flow.flags & WEFT_POLICY_FLOW_NODE);
    return count;
  }
  static bool reaches(const Fd& from, int type, const std::string& at, uint16_t port = kPort) {
    return Talk(from, type, at, port).works();
  }
  static bool pings(const Fd& from, const std::string& at) {
    bool v6 = at.find(':') != std::string::npos;
    World::in(from, [] { shell("sysctl -qw net.ipv4.ping_group_range='0 0'"); });
    Talk ping(from, SOCK_DGRAM, at, 0, v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP});
    icmphdr request{};
    request.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    char reply[64];
    return send(ping.fd(), &request, sizeof request, 0) > 0 && recv(ping.fd(), reply, sizeof reply, 0) > 0;
  }
  uint64_t counter(weft_policy_counter which) const { return policy().counters().value()[which]; }

  const std::vector<std::string> at_a = {"10.244.0.2", "fd00:244::2"}, at_b = {"10.244.1.2", "fd00:244:1::2"},
                                 at_c = {"10.244.0.3", "fd00:244::3"};
  Fd node1;
  uint32_t link_a = 0, link_c = 0;
};

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

TEST_F(PolicyTest, AClientBehindTheNodesAddressIsItself) {
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
                                     testing::HasSubstr(", a ::ffff:192.0.2.2 ")));
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
    EXPECT_THAT(from_pod(pod_a, [&] { return ask(type, "10.96.0.7", 80); }),
                testing::StartsWith("a ::ffff:192.0.2.2 "));
  }
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
