#pragma once

#include <string>
#include <vector>

namespace weft::policy {

/// What is wrong with a policy as the message of one Event, whose length is bounded by 1,024 bytes: as many
/// warnings as fit, and how many there are beside them. Empty when nothing is wrong.
std::string warning_text(const std::vector<std::string>& warnings);

}  // namespace weft::policy
