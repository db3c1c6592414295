#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::kube {

/// Where an API server is and how to prove who we are: what a kubeconfig's current context comes down to.
struct ClientConfig {
  std::string host;  ///< name or address, without brackets
  uint16_t port = 443;
  bool tls = true;
  std::string base_path;  ///< "" or "/prefix"
  std::string ca_pem;     ///< empty: the system's authorities
  bool insecure_skip_verify = false;
  std::string server_name;  ///< for SNI and verification; empty: `host`
  std::string cert_pem;
  std::string key_pem;
  std::string token;
  std::string token_file;  ///< read anew for each request, as bound tokens rotate
  std::string namespace_ = "default";
  /// From sending a request to having its whole answer.
  std::chrono::milliseconds request_timeout{60'000};
  /// A watch that hears nothing for so long is taken for dead; any server sends a bookmark a minute.
  std::chrono::milliseconds watch_silence{150'000};
};

/// A kubeconfig file (certificates inline or as files relative to it).
Expected<ClientConfig> load_kubeconfig(const std::string& path, const std::string& context = {});
/// The same from its text; `path` is for messages and for what it names relative to itself.
Expected<ClientConfig> parse_kubeconfig(std::string_view text, const std::string& path,
                                        const std::string& context = {});
/// From KUBERNETES_SERVICE_HOST/PORT and the mounted service account.
Expected<ClientConfig> in_cluster_config();
/// `path` if given, else $KUBECONFIG, else in-cluster.
Expected<ClientConfig> find_config(const std::string& path);

/// A kubeconfig file's text for one cluster, user and context, all inline.
std::string write_kubeconfig(const ClientConfig& config, const std::string& name);

}  // namespace weft::kube
