// The edges of nodes and pods with real packets: two nodes and a client on one segment, a pod or two on each.
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

#include "service/edge_engine.h"
#include "service/engine.h"
#include "service/test_sockets.h"

namespace weft::service {
namespace {

using test::Child;
using test::Client;
using test::endpoint;
using test::Port;
using test::require;
using test::shell;
using test::slice;
using test::World;

std::string path_of(const Fd& netns) { return fmt::format("/proc/{}/fd/{}", getpid(), netns.get()); }

/// A namespace whose `eth0` hangs on the segment's bridge.
Fd host_on(const Fd& segment, const std::string& name, const std::vector<std::string>& addresses,
           Fd netns = World::new_namespace()) {
  World::in(segment, [&] {
    shell(fmt::format("ip link add {0} type veth peer name eth0 netns {1} && ip link set {0} master br0 up",
                      name, path_of(netns)));
  });
  World::in(netns, [&] {
    shell("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0");
    shell("ip link set lo up && ip link set eth0 up");
    for (const auto& address : addresses)
      shell("ip addr add " + address + " dev eth0" +
            (address.find(':') == std::string::npos ? "" : " nodad"));
    shell(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 "
        "net.ipv4.conf.eth0.rp_filter=0");
  });
  return netns;
}

/// A pod as the pod network connects one.
Fd pod_on(const Fd& node, const std::string& link, const std::string& v4, const std::string& v6) {
  Fd pod = World::new_namespace();
  World::in(node, [&] {
    shell(fmt::format(
        "ip link add {0} type veth peer name eth0 netns {1} && ip link set {0} alias weft-pod/{0} "
        "address ee:ee:ee:ee:ee:ee up",
        link, path_of(pod)));
    shell(fmt::format("ip route add {0}/32 dev {2} && ip -6 route add {1}/128 dev {2}", v4, v6, link));
  });
  World::in(pod, [&] {
    shell("ip link set lo up && ip link set eth0 address 02:00:00:00:00:07 up");
    shell(fmt::format("ip addr add {}/32 dev eth0 && ip addr add {}/128 dev eth0 nodad", v4, v6));
    for (const char* gateway : {"169.254.1.1", "fe80::1"}) {
      shell(fmt::format("ip neigh replace {} dev eth0 lladdr ee:ee:ee:ee:ee:ee nud permanent", gateway));
      shell(fmt::format("ip route add default via {} dev eth0 onlink", gateway));
    }
  });
  World::in(node, [&] {
    for (const auto& address : {v4, v6})
      shell(fmt::format("ip neigh replace {} dev {} lladdr 02:00:00:00:00:07 nud permanent", address, link));
  });
  return pod;
}

/// Answers every connection and datagram in that namespace with "NAME CLIENT".
Child answer(World& world, const Fd& netns, const std::string& name, uint16_t port) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn(
      [&] {
        Fd tcp = test::listen_on("::", port, SOCK_STREAM), udp = test::listen_on("::", port, SOCK_DGRAM);
        if (write(tell.get(), "x", 1) != 1) return 97;
        for (;;) {
          pollfd polls[] = {{tcp.get(), POLLIN, 0}, {udp.get(), POLLIN, 0}};
          poll(polls, 2, -1);
          test::SockAddr from;
          from.size = sizeof(from.storage);
          char buffer[65536];
          if (polls[0].revents) {
            Fd one(accept4(tcp.get(), from.get(), &from.size, SOCK_CLOEXEC));
            std::string said = name + " " + test::text(from);
            if (one && read(one.get(), buffer, sizeof buffer) > 0 &&
                write(one.get(), said.data(), said.size()) < 0)
              perror("answer");
          } else if (recvfrom(udp.get(), buffer, sizeof buffer, 0, from.get(), &from.size) >= 0) {
            std::string said = name + " " + test::text(from);
            sendto(udp.get(), said.data(), said.size(), 0, from.get(), from.size);
          }
        }
        return 0;
      },
      false, netns.get());
  tell.reset();
  char byte;
  require(read(listening.get(), &byte, 1) == 1, "server did not start");
  return child;
}

std::shared_ptr<kube::Service> node_port_service(const std::vector<Port>& ports, int first_node_port) {
  auto out = test::service("a", {"10.96.0.7", "fd00:96::7"}, ports);
  out->spec.type = "NodePort";
  for (size_t i = 0; i < ports.size(); ++i)
    out->spec.ports[i].nodePort = first_node_port + static_cast<int>(i);
  return out;
}

kube::Endpoint on(const std::string& node, const std::string& ip) { return endpoint(ip, "ready", node); }

/// One node's engines, in its namespace.
struct NodeEngines {
  NodeEngines(World& w, std::string n, std::vector<IpAddr> addresses, std::vector<IpPrefix> pods)
      : world(w), facts{.addresses = addresses, .pods = std::move(pods)} {
    World::in(Fd(dup(world.netns())), [&] {
      auto opened = ServiceEngine::open({.bpf_dir = world.bpf_dir(),
                                         .cgroup_path = world.cgroup(),
                                         .node = {.name = std::move(n), .zone = "", .addresses = addresses},
                                         .sizes = {}});
      ASSERT_TRUE(opened) << opened.error().message;
      services = std::move(*opened);
      auto edge_opened = NodeEdgeEngine::open(world.bpf_dir(), services->socket());
      ASSERT_TRUE(edge_opened) << edge_opened.error().message;
      edge = std::move(*edge_opened);
    });
  }
  void start(const std::vector<kube::Node>& nodes, const ServicePtr& service,
             const std::vector<SlicePtr>& slices, bool attach = true) {
    World::in(Fd(dup(world.netns())), [&] {
      auto applied = edge->apply(plan_edge(facts, nodes), attach ? facts.addresses : std::vector<IpAddr>());
      ASSERT_TRUE(applied) << applied.error().message;
      auto pods = edge->attach_pods();
      ASSERT_TRUE(pods) << pods.error().message;
      services->service_changed(nullptr, service);
      for (const auto& each : slices) services->slice_changed(nullptr, each);
      auto synced = services->synced();
      ASSERT_TRUE(synced) << synced.error().message;
    });
  }

