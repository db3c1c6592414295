#pragma once

#include <openssl/types.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "gateway/config/config.h"

/// What both sides of TLS need from OpenSSL.
namespace weft::gateway {

struct OpensslFree {
  void operator()(SSL_CTX* context) const;
  void operator()(X509_STORE* store) const;
  void operator()(BIO* bio) const;
  void operator()(X509* certificate) const;
  void operator()(EVP_PKEY* key) const;
};
template <class T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

/// "what: OpenSSL's reason"; empties OpenSSL's queue of errors.
std::unexpected<Error> fail_openssl(std::string_view what);

/// TLS 1.2 and 1.3, buffers given back when idle, no renegotiation.
Expected<OpensslPtr<SSL_CTX>> make_tls_context(bool server);
/// The key and its certificate with the chain.
Expected<void> use_pair(SSL_CTX* context, const CertificatePair& pair);
/// The certificates of the bundles with these keys; those that are not there or cannot be read are left out.
OpensslPtr<X509_STORE> make_store(std::span<const std::string> bundles, const Certificates& certificates);
/// The wire format of ALPN for these protocols.
std::string alpn(std::initializer_list<std::string_view> protocols);

}  // namespace weft::gateway
