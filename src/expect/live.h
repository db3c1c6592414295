#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "expect/report.h"

namespace weft::expect {

/// Tries tests once in the cluster NAME of this machine, whose objects `world` has: all clients at the same
/// time. Fills in what was seen and judges anew; a test that holds is as it was foretold and expected.
/// Blocks. Needs root.
Expected<void> try_once(const std::string& cluster, const trace::World& world,
                        const std::vector<Test*>& tests, std::chrono::milliseconds patience);

}  // namespace weft::expect
