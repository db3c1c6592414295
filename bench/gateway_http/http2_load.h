#pragma once

#include "load.h"

namespace weft::bench {

/// Over HTTP/2 without TLS: `connections` with `streams` each that ask for "/" as soon as they have the
/// answer, for that long. Failures: answers other than 200, streams that were reset, connections that ended.
Load http2_load(uint16_t port, int connections, int streams, std::chrono::milliseconds time);

}  // namespace weft::bench
