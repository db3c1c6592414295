#include "service/node_port_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/test_world.h"

namespace weft::service {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

std::vector<std::string> texts(const std::vector<IpAddr>& addresses) {
  std::vector<std::string> out;
  for (const auto& address : addresses) out.push_back(address.str());
  return out;
}

TEST(NodePortFollower, FollowsTheAddressesOfLinks) {
  auto netns = test::World::new_namespace();
  test::World::in(netns, [] {
    test::shell("ip link add d0 type veth peer name d1 && ip link set d0 up && ip link set lo up");
    asio::io_context io;
    int changes = 0;
    std::vector<std::string> ranges{"192.0.2.0/24", "2001:db8::/32"};
    auto follower = NodePortFollower::open(io, *NodePortAddresses::parse(ranges),
                                           {*IpAddr::parse("192.0.2.1")}, [&](const auto&) { ++changes; });
    ASSERT_TRUE(follower) << follower.error().message;
    auto settle = [&](const std::string& command, int wanted) {
      test::shell(command);
      io.restart();
      auto end = std::chrono::steady_clock::now() + 3s;
      while (changes < wanted && std::chrono::steady_clock::now() < end) io.run_one_for(100ms);
      return texts((*follower)->addresses());
    };
    EXPECT_THAT(texts((*follower)->addresses()), ElementsAre("192.0.2.1"));
    EXPECT_THAT(settle("ip addr add 192.0.2.9/24 dev d0 && ip addr add 2001:db8::1/64 dev d0 nodad", 1),
                ElementsAre("192.0.2.1", "2001:db8::1", "192.0.2.9"));
    // One that is outside of the ranges changes nothing, and is not told.
    test::shell("ip addr add 198.51.100.1/24 dev d0");
    io.restart();
    io.run_for(100ms);
    EXPECT_EQ(changes, 1);
    EXPECT_THAT(settle("ip addr del 192.0.2.9/24 dev d0", 2), ElementsAre("192.0.2.1", "2001:db8::1"));
    (*follower)->set_primary({});
    EXPECT_THAT(texts((*follower)->addresses()), ElementsAre("2001:db8::1"));
    EXPECT_EQ(changes, 3);
  });
}

}  // namespace
}  // namespace weft::service
