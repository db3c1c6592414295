// The edges of nodes and pods with real packets.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "service/test_edge.h"
#include "service/test_sctp.h"

namespace weft::service {
namespace {

using namespace test;

TEST_F(EdgeTest, APodWithoutBalancedSocketsReachesServices) {
  auto a = answer(world1, pod_a, "a", 8080);
  auto b = answer(world1, pod_b, "b", 8080);
  for (const auto& [where, v4, v6] :
       {std::tuple("a", on("node-1", "10.244.0.2"), on("node-1", "fd00:244::2")),
        std::tuple("b", on("node-2", "10.244.1.2"), on("node-2", "fd00:244:1::2"))}) {
    start(node_port_service(kPorts, 30080),
          {slice("s4", "a", kTargets, {v4}), slice("s6", "a", kTargets, {v6})});
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      // The backend sees the pod that asks.
      EXPECT_THAT(from_pod(pod_c, [&] { return ask(type, "10.96.0.7", 80); }),
                  testing::StartsWith(fmt::format("{} ::ffff:10.244.0.3 ", where)));
      EXPECT_THAT(from_pod(pod_c, [&] { return ask(type, "fd00:96::7", 80); }),
                  testing::StartsWith(fmt::format("{} fd00:244::3 ", where)));
      // Also by a node port of its own node.
      EXPECT_THAT(
          from_pod(pod_c, [&] { return ask(type, "192.0.2.2", type == SOCK_STREAM ? 30080 : 30081); }),
          testing::StartsWith(where));
    }
  }
}

TEST_F(EdgeTest, APodReachesItselfThroughItsService) {
  auto a = answer(world1, pod_a, "a", 8080);
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")})});
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    EXPECT_THAT(from_pod(pod_a, [&] { return ask(type, "10.96.0.7", 80); }),
                testing::StartsWith("a ::ffff:192.0.2.2 "));
  }
}

TEST_F(EdgeTest, APodIsRefusedWhereThereIsNoEndpoint) {
  start(node_port_service(kPorts, 30080), {});
  auto refused = [&](const std::string& at, uint16_t port) {
    return from_pod(pod_a, [&] { return ask(SOCK_STREAM, at, port) + " " + ask(SOCK_DGRAM, at, port); });
  };
  EXPECT_EQ(refused("10.96.0.7", 80), "ECONNREFUSED ECONNREFUSED");
  EXPECT_EQ(refused("fd00:96::7", 80), "ECONNREFUSED ECONNREFUSED");
  EXPECT_EQ(refused("10.96.0.7", 81), "ECONNREFUSED ECONNREFUSED") << "a port that the Service does not have";
}

