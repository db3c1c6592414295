#pragma once

#include <cstdint>
#include <memory>

#include "kube/client/client.h"

namespace weft::service {

/// Gives Services of type LoadBalancer their addresses from AddressPools: keeps status.loadBalancer equal to
/// what PoolPlanner decides, tells about it with Events, and keeps the status of the pools. While the cluster
/// does not serve AddressPools it does nothing. Everything is read again at start, so it may be killed at any
/// moment. All work happens on the client's io_context.
class PoolController {
 public:
  struct Counters {
    uint64_t written = 0;  ///< Services whose status was written
    uint64_t failed = 0;   ///< writes that the server refused; tried again
  };

  /// `client` must outlive the io_context's run.
  explicit PoolController(kube::Client& client);
  ~PoolController();
  PoolController(const PoolController&) = delete;
  PoolController& operator=(const PoolController&) = delete;

  /// Begins to watch and, when all lists are complete, to act.
  void start();
  /// Begins nothing more; what is being written goes on until `idle`.
  void stop();
  /// The lists of Services, Namespaces and AddressPools were complete once.
  bool synced() const;
  bool idle() const;
  Counters counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::service
