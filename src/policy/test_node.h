#pragma once

/// For tests of this room: a node with pods, in network namespaces of their own, and the programs at the
/// pods' links. Each pod listens on the ports 1 to kPorts. All of it goes with the object.

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/netns.h"
#include "datapath/node_edge.h"
#include "datapath/pod_policy.h"
#include "datapath/service_socket.h"

namespace weft::policy::test {

constexpr int kPorts = 9;

inline void require(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno));
}
template <class T>
T good(Expected<T> value) {
  if (!value) throw std::runtime_error(value.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}
inline void shell(const std::string& command) { require(std::system(command.c_str()) == 0, command); }

/// A bpffs of its own.
class BpfFolder {
 public:
  BpfFolder() {
    require(mkdtemp(path_.data()) != nullptr && mount("bpf", path_.c_str(), "bpf", 0, nullptr) == 0, path_);
  }
  ~BpfFolder() {
    umount2(path_.c_str(), MNT_DETACH);
    rmdir(path_.c_str());
  }
  BpfFolder(const BpfFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/wt-policy-XXXXXX";
};

/// A network namespace without a name.
class Netns {
 public:
  Netns() {
    auto back = good(InNetns::enter("/proc/thread-self/ns/net"));
    require(unshare(CLONE_NEWNET) == 0, "unshare");
    fd_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  int fd() const { return fd_.get(); }
  std::string path() const { return fmt::format("/proc/{}/fd/{}", getpid(), fd_.get()); }
  InNetns enter() const { return good(InNetns::enter(path())); }

 private:
  Fd fd_;
};

inline sockaddr_in6 socket_address(const std::string& ip, int port) {
  sockaddr_in6 out{.sin6_family = AF_INET6,
                   .sin6_port = htons(static_cast<uint16_t>(port)),
                   .sin6_flowinfo = 0,
                   .sin6_addr = {},
                   .sin6_scope_id = 0};
  auto text = ip.find(':') == std::string::npos ? "::ffff:" + ip : ip;
  require(inet_pton(AF_INET6, text.c_str(), &out.sin6_addr) == 1, ip);
  return out;
}
inline const sockaddr* generic(const sockaddr_in6& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

class NodePod {
 public:
  NodePod(const Netns& node, std::string name, std::string ip4, std::string ip6)
      : v4(std::move(ip4)), v6(std::move(ip6)) {
    auto in_node = node.enter();
    shell(fmt::format(
        "ip link add {0} type veth peer name eth0 netns {1} && ip link set {0} address "
        "ee:ee:ee:ee:ee:ee up && ip route add {2}/32 dev {0} && ip -6 route add {3}/128 dev {0} && "
        "ip neigh add {2} dev {0} lladdr 02:00:00:00:00:07 nud permanent && "
        "ip neigh add {3} dev {0} lladdr 02:00:00:00:00:07 nud permanent",
        name, netns.path(), v4, v6));
    link = static_cast<int>(if_nametoindex(name.c_str()));
    auto in_pod = netns.enter();
    shell(
        fmt::format("sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.eth0.accept_ra=0 && "
                    "ip link set lo up && ip link set eth0 address 02:00:00:00:00:07 up && "
                    "ip addr add {}/32 dev eth0 && ip addr add {}/128 dev eth0 nodad",
                    v4, v6));
    for (const char* gateway : {"169.254.1.1", "fe80::1"}) {
      shell(
          fmt::format("ip neigh replace {0} dev eth0 lladdr ee:ee:ee:ee:ee:ee nud permanent && "
                      "ip route add default via {0} dev eth0 onlink",
                      gateway));
    }
    for (int port = 1; port <= kPorts; ++port) {
      tcp.push_back(listen(port, SOCK_STREAM));
      udp.push_back(listen(port, SOCK_DGRAM));
    }
  }
  Fd make_socket(int type) const {
    auto in_pod = netns.enter();
    Fd out(socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    require(static_cast<bool>(out), "socket");
    // Ends with a reset, and leaves nothing behind that would be sent again.
    linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(out.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return out;
  }

  Netns netns;
  int link = 0;  ///< the node's end
  std::string v4, v6;
  std::vector<Fd> tcp, udp;  ///< by port - 1

 private:
  Fd listen(int port, int type) const {
    Fd out = make_socket(type);
    auto any = socket_address("::", port);
    require(bind(out.get(), generic(any), sizeof any) == 0, "bind");
    if (type == SOCK_STREAM) require(::listen(out.get(), 16) == 0, "listen");
    return out;
  }
};

class TestNode {
 public:
  TestNode() {
    auto in_node = netns_.enter();
    shell(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 "
        "net.ipv4.conf.default.rp_filter=0 && ip link set lo up");
    edge_.emplace(
        good(datapath::NodeEdge::open({.bpf_dir = folder_.path(), .flows = 1024}, services_, maps_)));
  }
  /// The pod passes nothing until the maps know it.
  NodePod add(const std::string& v4, const std::string& v6) {
    NodePod pod(netns_, fmt::format("pod{}", ++pods_), v4, v6);
    auto in_node = netns_.enter();
    good(edge_->attach_pod(pod.link));
    return pod;
  }
  const datapath::PodPolicy& maps() const { return maps_; }
  /// Packets that were denied up to now.
  uint64_t denied() const {
    auto all = good(maps_.counters());
    return all[WEFT_POLICY_DENIED_INGRESS] + all[WEFT_POLICY_DENIED_EGRESS];
  }

 private:
  static constexpr datapath::ServiceMapSizes kSizes{
      .frontends = 16, .slots = 16, .backends = 16, .maglev = 16};
  BpfFolder folder_;
  Netns netns_;
  datapath::PodPolicy maps_ =
      good(datapath::PodPolicy::open(folder_.path(), {.identities = 4096, .verdicts = 65'536}));
  datapath::ServiceSocket services_ = good(datapath::ServiceSocket::open(folder_.path(), kSizes));
  std::optional<datapath::NodeEdge> edge_;
  int pods_ = 0;
};

}  // namespace weft::policy::test
