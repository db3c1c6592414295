#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "cmd/progress.h"
#include "expect/report.h"

namespace weft::cmd {

/// Tries tests in the cluster that `weft up` made by this name, those that do not hold again and again, as
/// objects take a moment to be in force: until all hold or the patience ends. `timeout`: after which nobody
/// has answered a probe. Fails when the cluster is not there, or `interrupted` becomes true.
Expected<void> try_until_held(const std::string& cluster, std::vector<expect::Test*> pending,
                              std::chrono::milliseconds timeout, std::chrono::milliseconds patience,
                              const std::atomic<bool>& interrupted, ProgressReport& report);

}  // namespace weft::cmd
