#pragma once

#include <string>

#include "base/error.h"

/// Kernel parameters. `name` is the path under /proc/sys ("net/ipv4/ip_forward"), as names of links may
/// contain dots. Those under net/ are the ones of the calling thread's network namespace.
namespace weft {

/// Without the line's end. `not_found` when this kernel has no such parameter.
Expected<std::string> read_sysctl(const std::string& name);
/// Writes only when the value differs.
Expected<void> write_sysctl(const std::string& name, const std::string& value);

}  // namespace weft
