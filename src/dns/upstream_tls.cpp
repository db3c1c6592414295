#include "dns/upstream_tls.h"

#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace weft::dns {

std::string tls_error(const SSL* connection) {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  const long verified = connection ? SSL_get_verify_result(connection) : X509_V_OK;
  if (verified != X509_V_OK)
    return fmt::format("its certificate is not taken: {}", X509_verify_cert_error_string(verified));
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason ? reason : "the connection was closed";
}

Expected<std::unique_ptr<UpstreamTls>> UpstreamTls::make(const Upstream& upstream) {
  std::unique_ptr<UpstreamTls> tls(new UpstreamTls);
  tls->name_ = upstream.tls_server_name;
  tls->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls->context_.get();
  if (!context) return fail(ErrorCode::internal, tls_error(nullptr));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool trusts = upstream.tls_ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) == 1
                                                   : SSL_CTX_load_verify_locations(
                                                         context, upstream.tls_ca_file.c_str(), nullptr) == 1;
  if (!trusts)
    return fail(ErrorCode::invalid, fmt::format("{}: no certificates of authorities can be read: {}",
                                                upstream.tls_ca_file, tls_error(nullptr)));
  constexpr unsigned char kAlpn[] = {3, 'd', 'o', 't'};
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof kAlpn);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_session);
  // Messages have their lengths: a connection that ends without a word is only that, and its session is good.
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_quiet_shutdown(context, 1);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return tls;
}

int UpstreamTls::on_session(SSL* connection, SSL_SESSION* session) {
  auto* tls = static_cast<UpstreamTls*>(SSL_get_app_data(connection));
  tls->session_.reset(session);
  return 1;  // it is ours now
}

std::unique_ptr<SSL, FreeTls> UpstreamTls::connect(int fd) {
  std::unique_ptr<SSL, FreeTls> connection(SSL_new(context_.get()));
  if (!connection || SSL_set_fd(connection.get(), fd) != 1) return nullptr;
  SSL_set_app_data(connection.get(), this);
  X509_VERIFY_PARAM* verify = SSL_get0_param(connection.get());
  if (IpAddr::parse(name_)) {
    X509_VERIFY_PARAM_set1_ip_asc(verify, name_.c_str());
  } else {
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(verify, name_.c_str(), name_.size());
    SSL_set_tlsext_host_name(connection.get(), name_.c_str());
  }
  if (session_) SSL_set_session(connection.get(), session_.get());
  SSL_set_connect_state(connection.get());
  return connection;
}

}  // namespace weft::dns