TEST_F(EdgeTest, APodIsHeldToALoadBalancersSourceRanges) {
  auto a = answer(world1, pod_a, "a", 8080);
  auto balanced = node_port_service(kPorts, 30080);
  balanced->spec.type = "LoadBalancer";
  balanced->spec.loadBalancerSourceRanges = {"10.244.0.3/32"};
  balanced->status.loadBalancer.ingress.emplace_back();
  balanced->status.loadBalancer.ingress[0].ip = "198.51.100.7";
  start(balanced, {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")})});
  // Processes whose sockets are balanced, too.
  auto from = [&](const Fd& netns) {
    return world1.run([] { return ask(SOCK_STREAM, "198.51.100.7", 80); }, true, netns.get());
  };
  Fd node1(dup(world1.netns())), stranger = pod_on(node1, "podd", "10.244.0.4", "fd00:244::4");
  World::in(node1, [&] {
    int link = static_cast<int>(if_nametoindex("podd"));
    ASSERT_TRUE(one.edge->attach_pod(link));
    ASSERT_TRUE(one.edge->policy().introduce({&link, 1}));
  });
  EXPECT_THAT(from(pod_c), testing::StartsWith("a "));
  EXPECT_THAT(from(stranger), testing::AnyOf("EINPROGRESS", "EAGAIN", "ETIMEDOUT"));
  EXPECT_THAT(from(node1), testing::StartsWith("a ")) << "the node itself always may";
}

TEST_F(EdgeTest, AProcessOfTheNodeCannotTakeANodePort) {
  start(node_port_service(kPorts, 30080), {});
  auto bind_at = [&](int netns, int type, const char* at, uint16_t port) {
    return world1.run(
        [&]() -> std::string {
          auto addr = test::sock_addr(at, port);
          Fd fd(socket(addr.storage.ss_family, type, 0));
          return bind(fd.get(), addr.get(), addr.size) == 0 ? "ok" : strerrorname_np(errno);
        },
        true, netns);
  };
  for (const char* at : {"0.0.0.0", "::", "192.0.2.2", "fd00:9::2"}) {
    EXPECT_EQ(bind_at(world1.netns(), SOCK_STREAM, at, 30080), "EADDRINUSE") << at;
    EXPECT_EQ(bind_at(world1.netns(), SOCK_DGRAM, at, 30081), "EADDRINUSE") << at;
    EXPECT_EQ(bind_at(world1.netns(), SOCK_STREAM, at, 30081), "ok") << "another protocol's";
  }
  EXPECT_EQ(bind_at(world1.netns(), SOCK_STREAM, "127.0.0.1", 30080), "ok");
  EXPECT_EQ(bind_at(pod_a.get(), SOCK_STREAM, "0.0.0.0", 30080), "ok");
}

/// Connected from that port of the client's.
std::string ask_by_port(uint16_t own, const std::string& at, uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  timeval limit{.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  auto from = test::sock_addr("0.0.0.0", own), to = test::sock_addr(at, port);
  if (bind(fd.get(), from.get(), from.size) != 0 || connect(fd.get(), to.get(), to.size) != 0 ||
      send(fd.get(), "?", 1, MSG_NOSIGNAL) != 1)
    return strerrorname_np(errno);
  char buffer[512];
  ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
  return n < 0 ? strerrorname_np(errno) : std::string(buffer, n);
}

TEST_F(EdgeTest, AClientsPortServesTwoAddressesOfAService) {
  auto a = answer(world1, pod_a, "a", 8080);
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-1", "10.244.0.2")})});
  World::in(client, [] { shell("ip route add 10.96.0.0/16 via 192.0.2.2"); });
  EXPECT_EQ(from_client([] { return ask_by_port(41'000, "192.0.2.2", 30080); }), "a ::ffff:192.0.2.1 41000");
  EXPECT_THAT(
      from_client([] { return ask_by_port(41'000, "10.96.0.7", 80); }),
      testing::AllOf(testing::StartsWith("a ::ffff:192.0.2.1 "), testing::Not(testing::EndsWith(" 41000"))))
      << "the pod could not tell it from the first";
}

// Direct server return

TEST_F(EdgeTest, DirectReturnKeepsTheClientAcrossNodes) {
  direct_return = true;
  auto b = answer(world1, pod_b, "b", 8080);
  start(node_port_service(kPorts, 30080), {slice("s4", "a", kTargets, {on("node-2", "10.244.1.2")}),
                                           slice("s6", "a", kTargets, {on("node-2", "fd00:244:1::2")})});
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    uint16_t port = type == SOCK_STREAM ? 30080 : 30081;
    EXPECT_THAT(from_client([&] { return ask(type, "192.0.2.2", port); }),
                testing::StartsWith("b ::ffff:192.0.2.1 "));
    EXPECT_THAT(from_client([&] { return ask(type, "fd00:9::2", port); }),
                testing::StartsWith("b fd00:9::1 "));
    EXPECT_THAT(from_client([&] { return ask(type, "192.0.2.3", port); }),
                testing::StartsWith("b ::ffff:192.0.2.1 "))
        << "at the pod's own node";
  }
  // The first node sees one direction only.
  auto flows = one.edge->edge().flows().read_all().value();
  EXPECT_EQ(flows.size(), 4u);
  for (const auto& [key, flow] : flows) EXPECT_TRUE(flow.flags & WEFT_FLOW_DIRECT);
}

// XDP

/// So that packets have whole checksums, as on a wire.
void complete_checksums(const Fd& netns, const char* link) {
  World::in(netns, [&] {
    Fd any(socket(AF_INET, SOCK_DGRAM, 0));
    for (uint32_t command : {ETHTOOL_STXCSUM, ETHTOOL_SGSO, ETHTOOL_STSO}) {
      ethtool_value off{command, 0};
      ifreq request{};
      strncpy(request.ifr_name, link, IFNAMSIZ - 1);
      request.ifr_data = reinterpret_cast<char*>(&off);
      if (ioctl(any.get(), SIOCETHTOOL, &request) != 0 && command == ETHTOOL_STXCSUM) perror("ethtool");
    }
  });
}

void attach_passing_xdp(const char* link) {
  bpf_insn pass[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, nullptr));
  require(program && bpf_xdp_attach(static_cast<int>(if_nametoindex(link)), program.get(), XDP_FLAGS_DRV_MODE,
                                    nullptr) == 0,
          "attach XDP");
}

class XdpTest : public EdgeTest, public testing::WithParamInterface<bool> {};

TEST_P(XdpTest, SendsOnWhatIsForOtherNodes) {
  direct_return = GetParam();
  auto b = answer(world1, pod_b, "b", 8080);
  Fd node1(dup(world1.netns()));
  for (const Fd* host : {&client, &pod_b}) complete_checksums(*host, "eth0");
  // What a veth is to send by XDP, its peer must be ready to take by XDP.
  World::in(segment, [] { attach_passing_xdp("node1"); });
  // Nothing at tc of the first node's uplink: what gets through, XDP has sent.
  start(node_port_service(kPorts, 30080),
        {slice("s4", "a", kTargets, {on("node-2", "10.244.1.2")}),
         slice("s6", "a", kTargets, {on("node-2", "fd00:244:1::2")})},
        false);
  World::in(node1, [&] {
    // So that the neighbours are known: what routing cannot send yet, XDP leaves to tc.
    for (const char* neighbour : {"192.0.2.1", "fd00:9::1", "192.0.2.3", "fd00:9::3"}) {
      Client(SOCK_STREAM, neighbour, 9);
    }
    auto edge =
        datapath::NodeEdge::open({.bpf_dir = world1.bpf_dir()}, one.services->socket(), one.edge->policy());
    ASSERT_TRUE(edge) << edge.error().message;
    auto attached = edge->attach_xdp(static_cast<int>(if_nametoindex("eth0")));
    ASSERT_TRUE(attached) << attached.error().message;
    ASSERT_TRUE(edge->attach_xdp(static_cast<int>(if_nametoindex("eth0")))) << "again";
  });
  std::string seen4 = direct_return ? "b ::ffff:192.0.2.1 " : "b ::ffff:192.0.2.2 ";
  std::string seen6 = direct_return ? "b fd00:9::1 " : "b fd00:9::2 ";
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    uint16_t port = type == SOCK_STREAM ? 30080 : 30081;
    EXPECT_THAT(from_client([&] { return ask(type, "192.0.2.2", port); }), testing::StartsWith(seen4));
    EXPECT_THAT(from_client([&] { return ask(type, "fd00:9::2", port); }), testing::StartsWith(seen6));
  }
  EXPECT_EQ(counters()[WEFT_EDGE_TRANSLATED], 4u);
}

INSTANTIATE_TEST_SUITE_P(Edge, XdpTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Direct" : "AsTheNode"; });
// SCTP

TEST_F(EdgeTest, SctpPortsChangeWithTheirChecksum) {
  auto a4 = sctp_echo(world1, pod_a, AF_INET), a6 = sctp_echo(world1, pod_a, AF_INET6);
  auto b4 = sctp_echo(world1, pod_b, AF_INET), b6 = sctp_echo(world1, pod_b, AF_INET6);
  const std::vector<Port> ports = {{"s", "SCTP", 3868}}, targets = {{"s", "SCTP", 13868}};
  uint16_t own = 5000;
  for (const auto& [v4, v6] : {std::pair(on("node-1", "10.244.0.2"), on("node-1", "fd00:244::2")),
                               std::pair(on("node-2", "10.244.1.2"), on("node-2", "fd00:244:1::2"))}) {
    start(node_port_service(ports, 30868),
          {slice("s4", "a", targets, {v4}), slice("s6", "a", targets, {v6})});
    for (size_t length : {0, 1, 20, 777, 1400}) {
      ++own;  // a connection of its own for each
      EXPECT_EQ(from_client([&] { return ask_sctp("192.0.2.2", 30868, length, own); }),
                "192.0.2.2 port 30868 to me whole");
      EXPECT_EQ(from_client([&] { return ask_sctp("fd00:9::2", 30868, length, own); }),
                "fd00:9::2 port 30868 to me whole");
      EXPECT_EQ(from_pod(pod_c, [&] { return ask_sctp("10.96.0.7", 3868, length, own); }),
                "10.96.0.7 port 3868 to me whole");
      EXPECT_EQ(from_pod(pod_c, [&] { return ask_sctp("fd00:96::7", 3868, length, own); }),
                "fd00:96::7 port 3868 to me whole");
    }
  }
}

}  // namespace
}  // namespace weft::service
