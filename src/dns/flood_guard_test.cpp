#include "dns/flood_guard.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/netns.h"
#include "dns/socket.h"
#include "dns/test_pods.h"

namespace weft::dns {
namespace {

using namespace std::chrono_literals;

SocketAddress address(const std::string& text) { return *SocketAddress::parse(text); }
Client host(const char* text) { return {.link = 0, .address = *IpAddr::parse(text)}; }

/// A server's socket, and those who send to it.
class Flooded : public testing::Test {
 protected:
  Fd from(const std::string& text) {
    auto fd = open_udp(address(text), false);
    EXPECT_TRUE(fd) << fd.error().message;
    sockaddr_storage to;
    auto length = local_address(server).to(to);
    EXPECT_EQ(::connect(fd->get(), reinterpret_cast<sockaddr*>(&to), length), 0);
    return std::move(*fd);
  }
  void listen(const std::string& text) {
    auto fd = open_udp(address(text), false);
    ASSERT_TRUE(fd) << fd.error().message;
    server = std::move(*fd);
  }
  static void send(const Fd& fd, int datagrams) {
    for (int i = 0; i < datagrams; ++i) ASSERT_EQ(::send(fd.get(), "question", 8, 0), 8);
  }
  /// Takes what is there: how many datagrams, who sent the last one.
  int take() {
    int out = 0;
    std::array<char, 64> buffer;
    while (::recv(server.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) ++out;
    return out;
  }
  int taken_of(const Fd& fd, int datagrams) {
    send(fd, datagrams);
    return take();
  }

  Fd server;
};

TEST_F(Flooded, AFilterTakesSomeOfOneAndAllOfOthers) {
  for (const auto& [listener, bad, good] :
       {std::tuple{"127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"}, std::tuple{"[::1]:0", "[::1]:0", ""}}) {
    listen(listener);
    const bool v4 = address(listener).ip.is_v4();
    Fd flood = from(bad);
    const std::array<Thinned, 2> thinned{Thinned{host("10.0.0.1"), 4},
                                         Thinned{{.link = 0, .address = address(bad).ip}, 8}};
    ASSERT_TRUE(attach_filter(server.get(), thinned, v4));
    const int taken = taken_of(flood, 4000);
    EXPECT_GT(taken, 300) << listener;
    EXPECT_LT(taken, 700) << listener;
    EXPECT_EQ(fill_of(server.get())->dropped, 4000U - static_cast<uint32_t>(taken));
    if (*good) EXPECT_EQ(taken_of(from(good), 1000), 1000);
    ASSERT_TRUE(attach_filter(server.get(), {}, v4));
    EXPECT_EQ(taken_of(flood, 1000), 1000);
    ASSERT_TRUE(attach_filter(server.get(), {}, v4)) << "there is none";
  }
}

TEST_F(Flooded, APodIsKnownByItsLink) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  TestPods pods;
  pods.add("bad", 2, "weft-pod/1 shop");
  pods.add("good", 3, "weft-pod/2 shop");
  listen("172.31.0.1:0");
  auto from_pod = [&](const std::string& pod) {
    auto inside = InNetns::enter(netns_path(pods.netns(pod)));
    EXPECT_TRUE(inside);
    return from("0.0.0.0:0");
  };
  Fd bad = from_pod("bad"), good = from_pod("good");
  // What a datagram's control data says, is what the filter goes by.
  send(bad, 1);
  std::array<char, 64> buffer;
  iovec data{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, 64> control;
  msghdr message{.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.data(), .msg_controllen = 64};
  ASSERT_EQ(::recvmsg(server.get(), &message, 0), 8);
  const std::array<Thinned, 1> thinned{Thinned{{.link = device_of(message), .address = {}}, 1U << 31}};
  ASSERT_TRUE(attach_filter(server.get(), thinned, true));
  EXPECT_EQ(taken_of(bad, 1000), 0);
  EXPECT_EQ(taken_of(good, 1000), 1000);
}

/// A thread that takes what is in its socket's buffer each 100 ms, and who asks it.
class Guarded : public Flooded {
 protected:
  void SetUp() override {
    listen("127.0.0.1:0");
    constexpr int kSmall = 512 * 1024;
    ASSERT_EQ(::setsockopt(server.get(), SOL_SOCKET, SO_RCVBUF, &kSmall, sizeof kSmall), 0);
    bad = from("127.0.0.2:0");
    good = from("127.0.0.3:0");
    guard.guard({{.fd = server.get(), .v4 = true}});
    const auto fill = fill_of(server.get());
    ASSERT_TRUE(fill);
    send(good, 100);
    room = static_cast<int>(fill->size / (fill_of(server.get())->used / 100));
    take();
  }
  /// One round: `flood` datagrams of the bad one, then ten of the good one. What of these has come.
  int round(int flood, bool limited = true) {
    send(bad, flood);
    send(good, 10);
    int good_ones = 0;
    now += 100ms;
    std::array<char, 64> buffer;
    sockaddr_storage peer;
    // The thread looks after its first batch, as its turns are.
    for (int i = 0;; ++i) {
      socklen_t length = sizeof peer;
      if (::recvfrom(server.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                     reinterpret_cast<sockaddr*>(&peer), &length) <= 0)
        break;
      const auto who = SocketAddress::from(peer).ip;
      good_ones += who == *IpAddr::parse("127.0.0.3");
      limits.allow_by(std::nullopt, now, [&] { return Client{.link = 0, .address = who}; });
      if (i == 64) guard.look(now, limited);
    }
    guard.look(now, limited);
    return good_ones;
  }

