#pragma once

#include <memory>

#include "kube/client/client.h"

namespace weft::policy {

/// Tells of each policy that cannot be enforced as written, by a Warning Event PolicyNotEnforceable on it,
/// once for each change of what is wrong. For one process of a cluster: what is wrong with a policy is the
/// same on all nodes. On the client's io_context.
class WarningController {
 public:
  /// `client` must outlive the io_context's run.
  explicit WarningController(kube::Client& client);
  ~WarningController();
  WarningController(const WarningController&) = delete;
  WarningController& operator=(const WarningController&) = delete;

  /// Begins to watch and, when all lists are complete, to tell.
  void start();
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::policy
