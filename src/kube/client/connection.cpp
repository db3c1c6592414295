#include "kube/client/connection.h"

#include <fmt/core.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
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

std::unexpected<Error> broken(std::string_view what, const boost::system::error_code& error) {
  auto why = error == beast::error::timeout ? std::string("timed out") : error.message();
  return fail(ErrorCode::unavailable, fmt::format("{}: {}", what, why));
}

const std::string& server_name(const ClientConfig& config) {
  return config.server_name.empty() ? config.host : config.server_name;
}

bool is_address(const std::string& name) {
  boost::system::error_code error;
  asio::ip::make_address(name, error);
  return !error;
}

/// Makes OpenSSL itself compare the certificate's subjectAltName with the name or address we meant to reach,
/// and sends the name along (SNI takes no addresses: RFC 6066, 3).
bool expect_name(SSL* session, const std::string& name, bool verify) {
  auto* parameters = SSL_get0_param(session);
  if (is_address(name)) return !verify || X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
  if (SSL_set_tlsext_host_name(session, name.c_str()) != 1) return false;
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return !verify || X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size()) == 1;
}

}  // namespace

Expected<std::shared_ptr<ssl::context>> make_tls_context(const ClientConfig& config) {
  if (!config.tls) return nullptr;
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  context->set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
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

Connection::Connection(asio::io_context& io, ssl::context* tls)
    : stream_(tls ? decltype(stream_)(std::in_place_type<Tls>, io, *tls)
                  : decltype(stream_)(std::in_place_type<Plain>, io)) {}

Connection::Plain& Connection::lowest() {
  auto* tls = std::get_if<Tls>(&stream_);
  return tls ? beast::get_lowest_layer(*tls) : std::get<Plain>(stream_);
}

awaitable<Expected<std::unique_ptr<Connection>>> Connection::open(asio::io_context& io, ssl::context* tls,
                                                                  const ClientConfig& config,
                                                                  std::chrono::milliseconds timeout) {
  auto connection = std::make_unique<Connection>(io, tls);
  connection->lowest().expires_after(timeout);
  WEFT_CO_CHECK(co_await connection->connect(config));
  if (tls) WEFT_CO_CHECK(co_await connection->shake_hands(config));
  connection->lowest().expires_never();
  co_return connection;
}

awaitable<boost::system::error_code> Connection::connect(const asio::ip::tcp::endpoint& endpoint) {
  auto& socket = lowest().socket();
  boost::system::error_code error;
  socket.close(error);
  socket.open(endpoint.protocol(), error);
  if (error) co_return error;
  // Connections of a node are many and last: a server of a pod on the node's network may still have their
  // ports.
  socket.set_option(asio::socket_base::reuse_address(true), error);
  std::tie(error) = co_await lowest().async_connect(endpoint, as_tuple(use_awaitable));
  co_return error;
}

awaitable<Expected<void>> Connection::connect(const ClientConfig& config) {
  boost::system::error_code error;
  if (is_address(config.host)) {
    error = co_await connect({asio::ip::make_address(config.host, error), config.port});
  } else {
    asio::ip::tcp::resolver resolver(lowest().get_executor());
    auto [unresolved, endpoints] =
        co_await resolver.async_resolve(config.host, std::to_string(config.port), as_tuple(use_awaitable));
    if (unresolved) co_return unavailable(config, "resolve", unresolved.message());
    for (const auto& endpoint : endpoints) {
      error = co_await connect(endpoint);
      if (!error || error == beast::error::timeout) break;
    }
  }
  if (error) co_return unavailable(config, "connect", error.message());
  lowest().socket().set_option(asio::ip::tcp::no_delay(true), error);
  lowest().socket().set_option(asio::socket_base::keep_alive(true), error);
  co_return Expected<void>{};
}

awaitable<Expected<void>> Connection::shake_hands(const ClientConfig& config) {
  auto& stream = std::get<Tls>(stream_);
  auto* session = stream.native_handle();
  const auto& name = server_name(config);
  if (!expect_name(session, name, !config.insecure_skip_verify))
    co_return fail(ErrorCode::invalid,
                   fmt::format("server name \"{}\" cannot be verified by a certificate", name));
  auto [error] = co_await stream.async_handshake(ssl::stream_base::client, as_tuple(use_awaitable));
  if (!error) co_return Expected<void>{};
  auto verdict = SSL_get_verify_result(session);
  if (verdict == X509_V_OK || config.insecure_skip_verify)
    co_return unavailable(config, "TLS", error.message());
  co_return unavailable(config, "TLS",
                        fmt::format("the server's certificate is not accepted for \"{}\": {}", name,
                                    X509_verify_cert_error_string(verdict)));
}

bool Connection::is_stale() {
  char byte;
  auto got = ::recv(lowest().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK) || buffer_.size() > 0;
}

awaitable<Expected<void>> Connection::send(const http::request<http::string_body>& request) {
  auto* tls = std::get_if<Tls>(&stream_);
  auto [error, size] =
      co_await (tls ? http::async_write(*tls, request, as_tuple(use_awaitable))
                    : http::async_write(std::get<Plain>(stream_), request, as_tuple(use_awaitable)));
  if (error) co_return broken("send", error);
  co_return Expected<void>{};
}

awaitable<Expected<http::response<http::string_body>>> Connection::exchange(
    const http::request<http::string_body>& request, std::chrono::milliseconds timeout) {
  lowest().expires_after(timeout);
  failed_before_answer_ = true;
  WEFT_CO_CHECK(co_await send(request));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kBodyLimit);
  auto* tls = std::get_if<Tls>(&stream_);
  auto [error, size] =
      co_await (tls ? http::async_read(*tls, buffer_, parser, as_tuple(use_awaitable))
                    : http::async_read(std::get<Plain>(stream_), buffer_, parser, as_tuple(use_awaitable)));
  failed_before_answer_ = !parser.got_some();
  if (error) co_return broken("receive", error);
  lowest().expires_never();
  co_return parser.release();
}

