#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/proxy/connection.h"
#include "gateway/proxy/ticket_keys.h"
#include "gateway/proxy/tls_context.h"

/// TLS with clients: which listener and certificate a connection gets, by the server name that the client
/// asks for. For any number of threads.
namespace weft::gateway {

/// A listener's certificates, and what it wants of clients.
class ListenerTls {
 public:
  /// `errors` gets what could not be used; the listener goes on without it.
  static std::shared_ptr<const ListenerTls> create(const Listener& listener, const Certificates& certificates,
                                                   std::vector<Error>& errors);
  /// Sets up a connection for a client that asks for this server name. False: there is no certificate.
  bool use(SSL* ssl, std::string_view server_name) const;

 private:
  struct Pair {
    OpensslPtr<SSL_CTX> context;
    OpensslPtr<X509> certificate;
  };
  std::vector<Pair> pairs_;
  std::optional<ClientValidation> validation_;
  OpensslPtr<X509_STORE> authorities_;
  std::string session_context_;  ///< sessions are resumed with the same listener alone
};

/// Who knows the listeners of a connection's port.
class TlsChooser {
 public:
  /// `server_name` is in lower case, "" if the client has named none. Null: nobody is here for that name.
  virtual const ListenerTls* choose(std::string_view server_name) = 0;

 protected:
  ~TlsChooser() = default;
};

/// What sessions of all listeners begin with; it holds the keys of session tickets, so there is one for all
/// workers.
class TlsServer {
 public:
  static Expected<std::shared_ptr<const TlsServer>> create();
  /// A session in accept state; `chooser` has to live until the handshake is over.
  SslPtr session(TlsChooser& chooser) const;

 private:
  explicit TlsServer(OpensslPtr<SSL_CTX> context) : context_(std::move(context)) {}
  std::unique_ptr<TicketKeys> keys_ = std::make_unique<TicketKeys>();
  OpensslPtr<SSL_CTX> context_;
};

/// What ALPN agreed on is HTTP/2.
bool speaks_http2(const SSL* ssl);

}  // namespace weft::gateway
