#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/route/router.h"

namespace weft::gateway {

/// Where a connection or UDP session goes to.
struct StreamTargets {
  const Backend* backend = nullptr;  ///< lives as long as the snapshot
  std::string_view name;             ///< the backend's
  /// Each to be tried when the one before cannot be reached; empty: the connection is refused.
  std::vector<Endpoint> endpoints;
};

/// Chooses the backend whose turn it is, and begins with another endpoint of it for each `turn`.
StreamTargets stream_targets(const CompiledStream& stream, const Snapshot& snapshot, uint64_t turn);

/// Whether the endpoint is one that the route may lead to.
bool is_stream_target(const StreamRoute& route, const Snapshot& snapshot, const Endpoint& endpoint);

}  // namespace weft::gateway
