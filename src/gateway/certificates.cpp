#include "gateway/certificates.h"

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <vector>

#include "gateway/openssl_owners.h"
#include "kube/base64.h"
#include "kube/client/informer.h"

namespace weft::gateway {
namespace {

using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;

Bio reader_of(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// A key that asks for a password cannot be read.
int no_password(char*, int, int, void*) { return -1; }

/// All certificates; none when any is malformed.
std::vector<Certificate> read_certificates(const std::string& pem) {
  std::vector<Certificate> out;
  auto bio = reader_of(pem);
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) out.emplace_back(one);
  // The end is told as a missing begin line; anything else is a malformed certificate.
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) out.clear();
  return out;
}

Key read_key(const std::string& pem) {
  auto bio = reader_of(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return key;
}

Expected<std::string> member(const kube::Secret& secret, const char* name) {
  auto at = secret.data.find(name);
  if (at == secret.data.end() || at->second.empty())
    return fail(ErrorCode::invalid, fmt::format("has no {}", name));
  auto bytes = kube::decode_base64(at->second);
  if (!bytes) return fail(ErrorCode::invalid, fmt::format("{} is not base64", name));
  return std::move(*bytes);
}

}  // namespace

Expected<CertificatePair> read_pair(const kube::Secret& secret) {
  const auto name = kube::object_key(secret.metadata);
  auto in_secret = [&](Error error) { return in_context("Secret " + name, std::move(error)); };
  auto chain = member(secret, "tls.crt");
  if (!chain) return in_secret(chain.error());
  auto key = member(secret, "tls.key");
  if (!key) return in_secret(key.error());
  auto certificates = read_certificates(*chain);
  if (certificates.empty()) return in_secret({ErrorCode::invalid, "tls.crt is no PEM certificate"});
  auto private_key = read_key(*key);
  if (!private_key) return in_secret({ErrorCode::invalid, "tls.key is no PEM private key"});
  bool fits = X509_check_private_key(certificates.front().get(), private_key.get()) == 1;
  ERR_clear_error();
  if (!fits) return in_secret({ErrorCode::invalid, "tls.key is not the key of the certificate in tls.crt"});
  return CertificatePair{std::move(*chain), std::move(*key)};
}

Expected<std::string> read_bundle(const kube::ConfigMap& map) {
  const auto name = kube::object_key(map.metadata);
  auto at = map.data.find("ca.crt");
  if (at == map.data.end()) return fail(ErrorCode::invalid, fmt::format("ConfigMap {} has no ca.crt", name));
  if (read_certificates(at->second).empty())
    return fail(ErrorCode::invalid, fmt::format("ConfigMap {}: ca.crt is no PEM certificate", name));
  return at->second;
}

Expected<Ptr<CertificatePair>> CertificateStore::pair(const Ptr<kube::Secret>& secret) {
  auto& entry = pairs_[kube::object_key(secret->metadata)];
  if (entry.object != secret) {
    entry.object = secret;
    auto read = read_pair(*secret);
    if (read) {
      entry.value = std::make_shared<const CertificatePair>(std::move(*read));
    } else {
      entry.value = std::unexpected(read.error());
    }
  }
  return entry.value;
}

Expected<Ptr<std::string>> CertificateStore::bundle(const Ptr<kube::ConfigMap>& map) {
  auto& entry = bundles_[kube::object_key(map->metadata)];
  if (entry.object != map) {
    entry.object = map;
    auto read = read_bundle(*map);
    if (read) {
      entry.value = std::make_shared<const std::string>(std::move(*read));
    } else {
      entry.value = std::unexpected(read.error());
    }
  }
  return entry.value;
}

}  // namespace weft::gateway
