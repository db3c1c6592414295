#pragma once

/// SCTP for tests, of which this kernel may know nothing: whole packets by raw sockets.

#include <fmt/core.h>

#include <span>

#include "service/test_sockets.h"

namespace weft::service::test {

inline uint32_t crc32c(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffff;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

/// A packet with a chunk of that length (RFC 9260, section 3).
inline std::vector<uint8_t> sctp_packet(uint16_t from, uint16_t to, size_t length) {
  std::vector<uint8_t> out(12 + length, 0x5a);
  uint16_t ports[2] = {htons(from), htons(to)};
  std::memcpy(out.data(), ports, 4);
  std::memset(out.data() + 8, 0, 4);
  uint32_t sum = crc32c(out);
  std::memcpy(out.data() + 8, &sum, 4);
  return out;
}

inline bool is_whole(std::vector<uint8_t> packet) {
  uint32_t sum;
  std::memcpy(&sum, packet.data() + 8, 4);
  std::memset(packet.data() + 8, 0, 4);
  return sum == crc32c(packet);
}

/// A raw socket that waits two seconds.
inline Fd sctp_socket(int family) {
  Fd fd(socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_SCTP));
  timeval limit{.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

inline std::vector<uint8_t> receive_sctp(const Fd& fd, int family, SockAddr& from) {
  std::vector<uint8_t> out(2000);
  from.size = sizeof from.storage;
  ssize_t size = recvfrom(fd.get(), out.data(), out.size(), 0, from.get(), &from.size);
  size_t header = family == AF_INET ? 20 : 0;  // IPv4's raw sockets give it too
  if (size < static_cast<ssize_t>(header + 12)) return {};
  return {out.begin() + static_cast<ptrdiff_t>(header), out.begin() + size};
}

/// Sends every packet back as it came, ports exchanged and the sum anew.
inline Child sctp_echo(World& world, const Fd& netns, int family) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  Fd listening(ends[0]), tell(ends[1]);
  Child child = world.spawn(
      [&] {
        Fd fd = sctp_socket(family);
        if (write(tell.get(), "x", 1) != 1) return 97;
        for (;;) {
          SockAddr from;
          auto packet = receive_sctp(fd, family, from);
          if (packet.empty() || !is_whole(packet)) continue;
          uint16_t ports[2];
          std::memcpy(ports, packet.data(), 4);
          auto reply = sctp_packet(ntohs(ports[1]), ntohs(ports[0]), packet.size() - 12);
          if (family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&from.storage)->sin6_port = 0;
          sendto(fd.get(), reply.data(), reply.size(), 0, from.get(), from.size);
        }
        return 0;
      },
      false, netns.get());
  tell.reset();
  char byte;
  require(read(listening.get(), &byte, 1) == 1, "echo did not start");
  return child;
}

/// What comes back to a packet from port `own`: "ADDRESS port FROM to me whole", or errno's name.
inline std::string ask_sctp(const std::string& at, uint16_t port, size_t length, uint16_t own) {
  auto to = sock_addr(at, 0);
  int family = to.storage.ss_family;
  Fd fd = sctp_socket(family);
  auto packet = sctp_packet(own, port, length);
  if (sendto(fd.get(), packet.data(), packet.size(), 0, to.get(), to.size) < 0) return strerrorname_np(errno);
  SockAddr from;
  auto reply = receive_sctp(fd, family, from);
  if (reply.empty()) return strerrorname_np(errno);
  uint16_t ports[2];
  std::memcpy(ports, reply.data(), 4);
  auto seen = text(from);
  return fmt::format("{} port {} {} {}", seen.substr(0, seen.find(' ')), ntohs(ports[0]),
                     ntohs(ports[1]) == own ? "to me" : "to somebody", is_whole(reply) ? "whole" : "broken");
}

}  // namespace weft::service::test
