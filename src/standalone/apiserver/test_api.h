#pragma once

#include <arpa/inet.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

#include "base/fd.h"
#include "kube/json.h"
#include "standalone/apiserver/authorizer.h"
#include "standalone/apiserver/server.h"

/// For tests: an API server on a port of its own, and a client that sends what the test says, byte by byte.
namespace weft::standalone::test {

/// What came back.
struct Answer {
  int status = 0;  ///< 0: nothing, the connection was cut
  std::string head, body;
  json::value json;

  std::string at(std::string_view path) const { return std::string(kube::string_at(json, path)); }
};

/// One TLS connection.
class Connection {
 public:
  /// `user` empty: without a certificate.
  Connection(const ApiServer& server, uint16_t port, const std::string& user, const std::string& group) {
    fd_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    timeval patience{20, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!user.empty()) use(*server.authority().issue_client(user, {group}));
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_.get());
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  bool connected() const { return connected_; }
  bool send(std::string_view bytes) {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  /// Some bytes; "" at the end.
  std::string receive() {
    char buffer[16384];
    int got = SSL_read(ssl_.get(), buffer, sizeof buffer);
    return {buffer, static_cast<size_t>(got > 0 ? got : 0)};
  }
  std::string receive_until(std::string_view text) {
    std::string all;
    while (all.find(text) == std::string::npos) {
      auto some = receive();
      if (some.empty()) break;
      all += some;
    }
    return all;
  }
  Answer answer() {
    std::string all;
    for (auto some = receive(); !some.empty(); some = receive()) all += some;
    Answer out;
    auto end = all.find("\r\n\r\n");
    if (end == std::string::npos || all.size() < 12) return out;
    out.status = std::atoi(all.c_str() + 9);
    out.head = all.substr(0, end);
    out.body = all.substr(end + 4);
    boost::system::error_code ignored;
    out.json = json::parse(out.body, ignored);
    return out;
  }

 private:
  template <auto Free>
  struct Call {
    template <class T>
    void operator()(T* object) const {
      Free(object);
    }
  };
  void use(const KeyPair& keys) {
    std::unique_ptr<BIO, Call<BIO_free>> cert(BIO_new_mem_buf(keys.cert_pem.data(), -1)),
        key(BIO_new_mem_buf(keys.key_pem.data(), -1));
    std::unique_ptr<X509, Call<X509_free>> x509(PEM_read_bio_X509(cert.get(), nullptr, nullptr, nullptr));
    std::unique_ptr<EVP_PKEY, Call<EVP_PKEY_free>> private_key(
        PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    SSL_CTX_use_certificate(context_.get(), x509.get());
    SSL_CTX_use_PrivateKey(context_.get(), private_key.get());
  }

  Fd fd_;
  std::unique_ptr<SSL_CTX, Call<SSL_CTX_free>> context_;
  std::unique_ptr<SSL, Call<SSL_free>> ssl_;
  bool connected_ = false;
};

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/wt-api-XXXXXX";
    dir = ::mkdtemp(name);
    start();
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(dir);
  }

  void start(const std::string& data = {}) {
    ApiServerOptions options{.data_dir = data, .pki_dir = dir};
    options.ranges.cluster_ips = {*IpPrefix::parse("10.96.0.0/16"), *IpPrefix::parse("fd00:96::/112")};
    auto socket = listen_on("127.0.0.1", 0);
    ASSERT_TRUE(socket) << socket.error().message;
    sockaddr_in address{};
    socklen_t length = sizeof address;
    ::getsockname(socket->get(), reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
    options.sockets.push_back(std::move(*socket));
    auto started = ApiServer::start(std::move(options));
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }

  Connection connect(const std::string& user = "admin", const std::string& group = kAdminGroup) {
    return {*server, port, user, group};
  }

  static std::string request(const std::string& method, const std::string& target,
                             const std::string& body = {}, const std::string& type = "application/json",
                             const std::string& more = {}) {
    return fmt::format(
        "{} {} HTTP/1.1\r\nHost: x\r\nUser-Agent: test/1\r\nConnection: close\r\n{}Content-Type: "
        "{}\r\nContent-Length: {}\r\n\r\n{}",
        method, target, more, type, body.size(), body);
  }

  Answer call(const std::string& method, const std::string& target, const std::string& body = {},
              const std::string& type = "application/json", const std::string& more = {}) {
    auto connection = connect();
    connection.send(request(method, target, body, type, more));
    return connection.answer();
  }

  /// Until `path` of the object at `target` is `value`; "" as value: until it is 404.
  bool eventually(const std::string& target, std::string_view path, std::string_view value) {
    for (int i = 0; i < 500; ++i) {
      auto answer = call("GET", target);
      if (value.empty() ? answer.status == 404 : answer.at(path) == value) return true;
      ::usleep(10'000);
    }
    return false;
  }

  std::string dir;
  uint16_t port = 0;
  std::unique_ptr<ApiServer> server;
};

}  // namespace weft::standalone::test
