#pragma once

#include "load.h"

namespace weft::bench {

/// `clients` that each connect, do a whole handshake of TLS 1.3 and end the connection in good order, one
/// after the other for that long. `Load::requests` are handshakes that the server has seen the end of.
Load handshake_load(uint16_t port, int clients, std::chrono::milliseconds time);

}  // namespace weft::bench
