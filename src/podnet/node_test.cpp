#include "podnet/node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "base/netlink.h"
#include "base/netns.h"
#include "podnet/cni_client.h"
#include "podnet/cni_server.h"
#include "podnet/pod_link.h"

/// A node and its pods in real network namespaces, with real packets.
namespace weft::podnet {
namespace {

using testing::HasSubstr;

Fd bound_socket(const std::string& address, uint16_t port, bool listen) {
  auto ip = *IpAddr::parse(address);
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (ip.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &v4->sin_addr);
    length = sizeof *v4;
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_port = htons(port);
    ::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr);
    length = sizeof *v6;
  }
  storage.ss_family = ip.is_v4() ? AF_INET : AF_INET6;
  Fd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | (listen ? 0 : SOCK_NONBLOCK), 0));
  if (listen) {
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0 || ::listen(fd.get(), 8) != 0)
      return {};
    return fd;
  }
  (void)::connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length);
  pollfd ready{fd.get(), POLLOUT, 0};
  int error = ETIMEDOUT;
  socklen_t size = sizeof error;
  if (::poll(&ready, 1, 2000) == 1) ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? std::move(fd) : Fd();
}

class NodeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    name = "wt-podnet-" + std::to_string(::getpid());
    char folder[] = "/tmp/wt-podnet-XXXXXX";
    dir = ::mkdtemp(folder);
    ASSERT_TRUE(
        create_netns(name + "-node", {{"net.ipv4.ip_forward", "1"}, {"net.ipv6.conf.all.forwarding", "1"}}));
    auto entered = InNetns::enter(netns_path(name + "-node"));
    ASSERT_TRUE(entered);
    inside.emplace(std::move(*entered));
    // The node's own addresses, as an uplink would have them.
    auto netlink = Netlink::open();
    auto lo = *netlink->find_link("lo");
    for (const char* text : {"172.30.0.2/32", "fd00:172::2/128"})
      ASSERT_TRUE(netlink->add_address(lo->index, *IpPrefix::parse(text)));
    open();
  }
  void TearDown() override {
    inside.reset();
    for (const auto& netns : list_netns(name)) EXPECT_TRUE(remove_netns(netns));
    std::filesystem::remove_all(dir);
  }
  void open() {
    auto opened =
        Node::open({.state_dir = dir,
                    .pod_cidrs = {*IpPrefix::parse("10.244.0.0/24"), *IpPrefix::parse("fd00:244::/64")},
                    .node_addresses = {*IpAddr::parse("172.30.0.2"), *IpAddr::parse("fd00:172::2")},
                    .before_up = before_up});
    ASSERT_TRUE(opened) << opened.error().message;
    node.emplace(std::move(*opened));
  }
  CniRequest request(const std::string& command, const std::string& pod) {
    return {.command = command,
            .container_id = pod,
            .netns = netns_path(name + "-" + pod),
            .interface = "eth0",
            .args = {},
            .valid = {}};
  }
  std::vector<IpAddr> add(const std::string& pod) {
    if (list_netns(name + "-" + pod).empty()) EXPECT_TRUE(create_netns(name + "-" + pod, {}));
    auto added = node->add(request("ADD", pod));
    EXPECT_TRUE(added) << added.error().message;
    return added ? added->addresses : std::vector<IpAddr>();
  }
  /// Whether a TCP connection from one namespace ("": the node) reaches a listener in another.
  bool reaches(const std::string& from, const std::string& to, const std::string& address) {
    auto enter = [&](const std::string& pod) {
      return InNetns::enter(netns_path(name + "-" + (pod.empty() ? "node" : pod)));
    };
    Fd listener, client;
    {
      auto there = enter(to);
      listener = bound_socket(address, 7777, true);
    }
    if (!listener) return false;
    auto here = enter(from);
    client = bound_socket(address, 7777, false);
    return static_cast<bool>(client);
  }

  std::string name, dir;
  std::function<Expected<void>(int link)> before_up;
  std::optional<InNetns> inside;
  std::optional<Node> node;
};

TEST_F(NodeTest, PodsReachEachOtherAndTheNode) {
  auto a = add("a"), b = add("b");
  ASSERT_EQ(a.size(), 2U);
  EXPECT_NE(a[0], b[0]);
  for (int family : {0, 1}) {
    EXPECT_TRUE(reaches("a", "b", b[family].str()));
    EXPECT_TRUE(reaches("b", "a", a[family].str()));
    EXPECT_TRUE(reaches("", "a", a[family].str()));
  }
  EXPECT_TRUE(reaches("a", "", "172.30.0.2"));
  EXPECT_TRUE(reaches("a", "", "fd00:172::2"));
}

