#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "kube/client/kubeconfig.h"
#include "standalone/apimachinery/service_allocator.h"
#include "standalone/apiserver/pki.h"
#include "standalone/apiserver/pod_runtime.h"

namespace weft::standalone {

struct ApiServerOptions {
  std::string data_dir;     ///< holds state.db; "": state in memory
  std::string pki_dir;      ///< ca.crt and ca.key, made when they are not there
  std::vector<Fd> sockets;  ///< listening, on loopback addresses
  ServiceRanges ranges;
  PodRuntime* pods = nullptr;  ///< for exec and logs; outlives the server
};

/// The embedded API server, on a thread of its own. It can start processes as root by way of pods: nobody
/// gets in without a certificate of its authority.
class ApiServer {
 public:
  /// Loads the state and serves. Fails when the state cannot be read: it is never replaced by an empty one.
  static Expected<std::unique_ptr<ApiServer>> start(ApiServerOptions options);
  /// Ends all connections and the thread.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  const Authority& authority() const;
  /// How a client of these groups (see authorizer.h) reaches the server at 127.0.0.1:PORT.
  Expected<kube::ClientConfig> client_config(const std::string& user, const std::vector<std::string>& groups,
                                             uint16_t port) const;

 private:
  struct Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A listening TCP socket of the calling thread's network namespace. `port` 0: any free one.
Expected<Fd> listen_on(const std::string& address, uint16_t port);

}  // namespace weft::standalone
