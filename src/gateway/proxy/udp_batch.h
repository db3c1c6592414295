#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>

namespace weft::gateway {

/// Room for the datagrams of one recvmmsg() or sendmmsg(). Memory that no datagram was long enough to reach
/// is never touched, so that the kernel gives none.
struct UdpBatch {
  static constexpr size_t kCount = 32;
  static constexpr size_t kLongest = size_t{64} << 10;

  std::array<mmsghdr, kCount> messages;
  std::array<iovec, kCount> data;
  std::array<sockaddr_in6, kCount> peers;
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
  };
  std::array<Control, kCount> controls;
  std::unique_ptr<char[]> bytes = std::make_unique_for_overwrite<char[]>(kCount * kLongest);

  /// Ready to receive, with or without the peer's address and ours.
  void prepare(bool addresses);
  /// Receives what is there; how many datagrams, or -1 and errno.
  int receive(int fd);
  /// Sends `count` of them beginning with `first`, as far as that works now.
  void send(int fd, size_t first, size_t count);
};

}  // namespace weft::gateway
