#pragma once

#include <cstddef>
#include <deque>
#include <string_view>

#include "kube/json.h"
#include "kube/time.h"
#include "policy/report.h"

namespace weft::policy {

/// Where agents serve RecentDecisions::to_json, at their metrics' address.
inline constexpr std::string_view kDecisionsPage = "/policy/decisions";

/// What the programs at pods' links reported last.
class RecentDecisions {
 public:
  static constexpr size_t kMost = 1000;

  /// Decisions of the kernel's clock CLOCK_MONOTONIC; `wall` and `monotonic_ns`: now, on both clocks.
  void add(Decision decision, kube::TimePoint wall, uint64_t monotonic_ns);
  size_t size() const { return entries_.size(); }
  /// {"decisions": [{"time": RFC 3339, …as Decision::to_json}]}, the newest last.
  json::object to_json() const;

 private:
  struct Entry {
    kube::TimePoint when;
    Decision decision;
  };
  std::deque<Entry> entries_;
};

}  // namespace weft::policy
