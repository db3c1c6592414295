#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "kube/yaml.h"

namespace weft::ui {

/// The objects as they would be if `manifests` were applied to them, as `kubectl apply` does it: what a
/// manifest says replaces what is there, lists as a whole; what was applied last and is not in it any more
/// goes. The pods of a workload that is changed go too, as it makes others. Fails on what is no object.
Expected<std::vector<kube::YamlDocument>> lay_over(std::vector<kube::YamlDocument> objects,
                                                   std::vector<kube::YamlDocument> manifests);

}  // namespace weft::ui
