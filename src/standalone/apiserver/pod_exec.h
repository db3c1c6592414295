#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "standalone/apiserver/exec_client.h"
#include "standalone/apiserver/pod_runtime.h"

namespace weft::standalone {

/// Brings a command and the client of `kubectl exec` together until one of them ends. The command is killed
/// when the client goes. Both must outlive the call.
boost::asio::awaitable<void> serve_exec(boost::asio::io_context& io, ExecProcess process, bool tty,
                                        ExecClient& client);

}  // namespace weft::standalone
