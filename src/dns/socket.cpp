#include "dns/socket.h"

#include <fmt/core.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace weft::dns {
namespace {

constexpr int kReceiveBuffer = 4 << 20;  // bytes; a burst waits here while the thread is busy
constexpr int kBacklog = 256;

Expected<Fd> open_bound(const SocketAddress& address, int type, bool shared) {
  Fd fd(::socket(address.ip.is_v4() ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("a socket for " + address.str(), errno);
  const int on = 1;
  if (address.ip.is_v6()) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (shared) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  socklen_t size = address.to(storage);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) {
    return fail_errno(fmt::format("bind {} {}", type == SOCK_STREAM ? "TCP" : "UDP", address.str()), errno);
  }
  return fd;
}

}  // namespace

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return std::nullopt;
    if (!port.empty()) port.remove_prefix(1);
  } else if (text.find(':') == text.rfind(':') && text.find(':') != std::string_view::npos) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
  }
  SocketAddress out;
  auto ip = IpAddr::parse(host);
  if (!ip) return std::nullopt;
  out.ip = *ip;
  if (host.size() == text.size() || text.ends_with(']')) return out;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size()) return std::nullopt;
  return out;
}

std::string SocketAddress::str() const {
  return ip.is_v4() ? fmt::format("{}:{}", ip.str(), port) : fmt::format("[{}]:{}", ip.str(), port);
}

socklen_t SocketAddress::to(sockaddr_storage& storage) const {
  std::memset(&storage, 0, sizeof storage);
  if (ip.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.bytes().data(), 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, ip.bytes().data(), 16);
  return sizeof v6;
}

SocketAddress SocketAddress::from(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    std::array<uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, 4);
    return {IpAddr::v4(bytes), ntohs(v4.sin_port)};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, 16);
  return {IpAddr::v6(bytes), ntohs(v6.sin6_port)};
}

Expected<Fd> open_udp(const SocketAddress& address, bool shared) {
  WEFT_TRY(Fd fd, open_bound(address, SOCK_DGRAM, shared));
  const int on = 1;
  if (address.ip.is_v4()) {
    ::setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  } else {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  }
  // The forced form passes net.core.rmem_max, but wants CAP_NET_ADMIN.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) != 0) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  }
  return fd;
}

Expected<Fd> open_tcp(const SocketAddress& address, bool shared) {
  WEFT_TRY(Fd fd, open_bound(address, SOCK_STREAM, shared));
  if (::listen(fd.get(), kBacklog) != 0) return fail_errno(fmt::format("listen {}", address.str()), errno);
  return fd;
}

int device_of(const msghdr& message) {
  auto& header = const_cast<msghdr&>(message);  // CMSG_NXTHDR wants it so
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return info.ipi_ifindex;
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      return static_cast<int>(info.ipi6_ifindex);
    }
  }
  return 0;
}

int device_of(const Fd& connection, bool v4) {
  // A connection keeps the device of the packet that completed it, and says so while the option is set.
  const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  const int option = v4 ? IP_PKTINFO : IPV6_RECVPKTINFO;
  const int on = 1, off = 0;
  alignas(cmsghdr) std::array<char, 256> control;
  socklen_t size = control.size();
  if (::setsockopt(connection.get(), level, option, &on, sizeof on) != 0) return 0;
  int got =
      ::getsockopt(connection.get(), level, v4 ? IP_PKTOPTIONS : IPV6_2292PKTOPTIONS, control.data(), &size);
  ::setsockopt(connection.get(), level, option, &off, sizeof off);
  if (got != 0) return 0;
  msghdr message{};
  message.msg_control = control.data();
  message.msg_controllen = size;
  return device_of(message);
}

bool kernel_has_v6() {
  const Fd any(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return any || errno != EAFNOSUPPORT;
}

SocketAddress local_address(const Fd& fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  return SocketAddress::from(storage);
}

}  // namespace weft::dns