  World& world;
  EdgeFacts facts;
  std::unique_ptr<ServiceEngine> services;
  std::unique_ptr<NodeEdgeEngine> edge;
};

IpAddr ip(const char* text) { return *IpAddr::parse(text); }
IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

kube::Node node_object(const std::string& name, const std::vector<std::string>& addresses,
                       std::vector<std::string> pods) {
  kube::Node out;
  out.metadata.name = name;
  out.spec.podCIDRs = std::move(pods);
  for (const auto& address : addresses) out.status.addresses.push_back({{}, "InternalIP", address});
  return out;
}

class EdgeTest : public testing::Test {
 protected:
  EdgeTest() {
    World::in(segment, [] { shell("ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up"); });
    client = host_on(segment, "client", {"192.0.2.1/24", "fd00:9::1/64"});
    host_on(segment, "node1", {"192.0.2.2/24", "fd00:9::2/64"}, Fd(dup(world1.netns())));
    host_on(segment, "node2", {"192.0.2.3/24", "fd00:9::3/64"}, Fd(dup(world2.netns())));
    Fd node1(dup(world1.netns())), node2(dup(world2.netns()));
    World::in(node1, [] {
      shell("ip route add 10.244.1.0/24 via 192.0.2.3 && ip -6 route add fd00:244:1::/64 via fd00:9::3");
    });
    World::in(node2, [] {
      shell("ip route add 10.244.0.0/24 via 192.0.2.2 && ip -6 route add fd00:244::/64 via fd00:9::2");
    });
    pod_a = pod_on(node1, "poda", "10.244.0.2", "fd00:244::2");
    pod_b = pod_on(node2, "podb", "10.244.1.2", "fd00:244:1::2");
    pod_c = pod_on(node1, "podc", "10.244.0.3", "fd00:244::3");
  }

  /// `uplinks`: the programs at tc are on the nodes' links to the segment.
  void start(const ServicePtr& service, const std::vector<SlicePtr>& slices, bool uplinks = true) {
    one.facts.direct_return = two.facts.direct_return = direct_return;
    one.start(nodes, service, slices, uplinks);
    two.start(nodes, service, slices);
  }
  std::string from_client(const std::function<std::string()>& work) {
    return world1.run(work, false, client.get());
  }
  /// In a pod, but as a process that no socket hook sees.
  std::string from_pod(const Fd& pod, const std::function<std::string()>& work) {
    return world1.run(work, false, pod.get());
  }
  std::array<uint64_t, WEFT_EDGE_COUNTERS> counters() { return one.edge->edge().counters().value(); }

