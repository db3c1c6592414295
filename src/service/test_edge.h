#pragma once

/// For tests of nodes' and pods' edges: two nodes and a client on one segment, a pod or two on each.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/edge_engine.h"
#include "service/engine.h"
#include "service/test_sockets.h"

namespace weft::service::test {

inline std::string path_of(const Fd& netns) { return fmt::format("/proc/{}/fd/{}", getpid(), netns.get()); }

/// A namespace whose `eth0` hangs on the segment's bridge.
inline Fd host_on(const Fd& segment, const std::string& name, const std::vector<std::string>& addresses,
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
inline Fd pod_on(const Fd& node, const std::string& link, const std::string& v4, const std::string& v6) {
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
inline Child answer(World& world, const Fd& netns, const std::string& name, uint16_t port) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn(
      [&] {
        Fd tcp = listen_on("::", port, SOCK_STREAM), udp = listen_on("::", port, SOCK_DGRAM);
        if (write(tell.get(), "x", 1) != 1) return 97;
        for (;;) {
          pollfd polls[] = {{tcp.get(), POLLIN, 0}, {udp.get(), POLLIN, 0}};
          poll(polls, 2, -1);
          SockAddr from;
          from.size = sizeof(from.storage);
          char buffer[65536];
          if (polls[0].revents) {
            Fd one(accept4(tcp.get(), from.get(), &from.size, SOCK_CLOEXEC));
            std::string said = name + " " + text(from);
            if (one && read(one.get(), buffer, sizeof buffer) > 0 &&
                write(one.get(), said.data(), said.size()) < 0)
              perror("answer");
          } else if (recvfrom(udp.get(), buffer, sizeof buffer, 0, from.get(), &from.size) >= 0) {
            std::string said = name + " " + text(from);
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

inline std::shared_ptr<kube::Service> node_port_service(const std::vector<Port>& ports, int first_node_port) {
  auto out = service("a", {"10.96.0.7", "fd00:96::7"}, ports);
  out->spec.type = "NodePort";
  for (size_t i = 0; i < ports.size(); ++i)
    out->spec.ports[i].nodePort = first_node_port + static_cast<int>(i);
  return out;
}

inline kube::Endpoint on(const std::string& node, const std::string& ip) {
  return endpoint(ip, "ready", node);
}

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
      ASSERT_TRUE(edge->policy().introduce(*pods));
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

inline IpAddr ip(const char* text) { return *IpAddr::parse(text); }
inline IpPrefix prefix(const char* text) { return *IpPrefix::parse(text); }

inline kube::Node node_object(const std::string& name, const std::vector<std::string>& addresses,
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

inline const std::vector<Port> kPorts = {{"t", "TCP", 80}, {"u", "UDP", 80}};
inline const std::vector<Port> kTargets = {{"t", "TCP", 8080}, {"u", "UDP", 8080}};

inline std::string ask(int type, const std::string& at, uint16_t port) {
  return Client(type, at, port).ask();
}

}  // namespace weft::service::test
