#include "standalone/apiserver/pki.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <memory>

#include "base/fd.h"
#include "base/ip.h"

namespace weft::standalone {

namespace {

struct Free {
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
using Cert = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Bio = std::unique_ptr<BIO, Free>;

constexpr long kYear = 365L * 24 * 3600;

std::unexpected<Error> openssl_error(std::string_view what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  return fail(ErrorCode::internal, std::string(what) + ": " + text);
}

std::string take(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string to_pem(X509* cert) {
  Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert);
  return take(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
  Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return take(bio.get());
}

Cert read_cert(const std::string& pem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key read_key(const std::string& pem) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (!extension) return;
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                             static_cast<int>(value.size()), -1, 0);
}

struct Request {
  std::string common_name;
  std::vector<std::string> organizations;
  std::string usage;  ///< extendedKeyUsage; empty: an authority
  std::string alt_names;
};

/// Makes a key and a certificate for it, signed by `issuer` (or by itself when there is none).
Expected<KeyPair> make_pair(const Request& request, const KeyPair* issuer) {
  Key key(EVP_EC_gen("P-256"));
  Cert cert(X509_new());
  if (!key || !cert) return openssl_error("make a key");
  unsigned char serial[8];
  RAND_bytes(serial, sizeof serial);
  // Positive and without leading zeros: X.690, 8.3.2 allows one encoding only.
  serial[0] = (serial[0] & 0x7f) | 0x40;
  ASN1_INTEGER* number = X509_get_serialNumber(cert.get());
  ASN1_STRING_set(number, serial, sizeof serial);
  X509_set_version(cert.get(), X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -300);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 10 * kYear);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* name = X509_get_subject_name(cert.get());
  for (const auto& organization : request.organizations) add_name(name, "O", organization);
  add_name(name, "CN", request.common_name);

  Cert issuer_cert = issuer ? read_cert(issuer->cert_pem) : nullptr;
  Key issuer_key = issuer ? read_key(issuer->key_pem) : nullptr;
  if (issuer && (!issuer_cert || !issuer_key)) return openssl_error("read the authority");
  X509* signer = issuer ? issuer_cert.get() : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(signer));
  bool authority = request.usage.empty();
  add_extension(cert.get(), signer, NID_basic_constraints,
                authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(cert.get(), signer, NID_key_usage,
                authority ? "critical,keyCertSign" : "critical,digitalSignature");
  add_extension(cert.get(), signer, NID_subject_key_identifier, "hash");
  if (!authority) add_extension(cert.get(), signer, NID_authority_key_identifier, "keyid");
  if (!authority) add_extension(cert.get(), signer, NID_ext_key_usage, request.usage);
  if (!request.alt_names.empty()) add_extension(cert.get(), signer, NID_subject_alt_name, request.alt_names);
  if (!X509_sign(cert.get(), issuer ? issuer_key.get() : key.get(), EVP_sha256()))
    return openssl_error("sign");
  return KeyPair{to_pem(cert.get()), to_pem(key.get())};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Expected<void> write_private_file(const std::string& path, const std::string& content) {
  auto fresh = path + ".new";
  ::unlink(fresh.c_str());
  Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("create " + fresh, errno);
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    return fail_errno("write " + fresh, errno);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("rename to " + path, errno);
  return {};
}

Expected<Authority> Authority::open(const std::string& dir) {
  Authority authority;
  authority.pair_ = {read_text(dir + "/ca.crt"), read_text(dir + "/ca.key")};
  if (read_cert(authority.pair_.cert_pem) && read_key(authority.pair_.key_pem)) return authority;
  WEFT_TRY(authority.pair_, make_pair({.common_name = "weft-ca"}, nullptr));
  ::mkdir(dir.c_str(), 0700);
  WEFT_CHECK(write_private_file(dir + "/ca.key", authority.pair_.key_pem));
  WEFT_CHECK(write_private_file(dir + "/ca.crt", authority.pair_.cert_pem));
  return authority;
}

Expected<KeyPair> Authority::issue_server(const std::vector<std::string>& names) const {
  std::string alt_names;
  for (const auto& name : names) {
    alt_names += (alt_names.empty() ? "" : ",") + std::string(IpAddr::parse(name) ? "IP:" : "DNS:") + name;
  }
  return make_pair({.common_name = "kube-apiserver", .usage = "serverAuth", .alt_names = alt_names}, &pair_);
}

Expected<KeyPair> Authority::issue_client(const std::string& user,
                                          const std::vector<std::string>& groups) const {
  return make_pair({.common_name = user, .organizations = groups, .usage = "clientAuth"}, &pair_);
}

}  // namespace weft::standalone
