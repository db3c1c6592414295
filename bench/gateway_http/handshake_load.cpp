#include "handshake_load.h"

#include <openssl/ssl.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "connect.h"

namespace weft::bench {

namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

Context make_context() {
  Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return context;
}

/// The server's end of the connection shows that it has read the client's last message.
bool shake_hands(SSL_CTX* context, uint16_t port) {
  int fd = connect_to(port);
  if (fd < 0) return false;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context), &SSL_free);
  SSL_set_fd(ssl.get(), fd);
  SSL_set_tlsext_host_name(ssl.get(), "bench.example");
  bool good = SSL_connect(ssl.get()) == 1 && SSL_version(ssl.get()) == TLS1_3_VERSION;
  if (good) {
    SSL_shutdown(ssl.get());
    char byte;
    while (SSL_read(ssl.get(), &byte, 1) > 0) {
    }
  }
  ::close(fd);
  return good;
}

}  // namespace

Load handshake_load(uint16_t port, int clients, std::chrono::milliseconds time) {
  Context context = make_context();
  auto until = std::chrono::steady_clock::now() + time;
  std::atomic<uint64_t> done = 0, failed = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < clients; ++i)
    threads.emplace_back([&] {
      while (std::chrono::steady_clock::now() < until) ++(shake_hands(context.get(), port) ? done : failed);
    });
  threads.clear();
  return {.requests = done, .failures = failed};
}

}  // namespace weft::bench
