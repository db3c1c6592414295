#include "service/announce_link.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "service/announce_wire.h"
#include "service/test_segment.h"

namespace weft::service {
namespace {

using test::ip;
using test::kNodeMac;
using test::kNodeMacText;

constexpr MacAddr kAnother{2, 0, 0, 0, 0, 7};

class AnnounceLinkTest : public test::SegmentTest {
 protected:
  void SetUp() override {
    SegmentTest::SetUp();
    if (!inside) return;
    auto opened = AnnounceLink::open(**Netlink::open()->find_link("eth0"));
    ASSERT_TRUE(opened) << opened.error().message;
    link.emplace(std::move(*opened));
    // The other end is up as well now.
    for (int i = 0; i < 100 && !link->has_carrier(); ++i) ::usleep(10'000);
  }
  void TearDown() override {
    link.reset();
    SegmentTest::TearDown();
  }

  /// The next frame that comes through; empty if none does.
  std::vector<uint8_t> next(int socket, int milliseconds = 2000) {
    pollfd ready{.fd = socket, .events = POLLIN};
    if (::poll(&ready, 1, milliseconds) <= 0) return {};
    std::array<uint8_t, 1600> buffer;
    auto frame = AnnounceLink::receive(socket, buffer);
    return {frame.begin(), frame.end()};
  }

  std::optional<AnnounceLink> link;
};

TEST_F(AnnounceLinkTest, ItsArpRepliesAreBelieved) {
  const auto addr = ip("172.30.0.200");
  look_for(addr);
  auto query = parse_arp_request(next(link->arp_socket()));
  ASSERT_TRUE(query);
  EXPECT_EQ(query->target, addr);
  EXPECT_EQ(query->sender, ip("172.30.0.2"));
  ASSERT_TRUE(link->send_arp(arp_reply(kNodeMac, *query)));
  EXPECT_EQ(neighbour(addr, kNodeMacText), kNodeMacText);
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
  ASSERT_TRUE(link->send_neighbour(advertisement(kNodeMac, *query)));
  EXPECT_EQ(neighbour(addr, kNodeMacText), kNodeMacText);
  link->leave(addr);
}

TEST_F(AnnounceLinkTest, AnAnnouncementMovesTheAddress) {
  for (const char* text : {"172.30.0.200", "fd00:172::200"}) {
    const auto addr = ip(text);
    in_client([&] {
      auto netlink = Netlink::open();
      auto index = (*netlink->find_link("eth0"))->index;
      ASSERT_TRUE(netlink->replace_neighbour(index, addr, kNodeMac));
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
      ASSERT_TRUE(netlink->replace_neighbour(index, ip(text), kNodeMac));
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
