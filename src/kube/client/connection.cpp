#include "kube/client/connection.h"

#include <fmt/core.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace weft::kube {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace beast = boost::beast;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;

namespace {

/// Largest answer that is taken whole (a page of a list).
constexpr uint64_t kBodyLimit = 512ULL << 20;
constexpr size_t kChunkSize = 64 << 10;

std::unexpected<Error> unavailable(const ClientConfig& config, std::string_view what,
                                   const std::string& why) {
  return fail(ErrorCode::unavailable, fmt::format("{}:{}: {}: {}", config.host, config.port, what, why));
}

}  // namespace

Expected<std::shared_ptr<ssl::context>> make_tls_context(const ClientConfig& config) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  boost::system::error_code error;
  auto bad = [&](std::string_view what) {
    return fail(ErrorCode::invalid, fmt::format("kubeconfig: {}: {}", what, error.message()));
  };
  if (config.insecure_skip_verify) {
    context->set_verify_mode(ssl::verify_none);
  } else {
    context->set_verify_mode(ssl::verify_peer);
    if (config.ca_pem.empty()) {
      context->set_default_verify_paths(error);
    } else {
      context->add_certificate_authority(asio::buffer(config.ca_pem), error);
    }
    if (error) return bad("certificate-authority-data");
  }
  if (!config.cert_pem.empty()) {
    context->use_certificate_chain(asio::buffer(config.cert_pem), error);
    if (error) return bad("client-certificate-data");
    context->use_private_key(asio::buffer(config.key_pem), ssl::context::pem, error);
    if (error) return bad("client-key-data");
  }
  return context;
}

Connection::Connection(asio::io_context& io, ssl::context& tls) : stream_(io, tls) {}

awaitable<Expected<std::unique_ptr<Connection>>> Connection::open(asio::io_context& io, ssl::context& tls,
                                                                  const ClientConfig& config,
                                                                  std::chrono::milliseconds timeout) {
  asio::ip::tcp::resolver resolver(io);
  auto [resolve_error, endpoints] =
      co_await resolver.async_resolve(config.host, std::to_string(config.port), as_tuple(use_awaitable));
  if (resolve_error) co_return unavailable(config, "resolve", resolve_error.message());

  auto connection = std::make_unique<Connection>(io, tls);
  auto& stream = connection->stream_;
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(timeout);
  auto [connect_error, endpoint] = co_await lowest.async_connect(endpoints, as_tuple(use_awaitable));
  if (connect_error) co_return unavailable(config, "connect", connect_error.message());
  boost::system::error_code ignored;
  lowest.socket().set_option(asio::ip::tcp::no_delay(true), ignored);

  const auto& name = config.server_name.empty() ? config.host : config.server_name;
  if (!config.insecure_skip_verify) stream.set_verify_callback(ssl::host_name_verification(name));
  asio::ip::make_address(name, ignored);
  if (ignored) SSL_set_tlsext_host_name(stream.native_handle(), name.c_str());
  auto [handshake_error] = co_await stream.async_handshake(ssl::stream_base::client, as_tuple(use_awaitable));
  if (handshake_error) co_return unavailable(config, "TLS", handshake_error.message());
  lowest.expires_never();
  co_return connection;
}

awaitable<Expected<http::response<http::string_body>>> Connection::exchange(
    const http::request<http::string_body>& request, std::chrono::milliseconds timeout) {
  auto& lowest = beast::get_lowest_layer(stream_);
  lowest.expires_after(timeout);
  failed_before_answer_ = true;
  auto [write_error, written] = co_await http::async_write(stream_, request, as_tuple(use_awaitable));
  if (write_error) co_return fail(ErrorCode::unavailable, "send: " + write_error.message());
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyLimit);
  if (request.method() == http::verb::head) parser.skip(true);
  auto [header_error, header_size] =
      co_await http::async_read_header(stream_, buffer_, parser, as_tuple(use_awaitable));
  if (header_error) co_return fail(ErrorCode::unavailable, "receive: " + header_error.message());
  failed_before_answer_ = false;
  auto [read_error, size] = co_await http::async_read(stream_, buffer_, parser, as_tuple(use_awaitable));
  if (read_error) co_return fail(ErrorCode::unavailable, "receive: " + read_error.message());
  lowest.expires_never();
  co_return parser.release();
}

awaitable<Expected<http::response<http::empty_body>>> Connection::start_stream(
    const http::request<http::string_body>& request, std::chrono::milliseconds timeout) {
  auto& lowest = beast::get_lowest_layer(stream_);
  lowest.expires_after(timeout);
  auto [write_error, written] = co_await http::async_write(stream_, request, as_tuple(use_awaitable));
  if (write_error) co_return fail(ErrorCode::unavailable, "send: " + write_error.message());
  parser_ = std::make_unique<http::response_parser<http::buffer_body>>();
  parser_->body_limit(boost::none);
  chunk_.resize(kChunkSize);
  auto [read_error, size] =
      co_await http::async_read_header(stream_, buffer_, *parser_, as_tuple(use_awaitable));
  if (read_error) co_return fail(ErrorCode::unavailable, "receive: " + read_error.message());
  http::response<http::empty_body> head;
  head.result(parser_->get().result());
  for (const auto& field : parser_->get()) head.insert(field.name_string(), field.value());
  co_return head;
}

awaitable<Expected<std::string_view>> Connection::read_some(std::chrono::milliseconds timeout) {
  if (parser_->is_done()) co_return std::string_view{};
  auto& lowest = beast::get_lowest_layer(stream_);
  lowest.expires_after(timeout);
  auto& body = parser_->get().body();
  body.data = chunk_.data();
  body.size = chunk_.size();
  body.more = true;
  auto [error, size] = co_await http::async_read_some(stream_, buffer_, *parser_, as_tuple(use_awaitable));
  if (error && error != http::error::need_buffer)
    co_return fail(ErrorCode::unavailable, "receive: " + error.message());
  size_t got = chunk_.size() - body.size;
  if (got == 0 && !parser_->is_done()) co_return co_await read_some(timeout);
  co_return std::string_view(chunk_.data(), got);
}

}  // namespace weft::kube
