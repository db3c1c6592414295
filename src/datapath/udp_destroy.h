#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "datapath/service_layout.h"

namespace weft::datapath {

/// A UDP socket and the backend that it was connected to.
struct ConnectedUdp {
  uint64_t cookie = 0;
  weft_peer peer{};
};

/// Ends UDP sockets of processes in a cgroup's tree (sock_diag(7), SOCK_DESTROY): they are connected no more,
/// the owner's next receive fails with ECONNABORTED and a send with EDESTADDRREQ, so that it opens another.
/// Each is known by its cookie and must still be connected to that backend, so no other socket is ever hit.
/// Returns how many were ended; those that went by themselves meanwhile do not count. unavailable if the
/// kernel cannot.
Expected<size_t> destroy_udp_sockets(const std::string& cgroup_path, std::span<const ConnectedUdp> sockets);

}  // namespace weft::datapath
