#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kube/json.h"

namespace weft::ui {

using FlowPtr = std::shared_ptr<const json::value>;

/// The last flows of all nodes, each with a number. Whoever reads is on another thread than the one who adds.
class FlowLog {
 public:
  static constexpr size_t kMost = 10'000;

  /// In the order of time.
  void add(std::vector<json::value> flows);
  /// Why flows do not come, or not all of them; "": they do.
  void set_problem(std::string problem);
  std::string problem() const;

  struct News {
    std::vector<FlowPtr> flows;
    uint64_t next = 0;  ///< what to ask for then
  };
  /// Those from number `after` on that are still there.
  News since(uint64_t after) const;
  /// Those that are not older than `time`, which is written as flows have it.
  std::vector<FlowPtr> from(const std::string& time) const;

 private:
  mutable std::mutex mutex_;
  std::deque<FlowPtr> flows_;
  uint64_t next_ = 0;  ///< the number that the next one gets
  std::string problem_;
};

}  // namespace weft::ui
