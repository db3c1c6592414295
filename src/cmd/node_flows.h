#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kube/json.h"

namespace weft::cmd {

/// Asks one node's agent for the flows and decisions that it has not told yet: of a cluster that `weft up`
/// made.
class NodeFlows {
 public:
  NodeFlows(std::string cluster, std::string node) : cluster_(std::move(cluster)), node_(std::move(node)) {}

  /// Appends them as observe::FlowFilter reads them, each with its "node".
  Expected<void> read(std::vector<json::value>& out);
  const std::string& node() const { return node_; }
  /// Events that had made room before they were asked for, since this was asked last.
  uint64_t take_lost() { return std::exchange(lost_, 0); }

 private:
  Expected<json::value> page(const std::string& path);
  Expected<void> read_flows(std::vector<json::value>& out);
  Expected<void> read_decisions(std::vector<json::value>& out);
  void keep(json::value flow, std::vector<json::value>& out) const;

  std::string cluster_, node_;
  uint64_t next_ = 0;
  uint64_t lost_ = 0;
  std::set<std::string> told_;
};

/// One for each node of the cluster, by what its API server says.
Expected<std::vector<NodeFlows>> find_nodes(const std::string& cluster);

/// When it happened; text that sorts by time.
std::string time_of(const json::value& flow);

}  // namespace weft::cmd
