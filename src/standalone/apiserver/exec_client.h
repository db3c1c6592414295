#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "standalone/apiserver/http_server.h"

namespace weft::standalone {

/// What runs beside each other between `kubectl exec` and a command. The first five have the numbers that the
/// WebSocket protocol gives them.
enum class ExecChannel : char {
  in = 0,
  out = 1,
  err = 2,
  status = 3,  ///< a metav1.Status at the end
  resize = 4,  ///< {"Width":80,"Height":24}
  reply = 5,   ///< what the protocol itself has to answer; only from receive() to send()
};

/// Something that the client said.
struct ExecInput {
  ExecChannel channel = ExecChannel::in;
  std::string bytes;
  bool end = false;  ///< of that channel
};

/// The client's end of an exec, in one of the protocols for it. One coroutine receives and one sends. What is
/// thrown is only what asio throws.
class ExecClient {
 public:
  virtual ~ExecClient() = default;
  /// Answers the request to upgrade; false when nothing came of it.
  virtual asio::awaitable<bool> open() = 0;
  /// Nothing when the client is gone.
  virtual asio::awaitable<std::optional<ExecInput>> receive() = 0;
  /// False when the client is gone.
  virtual asio::awaitable<bool> send(ExecChannel channel, std::string_view bytes) = 0;
  /// The last that is sent: how the command ended.
  virtual asio::awaitable<void> finish(std::string_view status) = 0;
  /// Cuts the connection: what waits for it returns.
  virtual void close() = 0;
};

using UpgradeRequest = boost::beast::http::request<boost::beast::http::string_body>;

/// v5.channel.k8s.io and v4.channel.k8s.io over WebSocket (KEP-4006): the first byte of each binary message
/// is its channel; with v5, 255 closes another. nullptr when the request asks for neither. `stream` must
/// outlive it.
std::unique_ptr<ExecClient> websocket_exec_client(UpgradeRequest head, TlsStream& stream);

/// v4.channel.k8s.io over SPDY/3.1: a stream a channel, told apart by their header "streamType". nullptr when
/// the request asks for something else. The client has opened when it has made so many streams, whichever:
/// like a kubelet, which takes those who ask for a terminal and then make a stream "stderr" instead of
/// "resize". `stream` must outlive it.
std::unique_ptr<ExecClient> spdy_exec_client(const UpgradeRequest& head, TlsStream& stream,
                                             size_t stream_count);

/// Whether a request wants SPDY/3.1.
bool is_spdy_upgrade(const UpgradeRequest& head);

}  // namespace weft::standalone