  std::vector<kube::Node> nodes = {
      node_object("node-1", {"192.0.2.2", "fd00:9::2"}, {"10.244.0.0/24", "fd00:244::/64"}),
      node_object("node-2", {"192.0.2.3", "fd00:9::3"}, {"10.244.1.0/24", "fd00:244:1::/64"})};
  Fd segment = World::new_namespace();
  World world1, world2;
  Fd client, pod_a, pod_b, pod_c;
  NodeEngines one{world1,
                  "node-1",
                  {ip("192.0.2.2"), ip("fd00:9::2")},
                  {prefix("10.244.0.0/24"), prefix("fd00:244::/64")}};
  NodeEngines two{world2,
                  "node-2",
                  {ip("192.0.2.3"), ip("fd00:9::3")},
                  {prefix("10.244.1.0/24"), prefix("fd00:244:1::/64")}};
  bool direct_return = false;
};

const std::vector<Port> kPorts = {{"t", "TCP", 80}, {"u", "UDP", 80}};
const std::vector<Port> kTargets = {{"t", "TCP", 8080}, {"u", "UDP", 8080}};

std::string ask(int type, const std::string& at, uint16_t port) { return Client(type, at, port).ask(); }

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
  World::in(node1, [&] { ASSERT_TRUE(one.edge->attach_pod("podd")); });
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
  EXPECT_THAT(from_client([] { return ask_by_port(41'000, "10.96.0.7", 80); }),
              testing::StartsWith("a ::ffff:192.0.2.2 "))
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

// SCTP, of which this kernel may know nothing: whole packets by raw sockets

uint32_t crc32c(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffff;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

/// A packet with a chunk of that length (RFC 9260, section 3).
std::vector<uint8_t> sctp_packet(uint16_t from, uint16_t to, size_t length) {
  std::vector<uint8_t> out(12 + length, 0x5a);
  uint16_t ports[2] = {htons(from), htons(to)};
  std::memcpy(out.data(), ports, 4);
  std::memset(out.data() + 8, 0, 4);
  uint32_t sum = crc32c(out);
  std::memcpy(out.data() + 8, &sum, 4);
  return out;
}

bool is_whole(std::vector<uint8_t> packet) {
  uint32_t sum;
  std::memcpy(&sum, packet.data() + 8, 4);
  std::memset(packet.data() + 8, 0, 4);
  return sum == crc32c(packet);
}

/// A raw socket that waits two seconds.
Fd sctp_socket(int family) {
  Fd fd(socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_SCTP));
  timeval limit{.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

std::vector<uint8_t> receive_sctp(const Fd& fd, int family, test::SockAddr& from) {
  std::vector<uint8_t> out(2000);
  from.size = sizeof from.storage;
  ssize_t size = recvfrom(fd.get(), out.data(), out.size(), 0, from.get(), &from.size);
  size_t header = family == AF_INET ? 20 : 0;  // IPv4's raw sockets give it too
  if (size < static_cast<ssize_t>(header + 12)) return {};
  return {out.begin() + static_cast<ptrdiff_t>(header), out.begin() + size};
}

/// Sends every packet back as it came, ports exchanged and the sum anew.
Child sctp_echo(World& world, const Fd& netns, int family) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn(
      [&] {
        Fd fd = sctp_socket(family);
        if (write(tell.get(), "x", 1) != 1) return 97;
        for (;;) {
          test::SockAddr from;
          auto packet = receive_sctp(fd, family, from);
          if (packet.empty() || !is_whole(packet)) continue;
          uint16_t ports[2];
          std::memcpy(ports, packet.data(), 4);
          auto reply = sctp_packet(ntohs(ports[1]), ntohs(ports[0]), packet.size() - 12);
          if (family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&from.storage)->sin6_port = 0;
          sendto(fd.get(), reply.data(), reply.size(), 0, from.get(), from.size);
        }
        return 0;
      },
      false, netns.get());
  tell.reset();
  char byte;
  require(read(listening.get(), &byte, 1) == 1, "echo did not start");
  return child;
}

/// What comes back to a packet from port `own`: "ADDRESS port FROM to me whole", or errno's name.
std::string ask_sctp(const std::string& at, uint16_t port, size_t length, uint16_t own) {
  auto to = test::sock_addr(at, 0);
  int family = to.storage.ss_family;
  Fd fd = sctp_socket(family);
  auto packet = sctp_packet(own, port, length);
  if (sendto(fd.get(), packet.data(), packet.size(), 0, to.get(), to.size) < 0) return strerrorname_np(errno);
  test::SockAddr from;
  auto reply = receive_sctp(fd, family, from);
  if (reply.empty()) return strerrorname_np(errno);
  uint16_t ports[2];
  std::memcpy(ports, reply.data(), 4);
  auto seen = test::text(from);
  return fmt::format("{} port {} {} {}", seen.substr(0, seen.find(' ')), ntohs(ports[0]),
                     ntohs(ports[1]) == own ? "to me" : "to somebody", is_whole(reply) ? "whole" : "broken");
}

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
