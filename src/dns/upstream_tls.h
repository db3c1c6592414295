#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "base/error.h"
#include "dns/config.h"

namespace weft::dns {

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};

/// How one upstream is reached over TLS (RFC 7858, RFC 8310's strict profile): its certificate must be valid
/// for its name. Remembers a session, so that the next connection starts in fewer steps. Not movable.
class UpstreamTls {
 public:
  /// Reads the authorities that are trusted.
  static Expected<std::unique_ptr<UpstreamTls>> make(const Upstream& upstream);
  UpstreamTls(const UpstreamTls&) = delete;
  UpstreamTls& operator=(const UpstreamTls&) = delete;

  /// A connection over a connected (or connecting) socket, which stays the caller's; its handshake has not
  /// begun.
  std::unique_ptr<SSL, FreeTls> connect(int fd);

 private:
  UpstreamTls() = default;
  static int on_session(SSL* connection, SSL_SESSION* session);

  std::unique_ptr<SSL_CTX, FreeTls> context_;
  std::unique_ptr<SSL_SESSION, FreeTls> session_;
  std::string name_;
};

/// The last error of OpenSSL's queue, which is emptied; why a certificate was not taken, if that is it.
std::string tls_error(const SSL* connection);

}  // namespace weft::dns