awaitable<Expected<http::response<http::empty_body>>> Connection::start_stream(
    const http::request<http::string_body>& request, std::chrono::milliseconds timeout) {
  lowest().expires_after(timeout);
  WEFT_CO_CHECK(co_await send(request));
  parser_ = std::make_unique<http::response_parser<http::buffer_body>>();
  parser_->body_limit(boost::none);
  chunk_.resize(kChunkSize);
  auto* tls = std::get_if<Tls>(&stream_);
  auto [error, size] = co_await (
      tls ? http::async_read_header(*tls, buffer_, *parser_, as_tuple(use_awaitable))
          : http::async_read_header(std::get<Plain>(stream_), buffer_, *parser_, as_tuple(use_awaitable)));
  if (error) co_return broken("receive", error);
  http::response<http::empty_body> head;
  head.result(parser_->get().result());
  for (const auto& field : parser_->get()) head.insert(field.name_string(), field.value());
  co_return head;
}

awaitable<Expected<std::string_view>> Connection::read_some(std::chrono::milliseconds silence) {
  lowest().expires_after(silence);
  auto* tls = std::get_if<Tls>(&stream_);
  // A turn may bring no more than the size of a chunk.
  while (!parser_->is_done()) {
    auto& body = parser_->get().body();
    body.data = chunk_.data();
    body.size = chunk_.size();
    body.more = true;
    auto [error, size] = co_await (
        tls ? http::async_read_some(*tls, buffer_, *parser_, as_tuple(use_awaitable))
            : http::async_read_some(std::get<Plain>(stream_), buffer_, *parser_, as_tuple(use_awaitable)));
    if (error && error != http::error::need_buffer) co_return broken("receive", error);
    size_t got = chunk_.size() - body.size;
    if (got > 0) co_return std::string_view(chunk_.data(), got);
  }
  co_return std::string_view{};
}

}  // namespace weft::kube
