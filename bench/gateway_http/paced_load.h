#pragma once

#include <vector>

#include "load.h"

namespace weft::bench {

struct PacedLoad {
  Load load;
  std::vector<double> latencies;  ///< in microseconds, from when a request was due
};

/// Asks for "/" `rate` times a second over kept connections, whatever the answers take: a request that finds
/// no connection free waits, and its time runs.
PacedLoad paced_load(uint16_t port, int connections, size_t body, double rate,
                     std::chrono::milliseconds time);

}  // namespace weft::bench
