#pragma once

#include <string>

#include "base/error.h"

namespace weft::cmd {

/// What the agent of a node answers to GET `path` ("/flows?after=0") at its metrics' address, asked in the
/// node's network namespace: of a cluster that `weft up` made. Fails for any other status than 200.
Expected<std::string> agent_page(const std::string& cluster, const std::string& node,
                                 const std::string& path);

}  // namespace weft::cmd
