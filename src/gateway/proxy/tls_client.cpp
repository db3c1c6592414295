#include "gateway/proxy/tls_client.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace weft::gateway {

namespace {

constexpr unsigned kStrict = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

bool has_dns(X509* certificate, const std::string& name) {
  return X509_check_host(certificate, name.data(), name.size(), kStrict, nullptr) == 1;
}

bool has_uri(X509* certificate, std::span<const std::string> wanted) {
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    std::string_view text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                          static_cast<size_t>(ASN1_STRING_length(uri)));
    found = found || std::ranges::find(wanted, text) != wanted.end();
  }
  GENERAL_NAMES_free(names);
  return found;
}

}  // namespace

Expected<std::shared_ptr<const BackendTlsContext>> BackendTlsContext::create(
    const BackendTls& tls, BackendProtocol protocol, const Certificates& certificates) {
  WEFT_TRY(OpensslPtr<SSL_CTX> context, make_tls_context(false));
  SSL_CTX_set1_cert_store(context.get(), make_store(tls.ca_bundles, certificates).get());
  if (tls.system_ca && SSL_CTX_set_default_verify_paths(context.get()) != 1)
    return fail_openssl("the system's certificate authorities");
  if (!tls.client_certificate.empty()) {
    auto pair = certificates.pairs.find(tls.client_certificate);
    if (pair == certificates.pairs.end())
      return fail(ErrorCode::not_found,
                  "certificate " + tls.client_certificate + ": not among the snapshot's pairs");
    WEFT_CHECK(use_pair(context.get(), *pair->second));
  }
  std::string protocols = protocol == BackendProtocol::h2c ? alpn({"h2"}) : alpn({"http/1.1"});
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, &BackendTlsContext::verify);
  std::shared_ptr<const BackendTlsContext> made(new BackendTlsContext(std::move(context), tls));
  SSL_CTX_set_app_data(made->context_.get(), const_cast<BackendTlsContext*>(made.get()));
  return made;
}

SslPtr BackendTlsContext::session() const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return nullptr;
  SSL_set_connect_state(ssl.get());
  if (!tls_.server_name.empty()) SSL_set_tlsext_host_name(ssl.get(), tls_.server_name.c_str());
  return ssl;
}

int BackendTlsContext::verify(int good, X509_STORE_CTX* chain) {
  if (good != 1 || X509_STORE_CTX_get_error_depth(chain) != 0) return good;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* self = static_cast<const BackendTlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (self->names(X509_STORE_CTX_get_current_cert(chain))) return 1;
  X509_STORE_CTX_set_error(chain, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

/// Whether the certificate is for whom we mean to speak with (BackendTLSPolicy: the names given, else the
/// server's).
bool BackendTlsContext::names(X509* certificate) const {
  if (tls_.san_dns.empty() && tls_.san_uri.empty()) return has_dns(certificate, tls_.server_name);
  return std::ranges::any_of(tls_.san_dns,
                             [&](const std::string& name) { return has_dns(certificate, name); }) ||
         has_uri(certificate, tls_.san_uri);
}

}  // namespace weft::gateway
