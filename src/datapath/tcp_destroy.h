#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/error.h"
#include "base/ip.h"

namespace weft::datapath {

/// A TCP connection as one end's socket has it; ports in host order, IPv4 as IPv4 also of IPv6 sockets.
struct TcpConnection {
  IpAddr local, remote;
  uint16_t local_port = 0;
  uint16_t remote_port = 0;
  bool accepted = false;  ///< somebody listens on the local port: the other end has most likely begun it
};

/// Ends the sockets of those connections of a network namespace that `is_denied` tells (sock_diag(7),
/// SOCK_DESTROY): the owner's next call fails with ECONNABORTED, and the other end is sent a reset.
/// One that the other end has not answered yet is left alone, and ends by its own patience.
/// Connections within the namespace, from loopback or between its own addresses, are asked about too.
/// `netns`: a descriptor of the namespace. Returns how many were ended; those that went by themselves
/// meanwhile do not count. unavailable if the kernel cannot.
Expected<size_t> destroy_tcp_connections(int netns,
                                         const std::function<bool(const TcpConnection&)>& is_denied);

}  // namespace weft::datapath
