#include "service/announce_link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <thread>

#include "base/netns.h"
#include "service/announce_wire.h"

/// Two hosts on one cable. What one answers and announces is judged by the other's kernel.
namespace weft::service {
namespace {

constexpr MacAddr kOurs{2, 0, 0, 0, 0, 1}, kAnother{2, 0, 0, 0, 0, 7};

IpAddr ip(const char* text) { return *IpAddr::parse(text); }

class AnnounceLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    name = "wt-announce-" + std::to_string(::getpid());
    for (const char* host : {"-a", "-b"})
      ASSERT_TRUE(create_netns(name + host, {{"net.ipv6.conf.default.accept_dad", "0"}}));
    Fd other(::open(netns_path(name + "-b").c_str(), O_RDONLY | O_CLOEXEC));
    auto entered = InNetns::enter(netns_path(name + "-a"));
    ASSERT_TRUE(entered);
    inside.emplace(std::move(*entered));
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink->add_veth({"eth0", kOurs}, {"eth0", {2, 0, 0, 0, 0, 2}}, other.get()));
    prepare("172.30.0.1/24", "fd00:172::1/64");
    in_client([] { prepare("172.30.0.2/24", "fd00:172::2/64"); });
    auto opened = AnnounceLink::open(**netlink->find_link("eth0"));
    ASSERT_TRUE(opened) << opened.error().message;
    link.emplace(std::move(*opened));
    // The other end is up as well now.
    for (int i = 0; i < 100 && !link->has_carrier(); ++i) ::usleep(10'000);
  }
  void TearDown() override {
    link.reset();
    inside.reset();
    for (const auto& netns : list_netns(name)) EXPECT_TRUE(remove_netns(netns));
  }

  static void prepare(const char* address4, const char* address6) {
    auto netlink = Netlink::open();
    int index = (*netlink->find_link("eth0"))->index;
    ASSERT_TRUE(netlink->set_up(index));
    for (const char* text : {address4, address6})
      ASSERT_TRUE(netlink->add_address(index, *IpPrefix::parse(text)));
  }
  template <class Work>
  void in_client(Work work) {
    std::thread([&] {
      auto entered = InNetns::enter(netns_path(name + "-b"));
      ASSERT_TRUE(entered);
      work();
    }).join();
  }

  /// The client's kernel looks for the address.
  void look_for(const IpAddr& addr) {
    in_client([&] {
      Fd fd(::socket(addr.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(9)};
      sockaddr_in6 v6{.sin6_family = AF_INET6, .sin6_port = htons(9)};
      std::copy_n(addr.bytes().begin(), 4, reinterpret_cast<uint8_t*>(&v4.sin_addr));
      std::copy_n(addr.bytes().begin(), addr.bytes().size(), v6.sin6_addr.s6_addr);
      const auto* to =
          addr.is_v4() ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
      EXPECT_EQ(::sendto(fd.get(), "x", 1, 0, to, addr.is_v4() ? sizeof v4 : sizeof v6), 1);
    });
  }
  /// The next frame that comes through; empty if none does.
  std::vector<uint8_t> next(int socket, int milliseconds = 2000) {
    pollfd ready{.fd = socket, .events = POLLIN};
    if (::poll(&ready, 1, milliseconds) <= 0) return {};
    std::array<uint8_t, 1600> buffer;
    auto frame = AnnounceLink::receive(socket, buffer);
    return {frame.begin(), frame.end()};
  }
  /// What the client takes for the address's link-layer address, after a while.
  std::string neighbour(const IpAddr& addr, const std::string& expected) {
    std::string out;
    for (int i = 0; i < 100; ++i) {
      auto command = "ip -n " + name + "-b neigh show to " + addr.str() + " | grep -o 'lladdr [0-9a-f:]*'";
      FILE* pipe = ::popen(command.c_str(), "r");
      char line[128] = {};
      out = std::fgets(line, sizeof line, pipe) ? std::string(line + 7) : "";
      ::pclose(pipe);
      if (!out.empty()) out.pop_back();
      if (out == expected) break;
      ::usleep(10'000);
    }
    return out;
  }

  std::string name;
  std::optional<InNetns> inside;
  std::optional<AnnounceLink> link;
};

TEST_F(AnnounceLinkTest, ItsArpRepliesAreBelieved) {
  const auto addr = ip("172.30.0.200");
  look_for(addr);
  auto query = parse_arp_request(next(link->arp_socket()));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->target, addr);
  EXPECT_EQ(query->sender, ip("172.30.0.2"));
  ASSERT_TRUE(link->send_arp(arp_reply(kOurs, *query)));
  EXPECT_EQ(neighbour(addr, "02:00:00:00:00:01"), "02:00:00:00:00:01");
}

TEST_F(AnnounceLinkTest, ItsAdvertisementsAreBelieved) {
  const auto addr = ip("fd00:172::200");
  ASSERT_TRUE(link->join(addr));
  look_for(addr);
  std::optional<AddressQuery> query;
  for (int i = 0; i < 10 && !(query && query->target == addr); ++i)
    query = parse_solicitation(next(link->neighbour_socket()));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->target, addr);
  ASSERT_TRUE(link->send_neighbour(advertisement(kOurs, *query)));
  EXPECT_EQ(neighbour(addr, "02:00:00:00:00:01"), "02:00:00:00:00:01");
  link->leave(addr);
}

