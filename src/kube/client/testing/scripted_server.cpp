#include "kube/client/testing/scripted_server.h"

#include <fmt/core.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <set>
#include <stdexcept>

namespace weft::kube::test {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::awaitable;
using asio::use_awaitable;
using Stream = beast::ssl_stream<beast::tcp_stream>;

namespace {

template <class T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, decltype([](T* p) { Free(p); })>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;

std::string text_of(const std::function<int(BIO*)>& write) {
  std::unique_ptr<BIO, decltype([](BIO* b) { BIO_free(b); })> bio(BIO_new(BIO_s_mem()));
  write(bio.get());
  char* data = nullptr;
  auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

void add_extension(X509* certificate, int id, const std::string& value) {
  std::unique_ptr<X509_EXTENSION, decltype([](X509_EXTENSION* e) { X509_EXTENSION_free(e); })> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str()));
  if (!extension) throw std::runtime_error("extension " + value);
  X509_add_ext(certificate, extension.get(), -1);
}

/// Signed by `issuer`, or by itself when there is none.
Identity make_identity(const std::string& name, const std::string& san, const Identity* issuer) {
  static long serial = 1;
  Key key(EVP_EC_gen("P-256"));
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  Certificate issuer_certificate;
  Key issuer_key;
  if (issuer) {
    auto read = [](const std::string& text) {
      return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    };
    BIO* in = read(issuer->cert);
    issuer_certificate.reset(PEM_read_bio_X509(in, nullptr, nullptr, nullptr));
    BIO_free(in);
    in = read(issuer->key);
    issuer_key.reset(PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr));
    BIO_free(in);
  }
  X509_set_issuer_name(certificate.get(),
                       X509_get_subject_name(issuer ? issuer_certificate.get() : certificate.get()));
  add_extension(certificate.get(), NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
  if (!san.empty()) add_extension(certificate.get(), NID_subject_alt_name, san);
  X509_sign(certificate.get(), issuer ? issuer_key.get() : key.get(), EVP_sha256());
  Identity out;
  out.cert = text_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  out.key = text_of([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return out;
}

}  // namespace

TestAuthority::TestAuthority() : self_(make_identity("test authority", "", nullptr)) {}

Identity TestAuthority::issue(const std::string& common_name, const std::string& san) const {
  return make_identity(common_name, san, &self_);
}

awaitable<bool> Exchange::answer(int status, std::string text, std::string more) {
  return send(fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}",
                          status, text.size(), more, text));
}

awaitable<bool> Exchange::start_stream() {
  return send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
}

awaitable<bool> Exchange::chunk(std::string text) {
  return send(fmt::format("{:x}\r\n{}\r\n", text.size(), text));
}

struct ScriptedServer::State : std::enable_shared_from_this<State> {
  State(asio::io_context& i, Handler h) : io(i), handler(std::move(h)), acceptor(i) {}

  awaitable<void> accept() {
    auto self = shared_from_this();
    while (acceptor.is_open()) {
      auto [error, socket] = co_await acceptor.async_accept(asio::as_tuple(use_awaitable));
      if (error) break;
      asio::co_spawn(io, serve(std::move(socket)), asio::detached);
    }
  }

  awaitable<void> serve(asio::ip::tcp::socket socket) {
    auto self = shared_from_this();
    Stream stream(std::move(socket), tls);
    auto* raw = &beast::get_lowest_layer(stream).socket();
    sockets.insert(raw);
    struct Leave {
      State& state;
      asio::ip::tcp::socket* socket;
      ~Leave() { state.sockets.erase(socket); }
    } leave{*this, raw};
    auto [error] = co_await stream.async_handshake(ssl::stream_base::server, asio::as_tuple(use_awaitable));
    if (error) co_return;
    ++connections;
    beast::flat_buffer buffer;
    while (co_await serve_one(stream, buffer)) {
    }
  }

  awaitable<bool> serve_one(Stream& stream, beast::flat_buffer& buffer) {
    http::request<http::string_body> request;
    auto [error, size] = co_await http::async_read(stream, buffer, request, asio::as_tuple(use_awaitable));
    if (error) co_return false;
    Exchange exchange;
    exchange.method = request.method_string();
    exchange.target = request.target();
    exchange.body = request.body();
    for (const auto& field : request) {
      std::string name(field.name_string());
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      exchange.headers[name] = field.value();
    }
    exchange.send = [&stream](std::string bytes) -> awaitable<bool> {
      auto [failed, n] =
          co_await asio::async_write(stream, asio::buffer(bytes), asio::as_tuple(use_awaitable));
      co_return !failed;
    };
    exchange.sleep = [this](int milliseconds) -> awaitable<void> {
      asio::steady_timer timer(io, std::chrono::milliseconds(milliseconds));
      co_await timer.async_wait(use_awaitable);
    };
    co_await handler(exchange);
    co_return !exchange.close;
  }

  asio::io_context& io;
  Handler handler;
  asio::ip::tcp::acceptor acceptor;
  ssl::context tls{ssl::context::tls_server};
  std::set<asio::ip::tcp::socket*> sockets;
  int connections = 0;
};

ScriptedServer::ScriptedServer(asio::io_context& io, const Identity& identity, std::string client_ca,
                               Handler handler, uint16_t port)
    : state_(std::make_shared<State>(io, std::move(handler))) {
  state_->tls.use_certificate_chain(asio::buffer(identity.cert));
  state_->tls.use_private_key(asio::buffer(identity.key), ssl::context::pem);
  if (!client_ca.empty()) {
    state_->tls.add_certificate_authority(asio::buffer(client_ca));
    state_->tls.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  }
  asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
  state_->acceptor.open(endpoint.protocol());
  state_->acceptor.set_option(asio::socket_base::reuse_address(true));
  state_->acceptor.bind(endpoint);
  state_->acceptor.listen();
  asio::co_spawn(io, state_->accept(), asio::detached);
}

ScriptedServer::~ScriptedServer() { kill(); }
uint16_t ScriptedServer::port() const { return state_->acceptor.local_endpoint().port(); }
int ScriptedServer::connections() const { return state_->connections; }

void ScriptedServer::kill() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  for (auto* socket : state_->sockets) socket->close(ignored);
}

void Fixture::serve(ScriptedServer::Handler handler, uint16_t port) {
  server = std::make_unique<ScriptedServer>(io, server_identity, authority.cert(), std::move(handler), port);
}

ClientConfig Fixture::config() const {
  ClientConfig out;
  out.host = "127.0.0.1";
  out.port = server->port();
  out.ca_pem = authority.cert();
  out.cert_pem = client_identity.cert;
  out.key_pem = client_identity.key;
  return out;
}

bool Fixture::run_until(const std::function<bool()>& done, int seconds) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  io.restart();
  while (!done() && std::chrono::steady_clock::now() < deadline)
    io.run_one_for(std::chrono::milliseconds(50));
  return done();
}

void Fixture::run(awaitable<void> test, int seconds) {
  bool finished = false;
  std::exception_ptr thrown;
  asio::co_spawn(io, std::move(test), [&](std::exception_ptr e) {
    thrown = e;
    finished = true;
  });
  if (!run_until([&] { return finished; }, seconds)) throw std::runtime_error("the test did not end in time");
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace weft::kube::test
