#include "gateway/proxy/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace weft::gateway {

void OpensslFree::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
void OpensslFree::operator()(X509_STORE* store) const { X509_STORE_free(store); }
void OpensslFree::operator()(BIO* bio) const { BIO_free_all(bio); }
void OpensslFree::operator()(X509* certificate) const { X509_free(certificate); }
void OpensslFree::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

namespace {

OpensslPtr<BIO> reader(std::string_view pem) {
  return OpensslPtr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

}  // namespace

std::unexpected<Error> fail_openssl(std::string_view what) {
  unsigned long code = ERR_peek_last_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return fail(ErrorCode::invalid, fmt::format("{}: {}", what, reason ? reason : "OpenSSL gives no reason"));
}

Expected<OpensslPtr<SSL_CTX>> make_tls_context(bool server) {
  OpensslPtr<SSL_CTX> context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (!context) return fail_openssl("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

Expected<void> use_pair(SSL_CTX* context, const CertificatePair& pair) {
  OpensslPtr<BIO> chain = reader(pair.chain_pem);
  OpensslPtr<X509> leaf(PEM_read_bio_X509_AUX(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf) return fail_openssl("certificate");
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) return fail_openssl("certificate");
  SSL_CTX_clear_chain_certs(context);
  while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr))
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return fail_openssl("chain of certificates");
    }
  ERR_clear_error();  // that there is no further one
  OpensslPtr<BIO> pem = reader(pair.key_pem);
  OpensslPtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(pem.get(), nullptr, nullptr, nullptr));
  if (!key) return fail_openssl("private key");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) return fail_openssl("private key");
  return {};
}

OpensslPtr<X509_STORE> make_store(std::span<const std::string> bundles, const Certificates& certificates) {
  OpensslPtr<X509_STORE> store(X509_STORE_new());
  for (const std::string& name : bundles) {
    auto bundle = certificates.ca_bundles.find(name);
    if (bundle == certificates.ca_bundles.end()) continue;
    OpensslPtr<BIO> pem = reader(*bundle->second);
    while (OpensslPtr<X509> ca{PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr)})
      X509_STORE_add_cert(store.get(), ca.get());
    ERR_clear_error();
  }
  return store;
}

std::string alpn(std::initializer_list<std::string_view> protocols) {
  std::string wire;
  for (std::string_view protocol : protocols) {
    wire.push_back(static_cast<char>(protocol.size()));
    wire += protocol;
  }
  return wire;
}

}  // namespace weft::gateway
