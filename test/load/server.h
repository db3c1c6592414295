#pragma once

#include <cstdint>

namespace weft::load {

/// Answers on all addresses until it is killed: an HTTP request with the host's name, then it closes;
/// anything else with the same bytes. Returns only when it cannot listen.
int serve(uint16_t port);

}  // namespace weft::load
