#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/error.h"
#include "datapath/service_layout.h"

namespace weft::datapath {

/// Ends UDP sockets of processes in a cgroup's tree (sock_diag(7), SOCK_DESTROY): their owners' next call
/// fails with ECONNABORTED, so that they open another. Each is named by its cookie, so no other socket is
/// ever hit. Returns how many were ended; those that went by themselves meanwhile do not count.
Expected<size_t> destroy_udp_sockets(const std::string& cgroup_path,
                                     std::span<const weft_udp_socket> sockets);

}  // namespace weft::datapath
