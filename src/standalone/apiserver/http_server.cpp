#include "standalone/apiserver/http_server.h"

#include <openssl/x509.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>

namespace weft::standalone {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;

namespace {

constexpr auto kSlow = 30s;
constexpr auto kIdle = 300s;
constexpr uint64_t kBodyLimit = 3 << 20;
constexpr uint32_t kHeadLimit = 64 << 10;
constexpr size_t kMaxConnections = 2000;

std::string text_of(X509_NAME_ENTRY* entry) {
  unsigned char* data = nullptr;
  int size = ASN1_STRING_to_UTF8(&data, X509_NAME_ENTRY_get_data(entry));
  std::string out(size > 0 ? reinterpret_cast<char*>(data) : "", size > 0 ? size : 0);
  OPENSSL_free(data);
  return out;
}

/// The user and groups that a verified client certificate names.
void identify(SSL* ssl, ApiRequest& request) {
  X509* cert = SSL_get1_peer_certificate(ssl);
  if (!cert) return;
  X509_NAME* name = X509_get_subject_name(cert);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    auto* entry = X509_NAME_get_entry(name, i);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) request.user = text_of(entry);
    if (nid == NID_organizationName) request.groups.push_back(text_of(entry));
  }
  X509_free(cert);
}

Error read_error(const beast::error_code& error) {
  if (error == http::error::body_limit) {
    return {ErrorCode::too_large, "the request's body is larger than 3145728 bytes"};
  }
  return {ErrorCode::bad_request, "malformed HTTP request: " + error.message()};
}

bool worth_an_answer(const beast::error_code& error) {
  return error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

}  // namespace

awaitable<bool> send_response(TlsStream& stream, const ApiResponse& answer, bool keep_alive) {
  http::response<http::string_body> out(http::int_to_status(answer.status), 11);
  out.set(http::field::content_type, answer.content_type);
  out.set(http::field::cache_control, "no-cache, private");
  for (const auto& [name, value] : answer.headers) out.insert(name, value);
  out.keep_alive(keep_alive);
  out.body() = answer.body;
  out.prepare_payload();
  beast::get_lowest_layer(stream).expires_after(kSlow);
  auto [error, size] = co_await http::async_write(stream, out, as_tuple(use_awaitable));
  co_return !error;
}

awaitable<bool> BodyStream::start(std::string content_type) {
  http::response<http::empty_body> head(http::status::ok, 11);
  head.set(http::field::content_type, content_type);
  head.set(http::field::cache_control, "no-cache, private");
  head.chunked(true);
  http::response_serializer<http::empty_body> serializer(head);
  beast::get_lowest_layer(stream_).expires_after(kSlow);
  auto [error, size] = co_await http::async_write_header(stream_, serializer, as_tuple(use_awaitable));
  co_return !error;
}

awaitable<bool> BodyStream::write(std::string_view bytes) {
  if (bytes.empty()) co_return true;
  beast::get_lowest_layer(stream_).expires_after(kSlow);
  auto [error, size] =
      co_await asio::async_write(stream_, http::make_chunk(asio::buffer(bytes)), as_tuple(use_awaitable));
  co_return !error;
}

awaitable<bool> BodyStream::finish() {
  beast::get_lowest_layer(stream_).expires_after(kSlow);
  auto [error, size] = co_await asio::async_write(stream_, http::make_chunk_last(), as_tuple(use_awaitable));
  co_return !error;
}

Expected<void> HttpServer::listen(std::vector<Fd> sockets, const KeyPair& server, const std::string& ca_pem) {
  tls_ = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  auto bad = [&](const char* what) {
    return fail(ErrorCode::internal, std::string(what) + ": " + error.message());
  };
  tls_->use_certificate_chain(asio::buffer(server.cert_pem), error);
  if (error) return bad("server certificate");
  tls_->use_private_key(asio::buffer(server.key_pem), asio::ssl::context::pem, error);
  if (error) return bad("server key");
  tls_->add_certificate_authority(asio::buffer(ca_pem), error);
  if (error) return bad("client authority");
  tls_->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
  SSL_CTX_set_session_id_context(tls_->native_handle(), reinterpret_cast<const unsigned char*>("weft"), 4);
  SSL_CTX_set_min_proto_version(tls_->native_handle(), TLS1_2_VERSION);
  for (auto& socket : sockets) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
    auto protocol = address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
    acceptors_.emplace_back(io_, protocol, socket.release());
    asio::co_spawn(io_, accept_loop(acceptors_.size() - 1), asio::detached);
  }
  return {};
}

