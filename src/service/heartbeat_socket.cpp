#include "service/heartbeat_socket.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft::service {
namespace {

constexpr int kSkipped = 256;  ///< at most, lest a flood of nonsense keep the caller

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t fill(SocketAddress& out, const IpAddr& ip) {
  out = {};
  if (ip.is_v4()) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(kHeartbeatPort);
    std::ranges::copy(ip.bytes(), reinterpret_cast<uint8_t*>(&out.v4.sin_addr));
    return sizeof out.v4;
  }
  out.v6 = {};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(kHeartbeatPort);
  std::ranges::copy(ip.bytes(), out.v6.sin6_addr.s6_addr);
  return sizeof out.v6;
}

/// Only from the port of heartbeats: who may bind it is the agent there.
std::optional<IpAddr> sender_of(const SocketAddress& from) {
  if (from.any.sa_family == AF_INET && from.v4.sin_port == htons(kHeartbeatPort)) {
    std::array<uint8_t, 4> bytes{};
    std::copy_n(reinterpret_cast<const uint8_t*>(&from.v4.sin_addr), bytes.size(), bytes.begin());
    return IpAddr::v4(bytes);
  }
  if (from.any.sa_family == AF_INET6 && from.v6.sin6_port == htons(kHeartbeatPort)) {
    std::array<uint8_t, 16> bytes{};
    std::copy_n(from.v6.sin6_addr.s6_addr, bytes.size(), bytes.begin());
    return IpAddr::v6(bytes);
  }
  return std::nullopt;
}

}  // namespace

Expected<HeartbeatSocket> HeartbeatSocket::open(const IpAddr& own) {
  HeartbeatSocket out;
  out.v6_ = own.is_v6();
  out.fd_.reset(::socket(own.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.fd_) return fail_errno("open a UDP socket", errno);
  int on = 1;
  if (own.is_v4()) {
    ::setsockopt(out.fd_.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  } else {
    ::setsockopt(out.fd_.get(), IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  }
  SocketAddress where;
  auto length = fill(where, own);
  if (::bind(out.fd_.get(), &where.any, length) != 0)
    return fail_errno(
        fmt::format("bind UDP port {} of {} for heartbeats between nodes", kHeartbeatPort, own.str()), errno);
  return out;
}

void HeartbeatSocket::send(const IpAddr& to, const Heartbeat& heartbeat) const {
  SocketAddress where;
  auto length = fill(where, to);
  auto packet = encode(heartbeat);
  ::sendto(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT, &where.any, length);
}

std::optional<std::pair<IpAddr, Heartbeat>> HeartbeatSocket::receive() const {
  for (int i = 0; i < kSkipped; ++i) {
    SocketAddress from{};
    socklen_t length = sizeof from;
    // One byte more than any: what is longer is none.
    std::array<uint8_t, HeartbeatPacket{}.size() + 1> buffer{};
    auto size = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT, &from.any, &length);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    auto heartbeat = parse_heartbeat(std::span(buffer).first(static_cast<size_t>(size)));
    auto sender = sender_of(from);
    if (heartbeat && sender) return std::pair(*sender, *heartbeat);
  }
  return std::nullopt;
}

}  // namespace weft::service
