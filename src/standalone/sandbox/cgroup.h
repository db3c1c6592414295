#pragma once

#include <string>

#include "base/error.h"

/// A few operations on cgroup v2 folders. Paths are absolute.
namespace weft::standalone::sandbox {

/// Makes it with its parents; one that exists is good.
Expected<void> make_cgroup(const std::string& path);
/// SIGKILL to everything in it and below it, forks under way included. One that is not there is good.
void kill_cgroup(const std::string& path);
/// Removes it and all below it. False: something still lives in it (or dies right now); try again.
bool remove_cgroup(const std::string& path);
/// Whether it, or one above it, is frozen, so that its processes stand still.
bool is_frozen(const std::string& path);
/// kill_cgroup, then remove_cgroup until it is gone, at most `timeout_ms`. Blocks.
Expected<void> destroy_cgroup(const std::string& path, int timeout_ms);

}  // namespace weft::standalone::sandbox
