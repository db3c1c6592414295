#pragma once

#include <memory>

namespace weft::kube {
class Client;
}

namespace weft::standalone {

/// The workload controllers of the embedded cluster: Deployment, ReplicaSet, StatefulSet, DaemonSet, and the
/// node lifecycle. Driven by watches; all work happens on the client's io_context. What they decide is in the
/// *_plan.h files.
class WorkloadControllers {
 public:
  /// `client` must outlive the io_context's run.
  explicit WorkloadControllers(kube::Client& client);
  ~WorkloadControllers();
  /// Begins to watch and, when all lists are complete, to act.
  void start();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::standalone
