#include "base/mounts.h"

#include <fstream>
#include <iterator>
#include <sstream>

namespace weft {

Expected<std::string> find_cgroup2(std::string_view mounts) {
  std::istringstream lines{std::string(mounts)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string source, target, type;
    if (fields >> source >> target >> type && type == "cgroup2") return target;
  }
  return fail(ErrorCode::unavailable,
              "no cgroup v2 hierarchy is mounted: mount one, as in mount -t cgroup2 none /sys/fs/cgroup");
}

Expected<std::string> cgroup2_root() {
  std::ifstream file("/proc/self/mounts");
  return find_cgroup2({std::string{std::istreambuf_iterator<char>(file), {}}});
}

}  // namespace weft
