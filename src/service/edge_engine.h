#pragma once

#include <memory>
#include <string>

#include "base/error.h"
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
  /// yet.
  Expected<void> apply(const EdgePlan& plan, std::span<const IpAddr> addresses);

  const datapath::NodeEdge& edge() const { return edge_; }

 private:
  explicit NodeEdgeEngine(datapath::NodeEdge edge) : edge_(std::move(edge)) {}
  datapath::NodeEdge edge_;
};

}  // namespace weft::service
