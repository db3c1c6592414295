#pragma once

#include <vector>

#include "kube/yaml.h"
#include "trace/machinery.h"

namespace weft::standalone {

/// A cluster that `weft up` would make, without making it: for those who ask what would become of manifests.
/// Nodes are those of the manifests; without any, one as `weft up` has it. Needs no root and touches nothing.
trace::Machinery offline_cluster(const std::vector<kube::YamlDocument>& manifests);

}  // namespace weft::standalone
