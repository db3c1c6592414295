#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::datapath {

/// How full one pinned map is.
struct MapFill {
  std::string name;  ///< of its pin: "service/frontends"
  uint64_t entries = 0;
  uint64_t capacity = 0;
  bool evicts = false;  ///< when full it forgets what was used longest ago: that is how it is meant
};

/// The hash maps and tries pinned under `bpf_dir`, by name. Counting reads them through, in pieces: about 0.1
/// µs an entry. Needs no process that owns them. not_found if nothing is pinned there.
Expected<std::vector<MapFill>> read_map_fill(const std::string& bpf_dir);

}  // namespace weft::datapath