TEST_F(AnnounceLinkTest, AnAnnouncementMovesTheAddress) {
  for (const char* text : {"172.30.0.200", "fd00:172::200"}) {
    const auto addr = ip(text);
    in_client([&] {
      auto netlink = Netlink::open();
      auto index = (*netlink->find_link("eth0"))->index;
      ASSERT_TRUE(netlink->replace_neighbour(index, addr, kOurs));
    });
    // A permanent entry would stay for ever: this one is as if it had been learnt.
    std::string command =
        "ip -n " + name + "-b neigh change " + text + " lladdr 02:00:00:00:00:01 dev eth0 nud reachable";
    ASSERT_EQ(std::system(command.c_str()), 0);
    if (addr.is_v4()) {
      ASSERT_TRUE(link->send_arp(arp_announcement(kAnother, addr, ArpForm::request)));
    } else {
      ASSERT_TRUE(link->send_neighbour(unsolicited_advertisement(kAnother, addr)));
    }
    EXPECT_EQ(neighbour(addr, "02:00:00:00:00:07"), "02:00:00:00:00:07");
  }
}

TEST_F(AnnounceLinkTest, OtherPacketsDoNotReachIt) {
  while (!next(link->neighbour_socket(), 50).empty()) continue;  // the kernels' own, from when they began
  // The client knows where the node is, so that it only sends data.
  in_client([&] {
    auto netlink = Netlink::open();
    auto index = (*netlink->find_link("eth0"))->index;
    for (const char* text : {"172.30.0.1", "fd00:172::1"})
      ASSERT_TRUE(netlink->replace_neighbour(index, ip(text), kOurs));
  });
  for (const char* text : {"172.30.0.1", "fd00:172::1"}) look_for(ip(text));
  std::array<uint8_t, 1600> buffer;
  ::usleep(50'000);
  EXPECT_TRUE(AnnounceLink::receive(link->arp_socket(), buffer).empty());
  auto frame = AnnounceLink::receive(link->neighbour_socket(), buffer);
  EXPECT_TRUE(frame.empty() || parse_solicitation(frame)) << "only solicitations come through";
}

TEST_F(AnnounceLinkTest, JoinsManyGroupsAndLeavesThem) {
  auto groups = [&] {
    std::string command = "ip maddr show dev eth0 | grep -c 'ff02::1:ffab:'";
    FILE* pipe = ::popen(command.c_str(), "r");
    int count = -1;
    EXPECT_EQ(std::fscanf(pipe, "%d", &count), 1);
    ::pclose(pipe);
    return count;
  };
  auto base = ip("fd00:172::ab:1");
  for (uint64_t i = 0; i < 700; ++i) ASSERT_TRUE(link->join(base.plus(i))) << i;
  ASSERT_TRUE(link->join(ip("fd00:173::ab:1")));  // of the same group
  EXPECT_EQ(groups(), 700);
  link->leave(base);
  EXPECT_EQ(groups(), 700);
  link->leave(ip("fd00:173::ab:1"));
  EXPECT_EQ(groups(), 699);
  for (uint64_t i = 1; i < 700; ++i) link->leave(base.plus(i));
  EXPECT_EQ(groups(), 0);
}

TEST_F(AnnounceLinkTest, SeesTheCarrierGo) {
  EXPECT_TRUE(link->has_carrier());
  in_client([&] {
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink->set_down((*netlink->find_link("eth0"))->index));
  });
  for (int i = 0; i < 100 && link->has_carrier(); ++i) ::usleep(10'000);
  EXPECT_FALSE(link->has_carrier());
}

}  // namespace
}  // namespace weft::service
