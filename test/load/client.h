#pragma once

#include <sys/socket.h>

#include <vector>

#include "report.h"

namespace weft::load {

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
};

struct LoadOptions {
  std::vector<Target> targets;  ///< in turns
  double rate = 1000;           ///< connections a second
  Clock::duration time{};
  Clock::duration timeout{};  ///< of one exchange
  bool raw = false;           ///< a few bytes that come back, instead of HTTP
};

/// Opens a connection at each moment that the rate gives, whatever became of those before: asks, reads the
/// answer, closes. At most `kInFlight` at once; when there are as many the next ones are late.
Report open_and_close(const LoadOptions& options);

/// Keeps `count` connections and exchanges a few bytes over each every 50 ms. A connection that breaks is a
/// failure and is not opened again.
Report hold(const LoadOptions& options, int count);

inline constexpr size_t kInFlight = 8000;

}  // namespace weft::load
