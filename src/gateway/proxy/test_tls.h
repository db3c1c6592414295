#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/proxy/test_socket.h"
#include "gateway/proxy/tls_context.h"

namespace weft::gateway {

/// A certificate authority of a test.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name)
      : key_(EVP_EC_gen("P-256")), certificate_(make(name, key_.get(), {}, true)) {}

  CertificatePair issue(const std::vector<std::string>& alternative_names) const {
    OpensslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
    OpensslPtr<X509> certificate = make("leaf", key.get(), alternative_names, false);
    CertificatePair pair;
    OpensslPtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate.get());
    pair.chain_pem = text(bio.get());
    bio.reset(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    pair.key_pem = text(bio.get());
    return pair;
  }
  std::string pem() const {
    OpensslPtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate_.get());
    return text(bio.get());
  }

 private:
  static std::string text(BIO* bio) {
    char* data = nullptr;
    long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<size_t>(size)};
  }
  /// Names as OpenSSL writes them: "DNS:a.example", "URI:spiffe://a/b".
  OpensslPtr<X509> make(const std::string& name, EVP_PKEY* key, const std::vector<std::string>& names,
                        bool authority) const {
    static long serial = 1;
    OpensslPtr<X509> certificate(X509_new());
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
    X509_set_pubkey(certificate.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.data()),
                               static_cast<int>(name.size()), -1, 0);
    X509* issuer = authority ? certificate.get() : certificate_.get();
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
    auto extend = [&](int nid, const std::string& value) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
      X509_add_ext(certificate.get(), extension, -1);
      X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
    std::string all;
    for (const std::string& one : names) all += (all.empty() ? "" : ",") + one;
    if (!all.empty()) extend(NID_subject_alt_name, all);
    X509_sign(certificate.get(), authority ? key : key_.get(), EVP_sha256());
    return certificate;
  }

  OpensslPtr<EVP_PKEY> key_;
  OpensslPtr<X509> certificate_;
};

/// A blocking TLS connection of a test.
class TestTls {
 public:
  /// As a client. `pair`: the client's certificate, or null. `session`: one to resume, or null.
  TestTls(uint16_t port, const std::string& server_name, const CertificatePair* pair = nullptr,
          SSL_SESSION* session = nullptr, int version = TLS1_3_VERSION)
      : socket_(TestSocket::connect(port)), context_(SSL_CTX_new(TLS_client_method())) {
    if (pair) EXPECT_TRUE(use_pair(context_.get(), *pair));
    SSL_CTX_set_max_proto_version(context_.get(), version);
    ssl_ = SSL_new(context_.get());
    SSL_set_fd(ssl_, socket_.fd());
    if (!server_name.empty()) SSL_set_tlsext_host_name(ssl_, server_name.c_str());
    if (session) SSL_set_session(ssl_, session);
    good_ = SSL_connect(ssl_) == 1;
  }
  /// As a server on a connection.
  TestTls(TestSocket socket, const CertificatePair& pair, const std::string& client_authority = "")
      : socket_(std::move(socket)), context_(SSL_CTX_new(TLS_server_method())) {
    EXPECT_TRUE(use_pair(context_.get(), pair));
    if (!client_authority.empty()) {
      Certificates certificates;
      certificates.ca_bundles["ca"] = std::make_shared<std::string>(client_authority);
      std::vector<std::string> names = {"ca"};
      SSL_CTX_set1_cert_store(context_.get(), make_store(names, certificates).get());
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    ssl_ = SSL_new(context_.get());
    SSL_set_fd(ssl_, socket_.fd());
    good_ = SSL_accept(ssl_) == 1;
  }
  ~TestTls() {
    if (good_) SSL_shutdown(ssl_);  // or its session could not be used again
    SSL_free(ssl_);
  }
  TestTls(const TestTls&) = delete;
  TestTls& operator=(const TestTls&) = delete;

  bool good() const { return good_; }
  SSL* ssl() const { return ssl_; }
  void send(std::string_view bytes) { SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())); }
  /// What comes until `mark` has come, or the connection ends.
  std::string read_until(std::string_view mark) {
    std::string in;
    std::vector<char> bytes(65536);
    while (in.find(mark) == std::string::npos) {
      int got = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()));
      if (got <= 0) break;
      in.append(bytes.data(), static_cast<size_t>(got));
    }
    return in;
  }
  /// Whether the peer's certificate is for this name.
  bool peer_is(const std::string& name) const {
    OpensslPtr<X509> peer(SSL_get1_peer_certificate(ssl_));
    return peer && X509_check_host(peer.get(), name.c_str(), 0, 0, nullptr) == 1;
  }
  TestSocket& socket() { return socket_; }

 private:
  TestSocket socket_;
  OpensslPtr<SSL_CTX> context_;
  SSL* ssl_ = nullptr;
  bool good_ = false;
};

}  // namespace weft::gateway
