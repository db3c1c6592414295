#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kube/client/client.h"
#include "kube/client/events.h"
#include "standalone/sandbox/pod_network.h"
#include "standalone/sandbox/pod_runner.h"
#include "standalone/sandbox/status_writer.h"

namespace weft::standalone::sandbox {

/// One node's pods: starts, updates and ends a PodRunner for each pod bound to it.
class NodeRuntime : public PodHost {
 public:
  using ConfigOf = std::function<ConfigSource(const std::string& ns)>;
  NodeRuntime(kube::Client& client, NodeContext node, CniCalls cni, ConfigOf config,
              ContainerRegistry& registry, StatusWriter& statuses);
  ~NodeRuntime() override;

  /// A pod bound to this node, new or changed.
  void put(const std::shared_ptr<const kube::Pod>& pod);
  /// Its object is gone.
  void gone(const kube::Pod& pod);
  void config_changed(const std::string& kind, const std::string& ns, const std::string& name);
  /// The node does not reach the API (any more): what the calls above would tell it, it does not learn, and
  /// what it would write waits. `pods`: those bound to it, when it is back.
  void go_away();
  void come_back(const std::vector<std::shared_ptr<const kube::Pod>>& pods);
  /// Kills all at once and removes their namespaces and cgroups.
  void stop();

  boost::asio::io_context& io() override { return client_.io(); }
  const NodeContext& node() const override { return node_; }
  ConfigSource config(const std::string& ns) override { return config_(ns); }
  ContainerRegistry& registry() override { return registry_; }
  void attach_network(const PodIdentity& pod, Attached done) override;
  void detach_network(const PodIdentity& pod, Detached done) override;
  void publish(const kube::Pod& pod, kube::PodStatus status) override;
  void event(const kube::Pod& pod, const std::string& field, bool warning, const std::string& reason,
             const std::string& message) override;
  void finished(const kube::Pod& pod) override;

 private:
  kube::Client& client_;
  NodeContext node_;
  ConfigOf config_;
  ContainerRegistry& registry_;
  StatusWriter& statuses_;
  kube::EventRecorder events_;
  std::unique_ptr<PodNetwork> network_;
  std::map<std::string, std::shared_ptr<PodRunner>> runners_;  ///< by uid
  bool away_ = false;
};

/// Removes every pod of an earlier run of the cluster from this node, the agent's side included: a pod's
/// processes never outlive the program that ran them. Blocks.
void remove_leftovers(const NodeContext& node, const CniCalls& cni);

}  // namespace weft::standalone::sandbox
