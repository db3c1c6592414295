#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "dns/client_limits.h"

namespace weft::dns {

/// Of whom the kernel takes only some datagrams, by chance, before they have a place in a socket's buffer.
struct Thinned {
  Client client;
  uint32_t one_in = 1;  ///< how many it sends for one that is taken
};
/// So many of them a filter has room for: its jumps are short.
inline constexpr size_t kMaxThinned = 16;

/// A classic BPF program for a UDP socket of one family.
std::vector<sock_filter> thinning_filter(std::span<const Thinned> clients, bool v4);

/// Instead of what filtered before; nobody: no filter. Takes no privilege.
Expected<void> attach_filter(int socket, std::span<const Thinned> clients, bool v4);

/// How a socket's buffer is.
struct SocketFill {
  uint32_t used = 0, size = 0;  ///< bytes
  uint32_t dropped = 0;  ///< datagrams so far, by the filter or as there was no room; starts anew at 2^32
};
Expected<SocketFill> fill_of(int socket);

}  // namespace weft::dns