  ClientLimits limits;
  Counters counters;
  FloodGuard guard{limits, counters, [](const Client& client) { return client.address.str(); }};
  FloodGuard::Clock::time_point now{1000s};
  Fd bad, good;
  int room = 0;  ///< datagrams that the buffer holds
};

TEST_F(Guarded, WhoFloodsHasNoMoreThanThereIsRoomFor) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(round(room / 4), 10);
  EXPECT_TRUE(guard.thinned().empty()) << "there is room";
  EXPECT_EQ(counters.overflowed.get(), 0U);

  // The good one is heard of before the buffer is full, now and then.
  for (int i = 0; i < 10; ++i) {
    send(good, 1);
    round(room * 2);
  }
  ASSERT_EQ(guard.thinned().size(), 1U);
  EXPECT_TRUE(guard.thinned()[0].client == host("127.0.0.2"));
  EXPECT_GT(counters.overflowed.get(), 0U);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(round(room * 2), 10) << i;
  EXPECT_GT(counters.client_limited.get(), static_cast<uint64_t>(room) * 40);
  EXPECT_FALSE(guard.thinned().empty());

  // It stops, and may ask like everybody else soon after.
  for (int i = 0; i < 60 && !guard.thinned().empty(); ++i) ASSERT_EQ(round(0), 10);
  EXPECT_TRUE(guard.thinned().empty());
  EXPECT_EQ(guard.next_deadline() == FloodGuard::Clock::time_point::max(), !limits.has_refused());
  EXPECT_EQ(taken_of(bad, room / 4), room / 4);
}

TEST_F(Guarded, ABurstThatWasTooMuchIsNoFlood) {
  for (int i = 0; i < 10; ++i) {
    round(room * 2);
    EXPECT_EQ(round(room / 4), 10);
    EXPECT_TRUE(guard.thinned().empty());
  }
  EXPECT_GT(counters.overflowed.get(), static_cast<uint64_t>(room) * 5);
}

TEST_F(Guarded, WhoIsAloneTakesFromNobody) {
  for (int i = 0; i < 20; ++i) {
    send(bad, room * 2);
    now += 100ms;
    const auto taken = take();
    for (int k = 0; k < taken; ++k) limits.allow_by(std::nullopt, now, [] { return host("127.0.0.2"); });
    guard.look(now, true);
  }
  EXPECT_TRUE(guard.thinned().empty());
  EXPECT_GT(counters.overflowed.get(), 0U);
}

TEST_F(Guarded, NobodyIsWhenLimitsAreOff) {
  for (int i = 0; i < 10; ++i) {
    send(good, 1);
    round(room * 2, false);
  }
  EXPECT_TRUE(guard.thinned().empty());
}

}  // namespace
}  // namespace weft::dns
