#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/infrastructure.h"
#include "kube/client/client.h"

namespace weft::gateway {

/// Keeps the Services of Gateways, and the EndpointSlices of these and of the mesh, equal to what is wanted:
/// the engine of infrastructure.h and mesh_slices.h. For one process of a cluster. On the client's
/// io_context.
class InfrastructureController {
 public:
  struct Counters {
    uint64_t written = 0;
    uint64_t failed = 0;  ///< writes that the server refused; tried again
  };

  /// `client` must outlive the io_context's run.
  explicit InfrastructureController(kube::Client& client);
  ~InfrastructureController();
  InfrastructureController(const InfrastructureController&) = delete;
  InfrastructureController& operator=(const InfrastructureController&) = delete;

  void start();
  void want(const Entrance& entrance);
  void unwant(const std::string& gateway);
  /// All that is wanted has been said: from now on what nobody wants is removed.
  void complete();
  void stop();
  bool idle() const;
  Counters counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::gateway
