#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "standalone/sandbox/container_spec.h"

namespace weft::standalone::sandbox {

/// Makes a container's view of the file system; runs in its mount namespace, before its program. The host's
/// root with `spec.mounts` on it. Where a mount point is missing, the file system it would be in gets a
/// private, writable layer (overlayfs on a tmpfs that dies with the namespace), so that nothing is ever
/// created on the host. With a network namespace of its own the container gets its own /sys, with own
/// processes its own /proc.
Expected<void> set_up_mounts(const ContainerSpec& spec);

/// The mount points of a mountinfo text (proc(5)), unescaped.
std::vector<std::string> mount_points(const std::string& mountinfo);
/// Of `points`, those strictly below `root` with no other such point above them.
std::vector<std::string> topmost_below(const std::vector<std::string>& points, const std::string& root);

}  // namespace weft::standalone::sandbox
