#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::gateway {

/// Milliseconds of a duration as Gateway API writes it (GEP-2257): one to four times one to five digits and
/// h, m, s or ms, "1h30m", "500ms"; nothing when it is not one or does not fit.
std::optional<uint32_t> parse_duration(std::string_view text);

}  // namespace weft::gateway
