#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "standalone/apiserver/http_server.h"
#include "standalone/apiserver/pod_runtime.h"

namespace weft::standalone {

/// Runs the other end of `kubectl exec`: the subprotocols v5.channel.k8s.io and v4.channel.k8s.io over
/// WebSocket (KEP-4006). The first byte of each binary message is its channel: 0 stdin, 1 stdout, 2 stderr, 3
/// the Status at the end, 4 a new size of the terminal; with v5 also 255, which closes another. The process
/// is killed when the client goes.
boost::asio::awaitable<void> serve_exec(boost::asio::io_context& io, ExecProcess process, bool tty,
                                        boost::beast::http::request<boost::beast::http::string_body> head,
                                        TlsStream& stream);

/// Whether the client offers a subprotocol that serve_exec speaks.
bool speaks_exec(const boost::beast::http::request<boost::beast::http::string_body>& head);

}  // namespace weft::standalone
