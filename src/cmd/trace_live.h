#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "probe/compare.h"

/// `weft trace --live`: what was foretold, and what becomes of real packets.
namespace weft::cmd {

/// What was seen from one of the sources.
struct LiveSource {
  std::string from;
  std::vector<probe::Observed> seen;
  std::string difference;  ///< empty: as foretold
  std::string untried;     ///< why no probe was sent; empty: one was
};

struct LiveRequest {
  std::string cluster;  ///< that `weft up` made on this machine
  std::chrono::milliseconds patience;
};

/// A probe from each source, more where several pods may answer.
Expected<std::vector<LiveSource>> trace_live(const LiveRequest& how, const trace::World& world,
                                             const std::vector<trace::Source>& sources,
                                             const trace::Destination& to, const trace::Request& request);

json::array to_json(const std::vector<LiveSource>& all);
std::string to_text(const std::vector<LiveSource>& all);

}  // namespace weft::cmd
