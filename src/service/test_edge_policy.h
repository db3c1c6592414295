#pragma once

/// For tests of policy verdicts at pods' links: pods of known identities, and connections that stay.

#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "datapath/prefix_key.h"
#include "service/test_edge.h"

namespace weft::service::test {

inline constexpr uint32_t kA = 10, kB = 11, kC = 12, kClient = 13,
                          kNode = 14;  // identities of pods and of the client
inline constexpr uint32_t kSubject = 77;
inline constexpr uint32_t kIngress = WEFT_POLICY_ISOLATED_INGRESS, kEgress = WEFT_POLICY_ISOLATED_EGRESS;
inline constexpr uint16_t kPort = 8080;

/// Sends back every message, on connections that stay and by datagrams.
inline Child echo(World& world, const Fd& netns, uint16_t port = kPort) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn(
      [&] {
        Fd tcp = listen_on("::", port, SOCK_STREAM), udp = listen_on("::", port, SOCK_DGRAM);
        if (write(tell.get(), "x", 1) != 1) return 97;
        std::vector<Fd> talks;
        for (;;) {
          std::vector<pollfd> polls = {{tcp.get(), POLLIN, 0}, {udp.get(), POLLIN, 0}};
          for (const auto& talk : talks) polls.push_back({talk.get(), POLLIN, 0});
          poll(polls.data(), polls.size(), -1);
          char buffer[65536];
          for (size_t i = 2; i < polls.size(); ++i) {
            if (!polls[i].revents) continue;
            ssize_t n = recv(polls[i].fd, buffer, sizeof buffer, 0);
            if (n <= 0 || send(polls[i].fd, buffer, n, MSG_NOSIGNAL) < 0) talks[i - 2].reset();
          }
          std::erase_if(talks, [](const Fd& talk) { return !talk; });
          if (polls[0].revents) talks.emplace_back(accept4(tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
          SockAddr from;
          from.size = sizeof from.storage;
          if (!polls[1].revents) continue;
          ssize_t n = recvfrom(udp.get(), buffer, sizeof buffer, 0, from.get(), &from.size);
          if (n >= 0) sendto(udp.get(), buffer, n, 0, from.get(), from.size);
        }
        return 0;
      },
      false, netns.get());
  tell.reset();
  char byte;
  require(read(listening.get(), &byte, 1) == 1, "echo did not start");
  return child;
}

/// A connection that stays, from a namespace.
class Talk {
 public:
  Talk(const Fd& netns, int type, const std::string& at, uint16_t port = kPort, int protocol = 0) {
    World::in(netns, [&] {
      auto to = sock_addr(at, port);
      fd_.reset(socket(to.storage.ss_family, type | SOCK_CLOEXEC, protocol));
      timeval limit{.tv_sec = 0, .tv_usec = 700'000};
      for (int option : {SO_RCVTIMEO, SO_SNDTIMEO})
        setsockopt(fd_.get(), SOL_SOCKET, option, &limit, sizeof limit);
      // A connect that times out is still in progress.
      open_ = connect(fd_.get(), to.get(), to.size) == 0;
    });
  }
  /// Whether what is said comes back.
  bool works(const std::string& what = "hello") const {
    return open_ && send(fd_.get(), what.data(), what.size(), MSG_NOSIGNAL) >= 0 && hears(what);
  }
  bool hears(const std::string& what) const {
    std::string heard(what.size(), 0);
    ssize_t n = recv(fd_.get(), heard.data(), heard.size(), MSG_WAITALL);
    return n == static_cast<ssize_t>(what.size()) && heard == what;
  }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  bool open_ = false;
};

class PolicyTest : public EdgeTest {
 protected:
  PolicyTest() {
    start(node_port_service(kPorts, 30080), {});
    for (const auto& [addresses, identity] : std::initializer_list<std::pair<std::vector<const char*>, int>>{
             {{"10.244.0.2/32", "fd00:244::2/128"}, kA},
             {{"10.244.1.2/32", "fd00:244:1::2/128"}, kB},
             {{"10.244.0.3/32", "fd00:244::3/128"}, kC},
             {{"192.0.2.1/32", "fd00:9::1/128"}, kClient},
             {{"192.0.2.2/32", "fd00:9::2/128"}, kNode}}) {
      for (const char* address : addresses)
        ok(policy().identities().update(datapath::prefix_key(prefix(address)),
                                        static_cast<uint32_t>(identity)));
    }
    node1.reset(dup(world1.netns()));
    link_a = index_of("poda");
    link_c = index_of("podc");
  }
  uint32_t index_of(const char* link) const {
    uint32_t out = 0;
    World::in(node1, [&] { out = if_nametoindex(link); });
    return out;
  }
  template <class T>
  static void ok(const Expected<T>& result) {
    if (!result) throw std::runtime_error(result.error().message);
  }
  const datapath::PodPolicy& policy() const { return one.edge->policy(); }
  void isolate(uint32_t link, uint32_t flags) {
    ok(policy().set_pod(link, {kSubject, flags}));
    ok(policy().raise_revision());
  }
  /// `port`: 0 for any; of it the first `bits` count.
  static weft_verdict_key key(uint32_t peer, uint8_t direction, uint8_t protocol, uint16_t port,
                              uint32_t bits) {
    uint32_t length = WEFT_VERDICT_FIXED_BITS + (protocol ? 8 : 0) + (port ? bits : 0);
    return {length, kSubject, peer, direction, protocol, htons(port)};
  }
  void set(uint32_t verdict, uint32_t peer, uint8_t direction, uint8_t protocol = 0, uint16_t port = 0,
           uint32_t bits = 16, uint32_t reason = 1) {
    ok(policy().verdicts().update(key(peer, direction, protocol, port, bits), {verdict, reason}));
    ok(policy().raise_revision());
  }
  void allow(uint32_t peer, uint8_t direction, uint8_t protocol = 0, uint16_t port = 0, uint32_t bits = 16) {
    set(WEFT_VERDICT_ALLOW, peer, direction, protocol, port, bits);
  }
  void retract(uint32_t peer, uint8_t direction, uint8_t protocol = 0, uint16_t port = 0) {
    ok(policy().verdicts().erase(key(peer, direction, protocol, port, 16)));
    ok(policy().raise_revision());
  }
  void forget_flows() const {
    for (const auto& [flow, value] : policy().flows().read_all().value()) ok(policy().flows().erase(flow));
    for (const auto& [place, young] : policy().young().read_all().value()) {
      if (young.state != 0) ok(policy().young().update(place, {}));
    }
  }
  /// Connections that are kept as neither the node's nor anything but TCP.
  size_t kept() const {
    size_t count = 0;
    for (const auto& [key, flow] : policy().flows().read_all().value())
      count += key.protocol == IPPROTO_TCP && !(flow.flags & WEFT_POLICY_FLOW_NODE);
    for (const auto& [place, young] : policy().young().read_all().value())
      count += young.state & WEFT_YOUNG_KEPT;
    return count;
  }
  static bool reaches(const Fd& from, int type, const std::string& at, uint16_t port = kPort) {
    return Talk(from, type, at, port).works();
  }
  static bool pings(const Fd& from, const std::string& at) {
    bool v6 = at.find(':') != std::string::npos;
    World::in(from, [] { shell("sysctl -qw net.ipv4.ping_group_range='0 0'"); });
    Talk ping(from, SOCK_DGRAM, at, 0, v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP});
    icmphdr request{};
    request.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    char reply[64];
    return send(ping.fd(), &request, sizeof request, 0) > 0 && recv(ping.fd(), reply, sizeof reply, 0) > 0;
  }
  uint64_t counter(weft_policy_counter which) const { return policy().counters().value()[which]; }

  const std::vector<std::string> at_a = {"10.244.0.2", "fd00:244::2"}, at_b = {"10.244.1.2", "fd00:244:1::2"},
                                 at_c = {"10.244.0.3", "fd00:244::3"};
  Fd node1;
  uint32_t link_a = 0, link_c = 0;
};

}  // namespace weft::service::test
