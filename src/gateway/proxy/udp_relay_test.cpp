#include "gateway/proxy/udp_relay.h"

#include <gtest/gtest.h>

#include <array>

#include "gateway/proxy/test_net.h"
#include "gateway/proxy/test_route.h"

namespace weft::gateway {
namespace {

using namespace test_net;

/// A relay on a loop, and what clients and backends do with it.
struct World : StreamLog {
  LoopThread thread;
  ListenerCounters counters;
  std::vector<Flag> over;  ///< of the loop's thread
  RouteCompiler compiler;
  uint16_t port = 0;
  std::unique_ptr<UdpRelay> relay;

  explicit World(const TestRoute& route) {
    Fd socket = UdpRelay::open(0).value();
    port = port_of(socket);
    thread.run([&] { relay = std::make_unique<UdpRelay>(thread.loop(), std::move(socket), *this); });
    update(route);
  }
  ~World() {
    thread.run([&] { relay.reset(); });
  }
  void on_stream_over(const StreamRecord& record) override { over.push_back(record.flag()); }
  void update(const TestRoute& route) {
    auto compiled = compiler.compile(route.port);
    thread.run([&] { relay->update(compiled, std::make_shared<const Snapshot>(route.snapshot), counters); });
  }
  size_t sessions() {
    size_t count = 0;
    thread.run([&] { count = relay->sessions(); });
    return count;
  }
};

struct Datagram {
  std::string text;
  sockaddr_in6 from{};
};

Datagram take(const Fd& socket, int patience = kPatience) {
  if (!readable(socket, patience)) return {"(nothing)"};
  Datagram got;
  got.text.resize(65536);
  socklen_t size = sizeof got.from;
  ssize_t length = ::recvfrom(socket.get(), got.text.data(), got.text.size(), 0,
                              reinterpret_cast<sockaddr*>(&got.from), &size);
  got.text.resize(length < 0 ? 0 : static_cast<size_t>(length));
  return got;
}

void answer(const Fd& socket, const Datagram& to, std::string_view text) {
  ::sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to.from),
           sizeof to.from);
}

TEST(UdpRelay, ThereAndBack) {
  Fd backend = bound(SOCK_DGRAM);
  World world(TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(port_of(backend))}}));
  Fd one = connected(SOCK_DGRAM, world.port);
  Fd two = connected(SOCK_DGRAM, world.port);
  say(one, "from one");
  Datagram first = take(backend);
  EXPECT_EQ(first.text, "from one");
  say(two, "from two");
  Datagram second = take(backend);
  EXPECT_EQ(second.text, "from two");
  EXPECT_NE(first.from.sin6_port, second.from.sin6_port) << "a session each";
  answer(backend, second, "to two");
  answer(backend, first, "to one");
  EXPECT_EQ(take(one).text, "to one");
  EXPECT_EQ(take(two).text, "to two");
  say(one, "again");
  EXPECT_EQ(take(backend).from.sin6_port, first.from.sin6_port) << "the same session";
  EXPECT_EQ(world.sessions(), 2);
  world.thread.run([&] { world.relay->close(Flag::shutdown); });
  EXPECT_EQ(world.over, (std::vector<Flag>{Flag::shutdown, Flag::shutdown}));
  EXPECT_EQ(world.counters.streams.value(), 2u);
  EXPECT_EQ(world.counters.streams_active.value(), 0u);
  EXPECT_EQ(world.counters.stream_bytes_in.value(), 21u);
  EXPECT_EQ(world.counters.stream_bytes_out.value(), 12u);
}

TEST(UdpRelay, FromIpv4) {
  Fd backend = bound(SOCK_DGRAM);
  World world(TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(port_of(backend))}}));
  Fd client(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(world.port);
  to.sin_addr.s_addr = htonl(0x7f000005);  // the answer has to come from there
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  say(client, "four");
  answer(backend, take(backend), "six");
  EXPECT_EQ(heard(client, 3), "six");
}

