#pragma once

#include <functional>
#include <vector>

#include "base/error.h"
#include "kube/yaml.h"

namespace weft::reach {

/// What a cluster's objects come to once manifests are applied to them: an object of the manifests takes the
/// place of the cluster's of that kind, namespace and name, and keeps what the cluster has given to it (uid,
/// status, a Service's addresses, a pod's node). Pods of a workload whose template or number changes go, for
/// those who read the result to make anew. `complete`: does to an object what an API server does before it
/// stores it.
Expected<std::vector<kube::YamlDocument>> apply(
    const std::vector<kube::YamlDocument>& cluster, const std::vector<kube::YamlDocument>& manifests,
    const std::function<Expected<void>(json::value& object)>& complete);

}  // namespace weft::reach