TEST_F(NodeTest, DoingItAgainIsHarmless) {
  auto first = add("a");
  EXPECT_EQ(add("a"), first);
  EXPECT_TRUE(node->handle(request("CHECK", "a")));
  EXPECT_TRUE(reaches("", "a", first[0].str()));
  // A namespace made anew under the same id is connected anew.
  ASSERT_TRUE(remove_netns(name + "-a"));
  ::usleep(50'000);
  EXPECT_EQ(add("a"), first);
  EXPECT_TRUE(reaches("", "a", first[0].str()));
  EXPECT_TRUE(node->remove("a"));
  EXPECT_TRUE(node->remove("a"));
  EXPECT_FALSE(node->handle(request("CHECK", "a")));
}

TEST_F(NodeTest, ARestartKeepsWhatTheKernelHasAndFreesTheRest) {
  auto a = add("a");
  add("b");
  ASSERT_TRUE(remove_netns(name + "-b"));
  ::usleep(100'000);
  node.reset();
  open();
  EXPECT_EQ(add("a"), a);
  Ipam ipam =
      *Ipam::open(dir + "/ipam.json", {*IpPrefix::parse("10.244.0.0/24"), *IpPrefix::parse("fd00:244::/64")});
  EXPECT_EQ(ipam.ids(), std::vector<std::string>{"a"});
}

TEST_F(NodeTest, NothingPassesALinkThatIsNotGuardedYet) {
  bool fails = true;
  std::vector<Link> guarded;
  before_up = [&](int link) -> Expected<void> {
    auto netlink = Netlink::open();
    auto links = *netlink->links();
    guarded.push_back(*std::ranges::find(links, link, &Link::index));
    EXPECT_TRUE(netlink->destinations(link)->empty());
    if (fails) return fail(ErrorCode::unavailable, "no guard");
    return {};
  };
  node.reset();
  open();
  ASSERT_TRUE(create_netns(name + "-a", {}));
  auto failed = node->add(request("ADD", "a"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("no guard"));
  EXPECT_FALSE(*Netlink::open()->find_link(host_link_name("a"))) << "nothing is left of it";
  fails = false;
  auto a = add("a");
  EXPECT_TRUE(reaches("", "a", a[0].str()));
  ASSERT_EQ(guarded.size(), 2u);
  for (const auto& link : guarded) {
    EXPECT_EQ(link.name, host_link_name("a"));
    EXPECT_FALSE(link.up);
  }
}

TEST_F(NodeTest, WhatFailsLeavesNothing) {
  auto failed = node->add(request("ADD", "nowhere"));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("nowhere"));
  EXPECT_TRUE(
      Ipam::open(dir + "/ipam.json", {*IpPrefix::parse("10.244.0.0/24"), *IpPrefix::parse("fd00:244::/64")})
          ->ids()
          .empty());
}

TEST_F(NodeTest, CollectsWhatTheRuntimeHasForgotten) {
  add("a");
  add("b");
  auto gc = request("GC", "");
  gc.valid = {"b"};
  EXPECT_TRUE(node->handle(gc));
  EXPECT_FALSE(node->handle(request("CHECK", "a")));
  EXPECT_TRUE(node->handle(request("CHECK", "b")));
}

TEST_F(NodeTest, ServesItsSocket) {
  ASSERT_TRUE(create_netns(name + "-a", {}));
  auto path = dir + "/cni.sock";
  boost::asio::io_context io;
  auto server = CniServer::listen(io, path, [&](const CniRequest& asked) { return node->handle(asked); });
  ASSERT_TRUE(server) << server.error().message;
  std::thread thread([&] {
    auto here = InNetns::enter(netns_path(name + "-node"));
    io.run();
  });
  auto added = call_agent(path, request("ADD", "a"));
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_THAT(addresses_in(*added), testing::ElementsAre("10.244.0.2", "fd00:244::2"));
  EXPECT_TRUE(call_agent(path, request("STATUS", "")));
  EXPECT_TRUE(call_agent(path, request("DEL", "a")));
  EXPECT_EQ(call_agent(path, request("CHECK", "a")).error().code, CniError::kUnknownContainer);
  EXPECT_EQ(call_agent(path, request("NONSENSE", "a")).error().code, CniError::kInvalidEnvironment);
  EXPECT_EQ(call_agent(dir + "/nobody.sock", request("STATUS", "")).error().code, CniError::kTryAgain);
  io.stop();
  thread.join();
}

TEST(Cni, ChecksWhatItIsTold) {
  EXPECT_TRUE(parse_request(R"({"command":"DEL","containerID":"a","ifname":"eth0"})"));
  for (const char* text : {"", "[]", "{}", R"({"command":"ADD","containerID":"a","ifname":"eth0"})",
                           R"({"command":"ADD","containerID":"../a","ifname":"eth0","netns":"/x"})",
                           R"({"command":"ADD","containerID":"a","ifname":"a/b","netns":"/x"})",
                           R"({"command":"ADD","containerID":"a","ifname":"eth0","netns":"x"})"}) {
    EXPECT_FALSE(parse_request(text)) << text;
  }
  EXPECT_EQ(parse_args("A=b;C=d=e")->at("C"), "d=e");
  EXPECT_FALSE(parse_args("A"));
  auto result = to_json(CniAttachment{"eth0", "02:00:00:00:00:01", "/x", {*IpAddr::parse("10.0.0.2")}});
  convert_result(result, "0.4.0");
  EXPECT_EQ(result.at("ips").at(0).at("version").as_string(), "4");
}

}  // namespace
}  // namespace weft::podnet
