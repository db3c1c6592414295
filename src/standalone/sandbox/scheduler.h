#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "kube/client/client.h"
#include "kube/client/events.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "standalone/sandbox/scheduler_plan.h"

namespace weft::standalone::sandbox {

/// Binds pods that have no node yet to one, by place_pod; tries again whatever found no place when a node or
/// pod changes. Fed by the owner's watch. Pods that name another scheduler, or have scheduling gates, are
/// left alone.
class Scheduler {
 public:
  explicit Scheduler(kube::Client& client);
  ~Scheduler();
  void on_pod(const std::shared_ptr<const kube::Pod>& before, const std::shared_ptr<const kube::Pod>& after);
  void on_node(const std::shared_ptr<const kube::Node>& before,
               const std::shared_ptr<const kube::Node>& after);
  /// The first lists of pods and nodes are in; nothing is placed before.
  void start();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::standalone::sandbox
