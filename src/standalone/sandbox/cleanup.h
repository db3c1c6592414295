#pragma once

#include <string>

#include "base/error.h"

namespace weft::standalone {

/// Removes everything of cluster `name` that the kernel still holds, whoever made it and however that ended:
/// the processes in the cgroups under weft-NAME (killed), those cgroups, the network namespaces weft-NAME-*
/// with the links in them, and the links of this namespace whose alias is weft-NAME or begins with
/// "weft-NAME/". Idempotent; goes on after a failure and returns the first.
Expected<void> clean_cluster(const std::string& name);

}  // namespace weft::standalone
