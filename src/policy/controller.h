#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "kube/client/informer.h"
#include "kube/node.h"
#include "policy/cut.h"
#include "policy/domain_keeper.h"
#include "policy/engine.h"
#include "policy/metrics.h"
#include "policy/recent.h"
#include "policy/report.h"

namespace weft::policy {

/// Follows pods, namespaces, nodes and policies and keeps a node's policy maps to what they say; resets
/// connections that are denied by now; and reports what the programs decide. All on the client's io_context.
class PolicyController {
 public:
  struct Options {
    std::string node;
    /// The path of the network namespace at the other end of a pod's link; empty: not to be found.
    std::function<std::string(int link)> netns_of;
    PeerBehind behind;
    std::function<void()> on_synced;
    DomainOptions domains;
  };
  /// `nodes` is run by its owner and must outlive this. `maps`: of this node.
  static Expected<std::unique_ptr<PolicyController>> start(kube::Client& client,
                                                           kube::Informer<kube::Node>& nodes,
                                                           datapath::PodPolicy maps, Options options);
  ~PolicyController();
  PolicyController(const PolicyController&) = delete;
  PolicyController& operator=(const PolicyController&) = delete;

  /// As PolicyEngine has them.
  Expected<void> connect(int link, PolicyLink pod);
  Expected<void> forget_gone();

  const PolicyEngine& engine() const;
  const DecisionCounts& decisions() const;
  const RecentDecisions& recent() const;
  PolicyReadings readings() const;

 private:
  struct Impl;
  explicit PolicyController(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::policy
