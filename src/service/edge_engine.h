#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/netlink.h"
#include "datapath/pod_policy.h"
#include "service/edge_plan.h"

namespace weft::service {

/// Keeps a node's edge equal to its plan. What it sets stays when it goes. Works in the network namespace of
/// the thread that calls; not thread-safe.
class NodeEdgeEngine {
 public:
  /// `services`: whose Service maps the edge reads.
  static Expected<std::unique_ptr<NodeEdgeEngine>> open(const std::string& bpf_dir,
                                                        const datapath::ServiceSocket& services);

  /// Puts the programs on every link that has one of `addresses`, and on the overlay's, if they are not there
  /// yet; at XDP too where the link's driver has it.
  Expected<void> apply(const EdgePlan& plan, std::span<const IpAddr> addresses);
  /// Puts the programs on a pod's link. They pass nothing for a pod that policy() has no entry of.
  Expected<void> attach_pod(int link) { return edge_.attach_pod(link); }
  /// On those of all pods that are connected: they may have an earlier agent's.
  Expected<std::vector<int>> attach_pods();

  const datapath::NodeEdge& edge() const { return edge_; }
  const datapath::PodPolicy& policy() const { return policy_; }

 private:
  NodeEdgeEngine(datapath::PodPolicy policy, datapath::NodeEdge edge)
      : policy_(std::move(policy)), edge_(std::move(edge)) {}
  void attach_xdp(const Link& link);
  datapath::PodPolicy policy_;
  datapath::NodeEdge edge_;
  std::set<int> with_xdp_;  ///< links on which it was tried
};

}  // namespace weft::service
