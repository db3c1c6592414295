#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "base/error.h"
#include "check/finding.h"
#include "kube/yaml.h"
#include "trace/machinery.h"

namespace weft::check {

/// Makes the machinery for a set of manifests (standalone::offline_cluster).
using MakeMachinery = std::function<trace::Machinery(const std::vector<kube::YamlDocument>&)>;

/// What is wrong with the manifests, in the order of files and lines. They are taken for a part of what a
/// cluster has: what is only missing is a note, unless something near it shows that it should be there.
/// Classes of Gateways and Ingresses count as ours, whoever's they are: the rules are Gateway API's. `now` is
/// what certificates are held against. Pure but for what `machinery` does. Fails only when the manifests
/// cannot be put together at all.
Expected<std::vector<Finding>> check(const std::vector<kube::YamlDocument>& manifests,
                                     const MakeMachinery& machinery,
                                     std::chrono::system_clock::time_point now);

}  // namespace weft::check
