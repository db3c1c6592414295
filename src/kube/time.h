#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "kube/meta.h"

namespace weft::kube {

/// A point in UTC with the resolution of MicroTime.
using TimePoint = std::chrono::sys_time<std::chrono::microseconds>;

/// "2026-01-02T03:04:05Z": how metav1.Time is written (whole seconds, rounded down).
Time format_time(TimePoint point);
/// "2026-01-02T03:04:05.678901Z": how metav1.MicroTime is written.
Time format_micro_time(TimePoint point);
/// Any RFC 3339 moment, with or without a fraction, in any zone; nothing when it is not one.
std::optional<TimePoint> parse_time(std::string_view text);

/// The clock's now, in the two forms.
TimePoint now_point();
Time now_time();
Time now_micro_time();

}  // namespace weft::kube