void HttpServer::close() {
  boost::system::error_code ignored;
  for (auto& acceptor : acceptors_) acceptor.close(ignored);
}

awaitable<void> HttpServer::accept_loop(size_t index) {
  asio::steady_timer pause(io_);
  while (acceptors_[index].is_open()) {
    if (connections_ >= kMaxConnections) {
      pause.expires_after(50ms);
      co_await pause.async_wait(use_awaitable);
      continue;
    }
    auto [error, socket] = co_await acceptors_[index].async_accept(as_tuple(use_awaitable));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      pause.expires_after(50ms);
      co_await pause.async_wait(use_awaitable);
      continue;
    }
    ++connections_;
    asio::co_spawn(io_, serve(std::move(socket)), [this](const std::exception_ptr& thrown) {
      --connections_;
      try {
        if (thrown) std::rethrow_exception(thrown);
      } catch (const std::exception& e) {
        spdlog::error("connection: {}", e.what());
      }
    });
  }
}

awaitable<void> HttpServer::serve(asio::ip::tcp::socket socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  TlsStream stream(std::move(socket), *tls_);
  auto& lowest = beast::get_lowest_layer(stream);
  lowest.expires_after(kSlow);
  auto [handshake_error] =
      co_await stream.async_handshake(asio::ssl::stream_base::server, as_tuple(use_awaitable));
  if (handshake_error) co_return;

  beast::flat_buffer buffer;
  while (true) {
    // Waiting for the next request may take long; once its first byte is here, the rest has to follow soon.
    lowest.expires_after(kIdle);
    if (buffer.size() == 0) {
      auto [wait_error, got] =
          co_await stream.async_read_some(buffer.prepare(16 << 10), as_tuple(use_awaitable));
      if (wait_error) break;
      buffer.commit(got);
    }
    lowest.expires_after(kSlow);
    http::request_parser<http::string_body> parser;
    parser.body_limit(kBodyLimit);
    parser.header_limit(kHeadLimit);
    auto [error, size] = co_await http::async_read(stream, buffer, parser, as_tuple(use_awaitable));
    if (error) {
      if (worth_an_answer(error)) co_await send_response(stream, handler_.error(read_error(error)), false);
      break;
    }
    auto head = parser.release();
    ApiRequest request;
    request.method = head.method_string();
    request.accept = head[http::field::accept];
    request.content_type = head[http::field::content_type];
    request.user_agent = head[http::field::user_agent];
    identify(stream.native_handle(), request);
    bool keep_alive = head.keep_alive();
    if (auto parsed = parse_target(head.target(), request); !parsed) {
      if (!co_await send_response(stream, handler_.error(parsed.error()), keep_alive) || !keep_alive) break;
      continue;
    }
    auto kind = handler_.kind_of(request);
    if (kind == ApiHandler::Kind::upgrade && head.count(http::field::upgrade) > 0) {
      lowest.expires_never();
      co_await handler_.upgrade(std::move(request), std::move(head), stream);
      break;
    }
    request.body = std::move(head.body());
    if (kind == ApiHandler::Kind::stream) {
      BodyStream body(stream);
      std::optional<ApiResponse> refusal;
      lowest.expires_never();
      co_await handler_.stream(std::move(request), body, refusal);
      if (!refusal) {
        if (!co_await body.finish() || !keep_alive) break;
        continue;
      }
      if (!co_await send_response(stream, *refusal, keep_alive) || !keep_alive) break;
      continue;
    }
    auto answer = handler_.handle(request);
    if (request.method == "HEAD") answer.body.clear();
    if (!co_await send_response(stream, answer, keep_alive) || !keep_alive) break;
  }
  lowest.expires_after(1s);
  co_await stream.async_shutdown(as_tuple(use_awaitable));
}

}  // namespace weft::standalone
