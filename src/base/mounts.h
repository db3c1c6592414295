#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace weft {

/// Where this machine's cgroup v2 hierarchy is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid
/// host. `unavailable` when there is none.
Expected<std::string> cgroup2_root();

/// The same from the text of /proc/self/mounts.
Expected<std::string> find_cgroup2(std::string_view mounts);

}  // namespace weft