TEST(UdpRelay, ManyAndLargeInOrder) {
  Fd backend = bound(SOCK_DGRAM);
  World world(TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(port_of(backend))}}));
  Fd client = connected(SOCK_DGRAM, world.port);
  for (int i = 0; i < 200; ++i) {
    std::string text = std::to_string(i) + std::string(i % 3 == 0 ? 20'000 : 10, 'x');
    say(client, text);
    Datagram got = take(backend);
    ASSERT_EQ(got.text, text);
    answer(backend, got, text);
    ASSERT_EQ(take(client).text, text);
  }
  ASSERT_EQ(::send(client.get(), "", 0, 0), 0);
  EXPECT_EQ(take(backend).text, "") << "an empty one is one, too";
}

TEST(UdpRelay, SharesSessionsOut) {
  Fd a = bound(SOCK_DGRAM), b = bound(SOCK_DGRAM);
  World world(TestRoute(Protocol::udp, {{.backend = "0", .weight = 3}, {.backend = "1"}},
                        {{endpoint(port_of(a))}, {endpoint(port_of(b))}}));
  std::vector<Fd> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(connected(SOCK_DGRAM, world.port));
    say(clients.back(), "x");
  }
  int to_a = 0, to_b = 0;
  while (to_a + to_b < 40) {
    std::array<pollfd, 2> waits{{{.fd = a.get(), .events = POLLIN}, {.fd = b.get(), .events = POLLIN}}};
    ASSERT_GT(::poll(waits.data(), waits.size(), kPatience), 0) << to_a << " and " << to_b;
    if (waits[0].revents != 0) to_a += take(a).text == "x";
    if (waits[1].revents != 0) to_b += take(b).text == "x";
  }
  EXPECT_NEAR(to_a, 30, 3);
}

TEST(UdpRelay, LeavesEndpointsThatAreGone) {
  Fd old = bound(SOCK_DGRAM), kept = bound(SOCK_DGRAM), fresh = bound(SOCK_DGRAM);
  World world(TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(port_of(old))}}));
  Fd client = connected(SOCK_DGRAM, world.port);
  say(client, "1");
  uint16_t session = take(old).from.sin6_port;
  world.update(
      TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(port_of(old)), endpoint(port_of(kept))}}));
  say(client, "2");
  EXPECT_EQ(take(old).from.sin6_port, session) << "not moved without need";
  world.update(TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(port_of(fresh))}}));
  say(client, "3");
  EXPECT_EQ(take(fresh).text, "3");
  EXPECT_EQ(world.sessions(), 1);
}

TEST(UdpRelay, ChoosesAgainWhenRefused) {
  Fd alive = bound(SOCK_DGRAM);
  uint16_t nobody = port_of(bound(SOCK_DGRAM));
  World world(TestRoute(Protocol::udp, {{.backend = "0"}}, {{endpoint(nobody), endpoint(port_of(alive))}}));
  Fd client = connected(SOCK_DGRAM, world.port);
  std::string got = "(nothing)";
  for (int i = 0; i < 50 && got == "(nothing)"; ++i) {
    say(client, "x");
    got = take(alive, 100).text;
  }
  EXPECT_EQ(got, "x");
}

TEST(UdpRelay, NobodyToTalkTo) {
  World world(TestRoute(Protocol::udp, {{.backend = "none"}}, {}));
  Fd client = connected(SOCK_DGRAM, world.port);
  say(client, "x");
  auto failed = [&] { return world.counters.flags[static_cast<size_t>(Flag::no_backend)].value(); };
  for (int waited = 0; failed() == 0 && waited < kPatience; waited += 10) ::usleep(10'000);
  EXPECT_EQ(failed(), 1u);
  EXPECT_FALSE(readable(client, 100));
  EXPECT_EQ(world.sessions(), 0);
}

}  // namespace
}  // namespace weft::gateway
