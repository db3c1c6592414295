#pragma once

#include <chrono>
#include <map>
#include <memory>

#include "kube/client/events.h"
#include "kube/client/work_queue.h"
#include "standalone/workloads/engine.h"

namespace weft::standalone {

/// Notices nodes whose Lease is not renewed any more and does what plan_node_lifecycle says, for them and for
/// nodes that are tainted otherwise. Uses the engine's caches; the engine must outlive the io_context's run.
class NodeLifecycle {
 public:
  explicit NodeLifecycle(Engine& engine);
  ~NodeLifecycle();
  /// Before the engine's caches begin to run.
  void wire();
  /// When they are complete.
  void start();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// How long the Lease of a node may stay as it is before the node counts as lost: four renewals missed.
inline constexpr std::chrono::seconds kNodeGrace{8};

}  // namespace weft::standalone
