#include "gateway/proxy/tls_server.h"

#include <fmt/format.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace weft::gateway {

namespace {

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in,
                    unsigned in_size, void*) {
  static const std::string ours = alpn({"h2", "http/1.1"});
  unsigned char* chosen = nullptr;
  int found = SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                    static_cast<unsigned>(ours.size()), in, in_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/// The host name in a ClientHello (RFC 6066, 3), in lower case; "" if there is none.
std::string server_name(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  auto number = [&](size_t at) { return size_t{data[at]} << 8 | data[at + 1]; };
  if (size < 5 || number(0) + 2 != size || data[2] != TLSEXT_NAMETYPE_host_name || number(3) + 5 > size)
    return {};
  std::string name(reinterpret_cast<const char*>(data) + 5, number(3));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.ends_with('.')) name.pop_back();
  return name;
}

int on_client_hello(SSL* ssl, int* alert, void*) {
  auto* chooser = static_cast<TlsChooser*>(SSL_get_app_data(ssl));
  std::string name = server_name(ssl);
  const ListenerTls* listener = chooser->choose(name);
  if (listener && listener->use(ssl, name)) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_CLIENT_HELLO_ERROR;
}

int accept_any(int, X509_STORE_CTX*) { return 1; }

}  // namespace

std::shared_ptr<const ListenerTls> ListenerTls::create(const Listener& listener,
                                                       const Certificates& certificates,
                                                       std::vector<Error>& errors) {
  auto made = std::make_shared<ListenerTls>();
  for (const std::string& key : listener.certificates) {
    auto pair = certificates.pairs.find(key);
    if (pair == certificates.pairs.end()) continue;
    auto context = make_tls_context(true);
    auto used = context ? use_pair(context->get(), *pair->second) : std::unexpected(context.error());
    if (!used) {
      errors.push_back(in_context("certificate " + key, used.error()).error());
      continue;
    }
    if (listener.protocol == Protocol::https)
      SSL_CTX_set_alpn_select_cb(context->get(), choose_protocol, nullptr);
    X509* leaf = SSL_CTX_get0_certificate(context->get());
    X509_up_ref(leaf);
    made->pairs_.push_back({std::move(*context), OpensslPtr<X509>(leaf)});
  }
  made->validation_ = listener.client_validation;
  std::string identity = listener.why.kind + "/" + listener.why.namespace_ + "/" + listener.why.name + "/" +
                         listener.why.section + "/" + listener.hostname;
  if (listener.client_validation) {
    made->authorities_ = make_store(listener.client_validation->ca_bundles, certificates);
    for (const std::string& key : listener.client_validation->ca_bundles)
      if (auto bundle = certificates.ca_bundles.find(key); bundle != certificates.ca_bundles.end())
        identity += *bundle->second;
  }
  made->session_context_.resize(SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(identity.data()), identity.size(),
         reinterpret_cast<unsigned char*>(made->session_context_.data()));
  return made;
}

bool ListenerTls::use(SSL* ssl, std::string_view server_name) const {
  if (pairs_.empty()) return false;
  const Pair* pair = &pairs_.front();
  if (pairs_.size() > 1 && !server_name.empty()) {
    auto fits = [&](const Pair& p) {
      return X509_check_host(p.certificate.get(), server_name.data(), server_name.size(), 0, nullptr) == 1;
    };
    if (auto at = std::ranges::find_if(pairs_, fits); at != pairs_.end()) pair = &*at;
  }
  SSL_set_SSL_CTX(ssl, pair->context.get());
  SSL_set_session_id_context(ssl, reinterpret_cast<const unsigned char*>(session_context_.data()),
                             static_cast<unsigned>(session_context_.size()));
  if (!validation_) return true;
  SSL_set1_verify_cert_store(ssl, authorities_.get());
  if (validation_->allow_insecure)
    SSL_set_verify(ssl, SSL_VERIFY_PEER, accept_any);
  else
    SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return true;
}

Expected<std::shared_ptr<const TlsServer>> TlsServer::create() {
  WEFT_TRY(OpensslPtr<SSL_CTX> context, make_tls_context(true));
  SSL_CTX_set_client_hello_cb(context.get(), on_client_hello, nullptr);
  // Tickets alone: a cache of sessions would be shared, and locked, by all workers.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  SSL_CTX* served = context.get();
  std::shared_ptr<const TlsServer> server(new TlsServer(std::move(context)));
  if (!server->keys_->serve(served)) return fail_openssl("keys of session tickets");
  return server;
}

SslPtr TlsServer::session(TlsChooser& chooser) const {
  SslPtr ssl(SSL_new(context_.get()));
  if (!ssl) return nullptr;
  SSL_set_accept_state(ssl.get());
  SSL_set_app_data(ssl.get(), &chooser);
  keys_->serve(ssl.get());
  return ssl;
}

bool speaks_http2(const SSL* ssl) {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  if (ssl) SSL_get0_alpn_selected(ssl, &protocol, &size);
  return std::string_view(reinterpret_cast<const char*>(protocol), size) == "h2";
}

}  // namespace weft::gateway
