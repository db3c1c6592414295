// Neighbour and listener discovery at pods' links, frame by frame.
#include <net/ethernet.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>
#include <poll.h>

#include <algorithm>

#include "service/test_edge_policy.h"

namespace weft::service {
namespace {

using namespace test;
using testing::IsEmpty;

using Frame = std::vector<uint8_t>;

template <class T>
void append(Frame& frame, const T& part) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&part);
  frame.insert(frame.end(), bytes, bytes + sizeof part);
}

/// To everybody on the link.
Frame frame_of(uint16_t type) {
  ether_header header{.ether_dhost = {}, .ether_shost = {2, 0, 0, 0, 0, 9}, .ether_type = htons(type)};
  std::ranges::fill(header.ether_dhost, 0xff);
  Frame out;
  append(out, header);
  return out;
}

/// An ICMPv6 message; with the router alert that hosts put before listener discovery (RFC 2711), or without.
Frame message(uint8_t type, uint8_t hops, bool alert) {
  Frame body;
  if (alert) body = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
  body.push_back(type);
  body.resize(body.size() + 23);
  ip6_hdr ip{};
  ip.ip6_vfc = 6 << 4;
  ip.ip6_plen = htons(static_cast<uint16_t>(body.size()));
  ip.ip6_nxt = alert ? IPPROTO_HOPOPTS : IPPROTO_ICMPV6;
  ip.ip6_hlim = hops;
  inet_pton(AF_INET6, "fe80::9", &ip.ip6_src);
  inet_pton(AF_INET6, "ff02::1", &ip.ip6_dst);
  Frame out = frame_of(ETHERTYPE_IPV6);
  append(out, ip);
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

/// A pod's own end of its link.
class Wire {
 public:
  explicit Wire(const Fd& pod) {
    World::in(pod, [&] {
      fd_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
      int on = 1;
      setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
      sockaddr_ll at{};
      at.sll_family = AF_PACKET;
      at.sll_protocol = htons(ETH_P_ALL);
      at.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
      require(bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) == 0, "bind");
    });
  }
  void send(const Frame& frame) const {
    ssize_t sent = ::send(fd_.get(), frame.data(), frame.size(), 0);
    require(sent == static_cast<ssize_t>(frame.size()), "send");
  }
  /// The next one within so long; none: nothing came.
  Frame receive(int milliseconds) const {
    Frame out(2048);
    pollfd ready{fd_.get(), POLLIN, 0};
    ssize_t size = poll(&ready, 1, milliseconds) == 1 ? recv(fd_.get(), out.data(), out.size(), 0) : 0;
    out.resize(static_cast<size_t>(std::max<ssize_t>(size, 0)));
    return out;
  }

 private:
  Fd fd_;
};

/// The pods' links are ports of one bridge, so that no router counts hops between them.
class NeighbourTest : public PolicyTest {
 protected:
  NeighbourTest() {
    World::in(node1, [] {
      shell(
          "ip link add both type bridge mcast_snooping 0 && ip link set both up && "
          "ip link set poda master both && ip link set podc master both");
    });
    a.emplace(pod_a);
    c.emplace(pod_c);
  }

  /// ARP, which always passes and comes last, tells that there is nothing more to wait for.
  bool passes(const Wire& from, const Wire& to, const Frame& frame) {
    Frame last = frame_of(ETHERTYPE_ARP);
    last.resize(60, ++number_);
    from.send(frame);
    from.send(last);
    bool seen = false;
    for (Frame got = to.receive(2000); !got.empty() && got != last; got = to.receive(2000))
      seen = seen || got == frame;
    return seen;
  }
  /// Types of messages that pass with a hop limit, with a router alert and without.
  std::vector<int> types(const Wire& from, const Wire& to, uint8_t hops) {
    std::vector<int> out;
    for (int type = 128; type <= 144; ++type) {
      bool plain = passes(from, to, message(static_cast<uint8_t>(type), hops, false));
      EXPECT_EQ(passes(from, to, message(static_cast<uint8_t>(type), hops, true)), plain) << type;
      if (plain) out.push_back(type);
    }
    return out;
  }
  /// `blocked`: how the pod a is set up to pass nothing else.
  void expect_discovery_of_the_link_alone(const char* blocked) {
    for (auto [from, to] : {std::pair(&*a, &*c), std::pair(&*c, &*a)}) {
      SCOPED_TRACE(std::string(blocked) + (from == &*a ? ", sends" : ", gets"));
      EXPECT_EQ(types(*from, *to, 255), (std::vector{133, 134, 135, 136, 137}));
      EXPECT_EQ(types(*from, *to, 1), (std::vector{130, 131, 132, 143}));
      for (uint8_t hops : {0, 2, 64, 254}) EXPECT_THAT(types(*from, *to, hops), IsEmpty()) << int{hops};
    }
  }

  std::optional<Wire> a, c;

 private:
  uint8_t number_ = 0;
};

TEST_F(NeighbourTest, AnIsolatedPodFindsThoseOnItsLinkAlone) {
  EXPECT_EQ(types(*c, *a, 64).size(), 17u) << "nothing isolates it";
  isolate(link_a, kIngress | kEgress);
  auto denied = [&] { return counter(WEFT_POLICY_DENIED_INGRESS) + counter(WEFT_POLICY_DENIED_EGRESS); };
  auto before = denied();
  expect_discovery_of_the_link_alone("isolated");
  EXPECT_GE(denied(), before + 2 * 2 * (6 * 17 - 9));
}

TEST_F(NeighbourTest, APodThatIsNotKnownToo) {
  ok(policy().erase_pod(link_a));
  expect_discovery_of_the_link_alone("not known");
}

}  // namespace
}  // namespace weft::service
