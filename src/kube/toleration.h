#pragma once

#include <vector>

#include "kube/node.h"
#include "kube/pod.h"

namespace weft::kube {

/// Whether a toleration is about that taint: no effect means all effects, no key (with Exists) all keys.
bool tolerates(const Toleration& toleration, const Taint& taint);
bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint);

}  // namespace weft::kube
