#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace weft {

/// Sets up the process's logger: one line an event on standard error, "time level component message".
/// `level`: trace, debug, info, warn, error. Call once, at the start of main.
void init_log(std::string_view component, std::string_view level);

}  // namespace weft
