#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "base/ip.h"

namespace weft::bench {

/// A blocking connection to an IPv4 address; -1: there is none.
inline int connect_to(const IpAddr& address, uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}};
  std::memcpy(&to.sin_addr, address.bytes().data(), sizeof to.sin_addr);
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

/// To a port of 127.0.0.1.
inline int connect_to(uint16_t port) { return connect_to(IpAddr::v4({127, 0, 0, 1}), port); }

}  // namespace weft::bench
