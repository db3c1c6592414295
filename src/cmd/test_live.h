#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "expect/report.h"

namespace weft::cmd {

/// How `weft test --live` tries its expectations.
struct LiveTest {
  std::string cluster;                 ///< that weft up made; empty: one of its own
  int nodes = 0;                       ///< 0: as many as there are Node manifests, at least one
  std::chrono::milliseconds timeout;   ///< after which nobody has answered a probe
  std::chrono::milliseconds patience;  ///< for pods to become Ready, and then for what is expected
};

/// Brings a cluster of its own up, applies the manifests, tries the tests until they hold or the patience
/// ends, and takes the cluster down, also when it is interrupted. In a cluster that is there already it tries
/// them only, and leaves it as it is. Those that fail already by what is foretold keep their judgement and
/// are not tried.
Expected<void> test_live(const LiveTest& how, const std::vector<kube::YamlDocument>& manifests,
                         std::vector<expect::Test>& tests);

}  // namespace weft::cmd
