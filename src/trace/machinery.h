#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/yaml.h"

namespace weft::trace {

/// What has to be known of the rest of a cluster to say what becomes of manifests in it. The rooms above give
/// it; all of it is pure.
struct Machinery {
  /// Does to a new object what an API server does before it stores it.
  std::function<Expected<void>(json::value& object)> complete;
  /// The node that the scheduler would choose of these, each with how many pods it has; "": none.
  std::function<std::string(const kube::Pod& pod, const std::map<std::string, int>& pods_of_nodes,
                            const std::map<std::string, std::shared_ptr<const kube::Node>>& nodes)>
      place;
  /// The objects are a cluster's, as its API server and controllers have left them: nothing is completed,
  /// made or assumed, and what controllers have not done yet is told. The two above are not asked.
  bool observed = false;
  /// Objects of the cluster itself (nodes, its DNS Service, classes); one that the manifests have too gives
  /// way.
  std::vector<kube::YamlDocument> assumed;
};

}  // namespace weft::trace
