#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "service/heartbeat.h"

/// What is accepted is written the same again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::service;
  const std::span<const uint8_t> datagram(data, size);
  auto heartbeat = parse_heartbeat(datagram);
  if (heartbeat && !std::ranges::equal(encode(*heartbeat), datagram)) abort();
  return 0;
}
