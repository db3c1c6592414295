#pragma once

/// A node with a client outside the cluster on one link and another node on a second one; pods on both nodes.

#include <fmt/core.h>

#include "../service_load.h"

namespace weft::bench {

constexpr int kPods = 20;  ///< addresses of each node's pods; one namespace has all of a node
constexpr int kRatePort = 8080, kStreamPort = 8081, kFloodPort = 8082;
inline const std::string kNode = "172.30.0.2";

inline std::string pod_ip(bool far, int n) { return fmt::format("10.244.{}.{}", far ? 1 : 0, 10 + n); }

struct Site {
  Fd node, client, pod, other_node, other_pod;
};

/// Every address of the range is the pod's, behind its first one.
inline Fd add_pods(const Fd& node, bool far) {
  std::string first = fmt::format("10.244.{}.2", far ? 1 : 0);
  std::string range = fmt::format("10.244.{}.0/24", far ? 1 : 0);
  Fd pod = add_pod(node, "pods", first);
  World::in(node, [&] { shell("ip route add " + range + " via " + first + " dev pods"); });
  World::in(pod, [&] { shell("ip route add local " + range + " dev lo"); });
  return pod;
}

inline Site make_site(Fd node) {
  Site site{.node = std::move(node), .client = World::new_namespace(), .other_node = World::new_namespace()};
  World::in(site.node, [&] {
    shell("ip link set lo up && sysctl -qw net.ipv4.ip_forward=1");
    shell("ip link add uplink type veth peer name eth0 netns " + path_of(site.client.get()));
    shell("ip link add second type veth peer name eth0 netns " + path_of(site.other_node.get()));
    shell("ip addr add " + kNode + "/24 dev uplink && ip addr add 172.31.0.2/24 dev second");
    shell("ip link set uplink up && ip link set second up");
  });
  World::in(site.client, [&] {
    shell("ip link set lo up && ip addr add 172.30.0.250/24 dev eth0 && ip link set eth0 up");
    shell("ip route add default via " + kNode);
    // The kernel's timestamps begin anywhere for each port. A pod that gets a masqueraded SYN from a port
    // that another connection had within a minute cannot tell then that it is newer (PAWSTimewait): it takes
    // a second. Weft keeps a client's ports apart, the peers' masquerade does not.
    shell("sysctl -qw net.ipv4.tcp_timestamps=2");
  });
  World::in(site.other_node, [&] {
    shell("ip link set lo up && ip addr add 172.31.0.3/24 dev eth0 && ip link set eth0 up");
    shell("ip route add default via 172.31.0.2");
  });
  World::in(site.node, [] { shell("ip route add 10.244.1.0/24 via 172.31.0.3"); });
  site.pod = add_pods(site.node, false);
  site.other_pod = add_pods(site.other_node, true);
  return site;
}

}  // namespace weft::bench
