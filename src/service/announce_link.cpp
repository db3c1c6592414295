#include "service/announce_link.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "service/announce_wire.h"

namespace weft::service {
namespace {

constexpr int kGroupsPerSocket = 200;  ///< fit into net.core.optmem_max
constexpr uint32_t kAccept = 0xffff, kReject = 0;

/// Ethernet, then ARP: the operation is a request.
sock_filter kArpRequests[] = {
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, kAccept),
    BPF_STMT(BPF_RET | BPF_K, kReject),
};

/// Ethernet, then IPv6: the next header is ICMPv6, the hop limit 255, the type a solicitation.
sock_filter kSolicitations[] = {
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58 << 8 | 255, 0, 3),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, kAccept),     BPF_STMT(BPF_RET | BPF_K, kReject),
};

/// Made without a protocol, it hears nothing before its filter is in place. One protocol, not all: what else
/// passes the link does not pay for it.
template <size_t N>
Expected<Fd> open_socket(const Link& link, uint16_t protocol, sock_filter (&filter)[N]) {
  Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("open a packet socket", errno);
  sock_fprog program{.len = N, .filter = filter};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    return fail_errno("filter a packet socket", errno);
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(protocol);
  where.sll_ifindex = link.index;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0)
    return fail_errno("bind a packet socket to link " + link.name, errno);
  return fd;
}

ipv6_mreq request_for(const IpAddr& group, int link) {
  ipv6_mreq out{};
  std::ranges::copy(group.bytes(), out.ipv6mr_multiaddr.s6_addr);
  out.ipv6mr_interface = static_cast<unsigned>(link);
  return out;
}

}  // namespace

Expected<AnnounceLink> AnnounceLink::open(const Link& link) {
  AnnounceLink out;
  out.link_ = link;
  WEFT_TRY(out.arp_, open_socket(link, ETH_P_ARP, kArpRequests));
  WEFT_TRY(out.neighbour_, open_socket(link, ETH_P_IPV6, kSolicitations));
  return out;
}

bool AnnounceLink::has_carrier() const {
  ifreq request{};
  link_.name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  constexpr int kBoth = IFF_UP | IFF_RUNNING;
  return ::ioctl(arp_.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & kBoth) == kBoth;
}

std::span<const uint8_t> AnnounceLink::receive(int socket, std::span<uint8_t> buffer) {
  while (true) {
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    auto size =
        ::recvfrom(socket, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return {};
    // Of another VLAN, or overheard.
    if (from.sll_pkttype == PACKET_OTHERHOST || from.sll_pkttype == PACKET_OUTGOING) continue;
    return buffer.first(static_cast<size_t>(size));
  }
}

bool AnnounceLink::send(int socket, std::span<const uint8_t> frame) {
  return ::send(socket, frame.data(), frame.size(), MSG_DONTWAIT) == static_cast<ssize_t>(frame.size());
}

Expected<void> AnnounceLink::join(const IpAddr& addr) {
  auto group = solicited_node_group(addr);
  auto& membership = groups_[group];
  if (membership.users++ > 0) return {};
  auto room = std::ranges::find_if(sockets_, [](const auto& s) { return s.groups < kGroupsPerSocket; });
  if (room == sockets_.end()) {
    sockets_.push_back({.fd = Fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0))});
    room = sockets_.end() - 1;
  }
  membership.socket = static_cast<size_t>(room - sockets_.begin());
  ++room->groups;
  auto request = request_for(group, link_.index);
  // Not at the device alone: switches that look at who listens have to be told (MLD).
  if (::setsockopt(room->fd.get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request) == 0)
    return {};
  return fail_errno(fmt::format("join group {} on link {}", group.str(), link_.name), errno);
}

void AnnounceLink::leave(const IpAddr& addr) {
  auto group = groups_.find(solicited_node_group(addr));
  if (group == groups_.end() || --group->second.users > 0) return;
  auto& socket = sockets_[group->second.socket];
  auto request = request_for(group->first, link_.index);
  ::setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &request, sizeof request);
  --socket.groups;
  groups_.erase(group);
}

}  // namespace weft::service
