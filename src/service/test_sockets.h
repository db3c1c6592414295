#pragma once

/// Real clients and servers for the tests of this room.

#include <netinet/in.h>

#include <map>
#include <set>

#include "service/test_world.h"

namespace weft::service::test {

struct SockAddr {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

/// `mapped`: an IPv4 address as an IPv6 socket has it.
inline SockAddr sock_addr(const std::string& ip, uint16_t port, bool mapped = false) {
  SockAddr out;
  auto addr = *IpAddr::parse(ip);
  if (addr.is_v4() && !mapped) {
    auto* in = reinterpret_cast<sockaddr_in*>(&out.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, addr.bytes().data(), 4);
    out.size = sizeof(*in);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    auto bytes = addr.mapped();
    std::memcpy(&in6->sin6_addr, bytes.data(), 16);
    out.size = sizeof(*in6);
  }
  return out;
}

/// "10.96.0.1 80", a v4-mapped one as "::ffff:10.96.0.1 80".
inline std::string text(const SockAddr& addr) {
  char ip[64];
  if (addr.storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&addr.storage);
    inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
    return std::string(ip) + " " + std::to_string(ntohs(in->sin_port));
  }
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&addr.storage);
  inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
  return std::string(ip) + " " + std::to_string(ntohs(in6->sin6_port));
}

inline Fd listen_on(const std::string& ip, uint16_t port, int type) {
  auto addr = sock_addr(ip, port);
  Fd fd(socket(addr.storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  require(bind(fd.get(), addr.get(), addr.size) == 0, "bind " + ip);
  if (type == SOCK_STREAM) require(listen(fd.get(), 4096) == 0, "listen " + ip);
  return fd;
}

/// Answers everything it reads on these addresses, TCP and UDP, with the address it was asked at. Returns
/// after it listens.
inline Child serve(World& world, const std::vector<std::string>& ips, uint16_t port) {
  World::in(Fd(dup(world.netns())), [&] {
    for (const auto& ip : ips) {
      bool v6 = ip.find(':') != std::string::npos;
      shell("ip addr replace " + ip + (v6 ? "/128 nodad" : "/32") + " dev lo");
    }
  });
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn([&] {
    std::map<int, std::pair<Fd, std::string>> sockets;
    std::set<int> acceptors;
    for (const auto& ip : ips) {
      for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
        Fd fd = listen_on(ip, port, type);
        int number = fd.get();
        if (type == SOCK_STREAM) acceptors.insert(number);
        sockets.emplace(number, std::pair(std::move(fd), ip));
      }
    }
    if (write(tell.get(), "x", 1) != 1) return 97;
    for (;;) {
      std::vector<pollfd> polls;
      for (auto& [fd, socket] : sockets) polls.push_back({fd, POLLIN, 0});
      poll(polls.data(), polls.size(), -1);
      for (auto& poll : polls) {
        if (!poll.revents) continue;
        std::string ip = sockets[poll.fd].second;
        if (acceptors.contains(poll.fd)) {
          Fd fd(accept4(poll.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
          int number = fd.get();
          if (fd) sockets.emplace(number, std::pair(std::move(fd), ip));
          continue;
        }
        char buffer[512];
        SockAddr from;
        from.size = sizeof(from.storage);
        ssize_t n = recvfrom(poll.fd, buffer, sizeof(buffer), 0, from.get(), &from.size);
        if (n > 0 && sendto(poll.fd, ip.data(), ip.size(), MSG_NOSIGNAL, from.size ? from.get() : nullptr,
                            from.size) >= 0)
          continue;
        if (n == 0 || errno != EAGAIN) sockets.erase(poll.fd);
      }
    }
    return 0;
  });
  tell.reset();
  char byte;
  require(read(listening.get(), &byte, 1) == 1, "server did not start");
  return child;
}

/// A connected socket of a client; fails with errno's name in `error`.
struct Client {
  Fd fd;
  std::string error;

  Client(int type, const std::string& ip, uint16_t port, bool mapped = false) {
    auto addr = sock_addr(ip, port, mapped);
    fd.reset(socket(addr.storage.ss_family, type | SOCK_CLOEXEC, 0));
    timeval limit{.tv_sec = 2, .tv_usec = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd.get(), addr.get(), addr.size) != 0) error = strerrorname_np(errno);
  }
  /// The address of the backend that answered, or errno's name.
  std::string ask() const {
    if (!error.empty()) return error;
    char buffer[512];
    if (send(fd.get(), "?", 1, MSG_NOSIGNAL) != 1) return strerrorname_np(errno);
    ssize_t n = recv(fd.get(), buffer, sizeof(buffer), 0);
    return n < 0 ? strerrorname_np(errno) : std::string(buffer, n);
  }
  std::string peer() const {
    SockAddr addr;
    addr.size = sizeof(addr.storage);
    return getpeername(fd.get(), addr.get(), &addr.size) == 0 ? text(addr) : strerrorname_np(errno);
  }
};

/// One datagram from an unconnected socket: "BACKEND from ADDRESS", or errno's name.
inline std::string ask_from(int fd, const std::string& ip, uint16_t port, bool mapped = false) {
  auto to = sock_addr(ip, port, mapped);
  if (sendto(fd, "?", 1, 0, to.get(), to.size) != 1) return strerrorname_np(errno);
  char buffer[512];
  SockAddr from;
  from.size = sizeof(from.storage);
  ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, from.get(), &from.size);
  return n < 0 ? strerrorname_np(errno) : std::string(buffer, n) + " from " + text(from);
}

inline Fd udp_socket(int family) {
  Fd fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  timeval limit{.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  return fd;
}

}  // namespace weft::service::test
