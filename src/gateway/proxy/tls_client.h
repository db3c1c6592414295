#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "gateway/config/config.h"
#include "gateway/proxy/connection.h"
#include "gateway/proxy/tls_context.h"

namespace weft::gateway {

/// How connections to a backend are made with TLS: never without a verified certificate. For any number of
/// threads.
class BackendTlsContext {
 public:
  static Expected<std::shared_ptr<const BackendTlsContext>> create(const BackendTls& tls,
                                                                   BackendProtocol protocol,
                                                                   const Certificates& certificates);
  /// A session in connect state, or null if memory is short.
  SslPtr session() const;

 private:
  BackendTlsContext(OpensslPtr<SSL_CTX> context, const BackendTls& tls)
      : context_(std::move(context)), tls_(tls) {}
  static int verify(int good, X509_STORE_CTX* chain);
  bool names(X509* certificate) const;

  OpensslPtr<SSL_CTX> context_;
  BackendTls tls_;
};

/// Those of the backends that have TLS, by the backend's name.
class BackendTlsContexts {
 public:
  std::shared_ptr<const BackendTlsContext> find(std::string_view name) const {
    auto at = contexts_.find(name);
    return at == contexts_.end() ? nullptr : at->second;
  }
  void add(const std::string& name, std::shared_ptr<const BackendTlsContext> context) {
    contexts_.emplace(name, std::move(context));
  }

 private:
  std::map<std::string, std::shared_ptr<const BackendTlsContext>, std::less<>> contexts_;
};

}  // namespace weft::gateway
