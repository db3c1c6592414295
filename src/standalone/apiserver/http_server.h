#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "standalone/apiserver/pki.h"
#include "standalone/apiserver/request.h"

namespace weft::standalone {

namespace asio = boost::asio;

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

/// Sends a whole answer; false when the client is gone or does not take it within 30 s.
asio::awaitable<bool> send_response(TlsStream& stream, const ApiResponse& answer, bool keep_alive);

/// The body of an answer that goes on: a watch, a followed log.
class BodyStream {
 public:
  explicit BodyStream(TlsStream& stream) : stream_(stream) {}
  /// Sends the head of a 200 answer with a chunked body.
  asio::awaitable<bool> start(std::string content_type);
  /// Sends one piece; false when the client is gone or has not taken it within 30 s.
  asio::awaitable<bool> write(std::string_view bytes);
  asio::awaitable<bool> finish();

 private:
  TlsStream& stream_;
};

/// What the server asks for each request. All calls happen on the server's thread.
class ApiHandler {
 public:
  virtual ~ApiHandler() = default;
  enum class Kind { plain, stream, upgrade };
  virtual Kind kind_of(const ApiRequest& request) = 0;
  virtual ApiResponse handle(ApiRequest& request) = 0;
  /// A stream may still turn out a plain refusal: then `refusal` is set and nothing has been sent.
  virtual asio::awaitable<void> stream(ApiRequest request, BodyStream& body,
                                       std::optional<ApiResponse>& refusal) = 0;
  /// A request for another protocol on its connection; `head` is the request as it came. Owns the stream
  /// until it returns.
  virtual asio::awaitable<void> upgrade(ApiRequest request,
                                        boost::beast::http::request<boost::beast::http::string_body> head,
                                        TlsStream& stream) = 0;
  virtual ApiResponse error(const Error& error) = 0;
};

/// HTTPS on sockets that are already bound: HTTP/1.1 with keep-alive, client certificates required. A client
/// that is slow to send or to take is cut after 30 s; one that is idle after 5 minutes; a body over 3 MiB is
/// refused with 413, a head over 64 KiB or malformed HTTP with 400. Beyond 2,000 connections new ones wait in
/// the kernel's queue.
class HttpServer {
 public:
  HttpServer(asio::io_context& io, ApiHandler& handler) : io_(io), handler_(handler) {}
  /// Listens with `server`'s certificate; clients must show one that `ca_pem` signed.
  Expected<void> listen(std::vector<Fd> sockets, const KeyPair& server, const std::string& ca_pem);
  void close();

 private:
  asio::awaitable<void> accept_loop(size_t index);
  asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);

  asio::io_context& io_;
  ApiHandler& handler_;
  std::shared_ptr<asio::ssl::context> tls_;
  std::vector<asio::ip::tcp::acceptor> acceptors_;
  size_t connections_ = 0;
};

}  // namespace weft::standalone
