#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft::gateway {

/// What kept a request from a backend's whole answer, or a stream from a good end.
enum class Flag : uint8_t {
  none,
  no_listener,      ///< of the port takes the host or server name; or the port has gone
  no_route,         ///< of the listener takes it
  misdirected,      ///< the connection is another listener's
  no_backend,       ///< the route's reference is not valid, or TLS cannot be set up as asked
  no_endpoint,      ///< the backend has none
  connect_failed,   ///< no endpoint took the connection, or it refused a datagram
  backend_tls,      ///< the handshake with the backend failed
  backend_closed,   ///< before its time, or what came was no answer
  backend_timeout,  ///< one try took too long
  timeout,          ///< the whole request took too long
  client_tls,       ///< the client's handshake failed, or it speaks no TLS
  client_left,      ///< before its time
  client_timeout,   ///< the client took too long to send
  bad_request,      ///< the client sent what is no request
  idle,             ///< a connection on which nothing moved for too long
  shutdown,         ///< the proxy ended
};

inline constexpr std::array<std::string_view, 17> kFlagNames = {"",
                                                                "no_listener",
                                                                "no_route",
                                                                "misdirected",
                                                                "no_backend",
                                                                "no_endpoint",
                                                                "connect_failed",
                                                                "backend_tls",
                                                                "backend_closed",
                                                                "backend_timeout",
                                                                "timeout",
                                                                "client_tls",
                                                                "client_left",
                                                                "client_timeout",
                                                                "bad_request",
                                                                "idle",
                                                                "shutdown"};
static_assert(kFlagNames.size() == static_cast<size_t>(Flag::shutdown) + 1);

constexpr std::string_view name_of(Flag flag) { return kFlagNames[static_cast<size_t>(flag)]; }

}  // namespace weft::gateway
