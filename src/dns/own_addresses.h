#pragma once

#include <vector>

#include "dns/socket.h"

namespace weft::dns {

/// Where a server that listens on `listen` is reached: those addresses, or those of the machine's links for a
/// wildcard, without loopback and link-local ones.
std::vector<IpAddr> own_addresses(const std::vector<SocketAddress>& listen);

}  // namespace weft::dns
