#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/ip.h"

namespace weft::dns {

/// An address and a port, and their form for the kernel.
struct SocketAddress {
  IpAddr ip;
  uint16_t port = 53;

  /// "10.0.0.1:53", "[::1]:53", or an address alone (port 53).
  static std::optional<SocketAddress> parse(std::string_view text);
  std::string str() const;
  auto operator<=>(const SocketAddress&) const = default;

  /// The kernel's form; the size of what was written.
  socklen_t to(sockaddr_storage& storage) const;
  static SocketAddress from(const sockaddr_storage& storage);
};

/// A bound, non-blocking UDP socket that reports the address each datagram was sent to (IP_PKTINFO). IPv6
/// sockets take IPv6 only. `shared`: several may be bound alike (SO_REUSEPORT), a thread each.
Expected<Fd> open_udp(const SocketAddress& address, bool shared);
/// A listening, non-blocking TCP socket.
Expected<Fd> open_tcp(const SocketAddress& address, bool shared);
/// The index of the device that a datagram came through, by what open_udp makes the kernel report; 0: not
/// known.
int device_of(const msghdr& message);
/// Of the device that an accepted TCP connection came through; 0: not known.
int device_of(const Fd& connection, bool v4);
/// False where IPv6 was left out when the kernel was started (ipv6.disable=1).
bool kernel_has_v6();
/// Where a socket is bound.
SocketAddress local_address(const Fd& fd);

}  // namespace weft::dns
