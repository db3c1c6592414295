#include "kube/time.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace weft::kube {
namespace {

using std::chrono::floor;
using std::chrono::microseconds;
using std::chrono::seconds;

/// "2026-01-02T03:04:05" of a point in UTC.
std::string civil(TimePoint point) {
  auto day = floor<std::chrono::days>(point);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(floor<seconds>(point - day));
  std::array<char, 40> text{};
  int size =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                    static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<size_t>(size)};
}

/// Takes exactly `width` digits off the front of `text`; -1 when they are not there.
int take_number(std::string_view& text, size_t width) {
  if (text.size() < width) return -1;
  int value = 0;
  for (char c : text.substr(0, width)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

/// ".678901" and the like, rounded down; nothing when a dot stands without digits.
std::optional<microseconds> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return microseconds(0);
  int64_t value = 0;
  int digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits) {
    if (digits < 6) value = value * 10 + (text.front() - '0');
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 6; ++digits) value *= 10;
  return microseconds(value);
}

/// "Z", "+02:00": how far the zone is ahead of UTC.
std::optional<std::chrono::minutes> take_zone(std::string_view& text) {
  if (take(text, 'Z')) return std::chrono::minutes(0);
  bool behind = text.starts_with('-');
  if (!behind && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  int hours = take_number(text, 2);
  if (hours < 0 || hours > 23 || !take(text, ':')) return std::nullopt;
  int minutes = take_number(text, 2);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  return std::chrono::minutes((behind ? -1 : 1) * (hours * 60 + minutes));
}

}  // namespace

Time format_time(TimePoint point) { return civil(point) + "Z"; }

Time format_micro_time(TimePoint point) {
  auto fraction = (point - floor<seconds>(point)).count();
  std::array<char, 16> text{};
  int size = std::snprintf(text.data(), text.size(), ".%06dZ", static_cast<int>(fraction));
  return civil(point).append(text.data(), static_cast<size_t>(size));
}

std::optional<TimePoint> parse_time(std::string_view text) {
  int year = take_number(text, 4);
  if (year < 0 || !take(text, '-')) return std::nullopt;
  int month = take_number(text, 2);
  if (month < 0 || !take(text, '-')) return std::nullopt;
  int day = take_number(text, 2);
  if (day < 0 || !take(text, 'T')) return std::nullopt;
  int hour = take_number(text, 2);
  if (hour < 0 || hour > 23 || !take(text, ':')) return std::nullopt;
  int minute = take_number(text, 2);
  if (minute < 0 || minute > 59 || !take(text, ':')) return std::nullopt;
  int second = take_number(text, 2);
  if (second < 0 || second > 59) return std::nullopt;
  auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;
  return TimePoint(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         seconds(second) + *fraction - *zone;
}

TimePoint now_point() { return floor<microseconds>(std::chrono::system_clock::now()); }
Time now_time() { return format_time(now_point()); }
Time now_micro_time() { return format_micro_time(now_point()); }

}  // namespace weft::kube
