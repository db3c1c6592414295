#pragma once

/// What the benchmarks of the node edge share: a node that runs Weft's Service engine and edge as the agent
/// does.

#include "kube/node.h"
#include "must.h"
#include "service/edge_engine.h"
#include "service_load.h"

namespace weft::bench {

inline kube::Node node_object(const std::string& name, const std::vector<std::string>& addresses,
                              std::vector<std::string> pods) {
  kube::Node out;
  out.metadata.name = name;
  out.spec.podCIDRs = std::move(pods);
  for (const auto& address : addresses) out.status.addresses.push_back({{}, "InternalIP", address});
  return out;
}

/// The first of `nodes` is the one that this is; it has to have its addresses on links of the World's
/// namespace when `attach` is called.
class EdgeNode {
 public:
  EdgeNode(const World& world, std::vector<kube::Node> nodes) : nodes_(std::move(nodes)) {
    const auto& self = nodes_.front();
    for (const auto& address : self.status.addresses)
      facts_.addresses.push_back(*IpAddr::parse(address.address));
    for (const auto& pods : self.spec.podCIDRs) facts_.pods.push_back(*IpPrefix::parse(pods));
    services_ = must(service::ServiceEngine::open(
        {world.bpf_dir(), world.cgroup(), {self.metadata.name, "", facts_.addresses}, {}}));
    edge_ = must(service::NodeEdgeEngine::open(world.bpf_dir(), services_->socket()));
  }

  service::ServiceEngine& services() { return *services_; }
  const service::NodeEdgeEngine& edge() const { return *edge_; }
  const datapath::PodPolicy& policy() const { return edge_->policy(); }
  void sync() {
    must(services_->synced());
    for (const auto& [name, error] : services_->stats().failing)
      throw std::runtime_error(name + ": " + error.message);
  }
  /// Call it in the World's namespace.
  void attach() {
    must(edge_->apply(service::plan_edge(facts_, nodes_), facts_.addresses));
    must(edge_->policy().introduce(must(edge_->attach_pods())));
  }

 private:
  std::vector<kube::Node> nodes_;
  service::EdgeFacts facts_;
  std::unique_ptr<service::ServiceEngine> services_;
  std::unique_ptr<service::NodeEdgeEngine> edge_;
};

}  // namespace weft::bench
