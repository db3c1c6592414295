#pragma once

/// For tests of what a node says on its uplink: two hosts on one cable, each a network namespace. The test
/// is on the first one; what it says is judged by the other's kernel.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/netlink.h"
#include "base/netns.h"

namespace weft::service::test {

constexpr MacAddr kNodeMac{2, 0, 0, 0, 0, 1};
constexpr const char* kNodeMacText = "02:00:00:00:00:01";

inline IpAddr ip(const char* text) { return *IpAddr::parse(text); }

/// The node has 172.30.0.1 and fd00:172::1, the client 172.30.0.2 and fd00:172::2.
class SegmentTest : public testing::Test {
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
    ASSERT_TRUE(netlink->add_veth({"eth0", kNodeMac}, {"eth0", {2, 0, 0, 0, 0, 2}}, other.get()));
    prepare("172.30.0.1/24", "fd00:172::1/64");
    in_client([] { prepare("172.30.0.2/24", "fd00:172::2/64"); });
    await_address("-a", "fd00:172::1");
    await_address("-b", "fd00:172::2");
  }
  void TearDown() override {
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
  /// A kernel takes packets for its IPv6 address only a while after the link has its carrier.
  void await_address(const std::string& host, const std::string& address) const {
    auto there =
        "ip -n " + name + host + " -6 route show table local | grep -q '^local " + address + " dev eth0'";
    int missing = -1;
    for (int i = 0; i < 200 && (missing = std::system(there.c_str())) != 0; ++i) ::usleep(10'000);
    ASSERT_EQ(missing, 0) << address;
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
  /// What the client takes for the address's link-layer address now; empty: nothing.
  std::string neighbour(const IpAddr& addr) const {
    auto command = "ip -n " + name + "-b neigh show to " + addr.str() + " | grep -o 'lladdr [0-9a-f:]*'";
    FILE* pipe = ::popen(command.c_str(), "r");
    char line[128] = {};
    std::string out = std::fgets(line, sizeof line, pipe) ? std::string(line + 7) : "";
    ::pclose(pipe);
    if (!out.empty()) out.pop_back();
    return out;
  }
  /// The same after a while, in which it may become what is expected.
  std::string neighbour(const IpAddr& addr, const std::string& expected) const {
    for (int i = 0; i < 100 && neighbour(addr) != expected; ++i) ::usleep(10'000);
    return neighbour(addr);
  }

  std::string name;
  std::optional<InNetns> inside;
};

}  // namespace weft::service::test
