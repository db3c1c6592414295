#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <memory>
#include <variant>

#include "base/error.h"
#include "kube/client/kubeconfig.h"

namespace weft::kube {

namespace http = boost::beast::http;

/// A TLS context with our certificate and the authorities to trust; nullptr when the server speaks plain
/// HTTP. Fails when a PEM text cannot be read or the key is not the certificate's.
Expected<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const ClientConfig& config);

/// One HTTP/1.1 connection to the API server.
class Connection {
 public:
  /// Connects, shakes hands and verifies that the server's certificate is for its name or address; all within
  /// `timeout`. `tls` null: plain HTTP.
  static boost::asio::awaitable<Expected<std::unique_ptr<Connection>>> open(
      boost::asio::io_context& io, boost::asio::ssl::context* tls, const ClientConfig& config,
      std::chrono::milliseconds timeout);

  Connection(boost::asio::io_context& io, boost::asio::ssl::context* tls);

  /// Sends one request and reads its whole answer. An error leaves the connection unusable.
  boost::asio::awaitable<Expected<http::response<http::string_body>>> exchange(
      const http::request<http::string_body>& request, std::chrono::milliseconds timeout);

  /// Sends a request and reads the answer's header only; the body comes from `read_some`.
  boost::asio::awaitable<Expected<http::response<http::empty_body>>> start_stream(
      const http::request<http::string_body>& request, std::chrono::milliseconds timeout);
  /// The next piece of the body of the stream; empty at its end. Fails when nothing comes for `silence`. The
  /// view is good until the next call.
  boost::asio::awaitable<Expected<std::string_view>> read_some(std::chrono::milliseconds silence);

  /// Nothing was read of an answer yet when the last exchange failed: the server may have closed an idle
  /// connection.
  bool failed_before_answer() const { return failed_before_answer_; }
  /// The server has closed it, or sent something nobody asked for, while it was idle.
  bool is_stale();

 private:
  using Plain = boost::beast::tcp_stream;
  using Tls = boost::beast::ssl_stream<boost::beast::tcp_stream>;
  Plain& lowest();
  boost::asio::awaitable<Expected<void>> connect(const ClientConfig& config);
  boost::asio::awaitable<boost::system::error_code> connect(const boost::asio::ip::tcp::endpoint& endpoint);
  boost::asio::awaitable<Expected<void>> shake_hands(const ClientConfig& config);
  boost::asio::awaitable<Expected<void>> send(const http::request<http::string_body>& request);

  std::variant<Plain, Tls> stream_;
  boost::beast::flat_buffer buffer_;
  std::unique_ptr<http::response_parser<http::buffer_body>> parser_;
  std::string chunk_;
  bool failed_before_answer_ = false;
};

}  // namespace weft::kube
