#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace weft::bench {

struct Load {
  uint64_t requests = 0;
  uint64_t failures = 0;  ///< answers that were not the expected number of bytes, and connections that ended
};

/// `connections` that each ask for "/" as soon as they have the answer, for that long. `body`: bytes of an
/// answer's body. `hosts`: they ask for bench_host() of so many numbers, in any order.
Load load(uint16_t port, int connections, size_t body, std::chrono::milliseconds time, int hosts = 1);

std::string bench_host(int number);

}  // namespace weft::bench
