#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "gateway/infrastructure.h"
#include "kube/client/client.h"

namespace weft::gateway {

/// Keeps the statuses of GatewayClasses, XMeshes, Gateways, ListenerSets, routes, BackendTLSPolicies and
/// Ingresses equal to what GatewayPlan makes of them, and tells which ways in Gateways ask for. For one
/// process of a cluster. A status is written when it differs and not else; what other controllers wrote of a
/// route or a policy stays. On the client's io_context.
class StatusController {
 public:
  struct Options {
    /// A Gateway asks for this way in; nullptr: for none any more.
    std::function<void(const std::string& gateway, const Entrance* entrance)> on_entrance;
    /// All that is asked for has been told once.
    std::function<void()> on_complete;
  };
  struct Counters {
    uint64_t written = 0;
    uint64_t failed = 0;  ///< writes that the server refused; tried again
  };

  /// `client` must outlive the io_context's run.
  StatusController(kube::Client& client, Options options);
  ~StatusController();
  StatusController(const StatusController&) = delete;
  StatusController& operator=(const StatusController&) = delete;

  void start();
  /// Begins nothing more; what is being written goes on until `idle`.
  void stop();
  bool synced() const;
  bool idle() const;
  Counters counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::gateway
