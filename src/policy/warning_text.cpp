#include "policy/warning_text.h"

#include <fmt/core.h>

namespace weft::policy {

std::string warning_text(const std::vector<std::string>& warnings) {
  constexpr size_t kMost = 1024, kRest = 32;
  std::string out;
  for (size_t i = 0; i < warnings.size(); ++i) {
    auto part = (i == 0 ? "" : "; ") + warnings[i];
    if (out.size() + part.size() > kMost - kRest) {
      if (i == 0) return part.substr(0, kMost - 3) + "...";
      return out + fmt::format("; and {} more", warnings.size() - i);
    }
    out += part;
  }
  return out;
}

}  // namespace weft::policy
