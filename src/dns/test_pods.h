#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "base/netns.h"

namespace weft::dns {

/// For tests: a node and its pods as network namespaces, with links as the pod network makes them. The thread
/// that makes it is inside the node until it goes.
class TestPods {
 public:
  TestPods() : name_(fmt::format("wt-dns-{}", ::getpid())) {
    if (auto made = create_netns(name_ + "-node", {}); !made) throw std::runtime_error(made.error().message);
    auto entered = InNetns::enter(netns_path(name_ + "-node"));
    if (!entered) throw std::runtime_error(entered.error().message);
    inside_ = std::make_unique<InNetns>(std::move(*entered));
    shell("ip addr add 172.31.0.1/32 dev lo && ip addr add fd00:31::1/128 dev lo");
    shell("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done");
  }
  ~TestPods() {
    inside_.reset();
    for (const auto& netns : list_netns(name_)) (void)remove_netns(netns);
  }

  std::string netns(const std::string& pod) const { return name_ + "-" + pod; }
  /// 10.0.0.N and fd00:10::N.
  void add(const std::string& pod, int number, const std::string& alias) {
    if (auto made = create_netns(netns(pod), {}); !made) throw std::runtime_error(made.error().message);
    shell(fmt::format(
        "ip link add {0} type veth peer name eth0 netns {1} && ip link set {0} alias '{3}' up && "
        "ip -n {1} addr add 10.0.0.{2}/32 dev eth0 && ip -n {1} addr add fd00:10::{2}/128 dev eth0 nodad && "
        "ip -n {1} link set eth0 up && ip -n {1} route add 172.31.0.1 dev eth0 && ip -n {1} route add "
        "fd00:31::1 dev eth0 && "
        "ip addr add 169.254.{2}.1/32 dev {0} && "
        "ip route add 10.0.0.{2} dev {0} && ip -6 route add fd00:10::{2} dev {0}",
        pod, netns(pod), number, alias));
    // Neighbours as the pod network has them: nothing is asked for, so nothing is lost.
    shell(fmt::format(
        "pod=$(ip -n {1} -br link show eth0 | awk '{{print $3}}'); node=$(ip -br link show {0} | awk "
        "'{{print $3}}'); "
        "ip -n {1} neigh replace 172.31.0.1 lladdr $node dev eth0; ip -n {1} neigh replace fd00:31::1 lladdr "
        "$node dev eth0; "
        "ip neigh replace 10.0.0.{2} lladdr $pod dev {0}; ip neigh replace fd00:10::{2} lladdr $pod dev {0}; "
        "echo 0 > /proc/sys/net/ipv4/conf/{0}/rp_filter",
        pod, netns(pod), number));
  }
  void remove(const std::string& pod) { shell("ip link delete " + pod); }

  static void shell(const std::string& command) {
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
  }
  static std::string output(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::array<char, 4096> buffer;
    while (size_t n = ::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
    ::pclose(pipe);
    return out;
  }

 private:
  std::string name_;
  std::unique_ptr<InNetns> inside_;
};

}  // namespace weft::dns
