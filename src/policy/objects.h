#pragma once

#include <string>
#include <vector>

#include "kube/cluster_network_policy.h"
#include "kube/config.h"
#include "kube/networking.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/service.h"
#include "kube/yaml.h"
#include "policy/plan.h"

namespace weft::policy {

/// All that a plan is made from.
struct PolicyObjects {
  std::vector<kube::Pod> pods;
  std::vector<kube::Namespace> namespaces;
  std::vector<kube::Node> nodes;
  std::vector<kube::NetworkPolicy> policies;
  std::vector<kube::ClusterNetworkPolicy> cluster_policies;
  std::vector<kube::EndpointSlice> dns;  ///< of the cluster's DNS; others are passed over
};

/// Tells the plan of all of them and settles it.
void fill(PolicyPlan& plan, const PolicyObjects& objects);

/// What a cluster would have that got these manifests and nothing else. A Deployment, StatefulSet, DaemonSet,
/// ReplicaSet or Job counts as pods of its template: one, or two where it asks for more, so that it is seen
/// what they may say to each other. They have addresses of 10.244.0.0/14, as with `weft up`. Namespaces that
/// are only named have no labels but kubernetes.io/metadata.name. Other kinds are passed over. Fails on an
/// object that cannot be decoded: "FILE:LINE: field: why".
Expected<PolicyObjects> objects_of(const std::vector<kube::YamlDocument>& manifests);

}  // namespace weft::policy
