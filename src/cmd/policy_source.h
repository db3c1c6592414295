#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/client/client.h"
#include "policy/compare.h"
#include "policy/domain_file.h"
#include "policy/objects.h"

/// What the commands about policies have in common: where they look.
namespace weft::cmd {

/// Which cluster is meant.
struct PolicySource {
  std::string cluster = "weft";  ///< that `weft up` made, on this machine
  std::string kubeconfig;        ///< of another one, whose nodes' kernels are elsewhere; "": that one's
  bool sees_kernels() const { return kubeconfig.empty(); }
};

/// A cluster may not serve ClusterNetworkPolicies; then it has none.
asio::awaitable<Expected<policy::PolicyObjects>> read_policy_objects(kube::Client& client);
Expected<policy::PolicyObjects> read_policy_objects(const PolicySource& source);

/// What a node's kernel and its agent have, of a cluster that `weft up` made.
struct NodePolicy {
  policy::KernelPolicy kernel;
  std::map<IpAddr, int> links;  ///< pods' addresses, with the indexes of the node's ends of their links
  std::vector<policy::KnownDomain> domains;  ///< what the agent knows of names
};
Expected<NodePolicy> read_node_policy(const std::string& cluster, const std::string& node);

/// While it lives the plan knows of names what a node's agent knows.
class KnownToPlan {
 public:
  KnownToPlan(policy::PolicyPlan& plan, const std::vector<policy::KnownDomain>& domains);
  ~KnownToPlan();
  KnownToPlan(const KnownToPlan&) = delete;
  KnownToPlan& operator=(const KnownToPlan&) = delete;

 private:
  policy::PolicyPlan& plan_;
  const std::vector<policy::KnownDomain>& domains_;
};

/// What differs of a pod, in lines; empty: nothing.
std::vector<std::string> compare_pod(const policy::PolicyPlan& plan, const policy::Comparison& comparison,
                                     const NodePolicy& node, const std::string& pod);

}  // namespace weft::cmd
