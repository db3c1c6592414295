#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

#include "base/error.h"
#include "dns/name.h"
#include "dns/socket.h"
#include "kube/client/client.h"

namespace weft::dns {

/// Asks a server once, over UDP, for the IPv4 addresses of a name. Good when it says that there are some or
/// none; unavailable when it does not answer within `patience`, or cannot.
asio::awaitable<Expected<void>> probe(asio::io_context& io, SocketAddress server, Name name,
                                      std::chrono::milliseconds patience);

}  // namespace weft::dns
