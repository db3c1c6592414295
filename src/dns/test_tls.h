#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "dns/upstream_tls.h"

namespace weft::dns {

struct FreeTestTls {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};

/// The server's side of TLS in a test, with a certificate for one name that is its own authority.
class TestServerTls {
 public:
  explicit TestServerTls(const std::string& name) : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    X509* x = certificate_.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION* names =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(x, key_.get(), EVP_sha256());
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context_.get(), x);
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    SSL_CTX_set_session_id_context(context_.get(), reinterpret_cast<const unsigned char*>("dns"), 3);
    const int fd = ::mkstemp(file_);
    FILE* out = ::fdopen(fd, "w");
    PEM_write_X509(out, x);
    ::fclose(out);
  }
  ~TestServerTls() { ::unlink(file_); }
  TestServerTls(const TestServerTls&) = delete;
  TestServerTls& operator=(const TestServerTls&) = delete;

  /// What trusts it, as a file.
  std::string ca_file() const { return file_; }
  /// Blocks until the handshake is over; null when it fails.
  std::unique_ptr<SSL, FreeTls> accept(int fd) const {
    std::unique_ptr<SSL, FreeTls> ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), fd);
    return SSL_accept(ssl.get()) == 1 ? std::move(ssl) : nullptr;
  }

 private:
  std::unique_ptr<EVP_PKEY, FreeTestTls> key_;
  std::unique_ptr<X509, FreeTestTls> certificate_;
  std::unique_ptr<SSL_CTX, FreeTls> context_;
  char file_[32] = "/tmp/weft-dns-test-XXXXXX";
};

}  // namespace weft::dns
