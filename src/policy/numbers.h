#pragma once

#include <cstdint>

namespace weft::policy {

/// Gives out numbers, each after the last, so that one that is free again comes back as late as can be.
class Numbers {
 public:
  explicit Numbers(uint32_t first) : first_(first), next_(first) {}

  /// `in_use`: tells of a number whether somebody has it.
  template <class InUse>
  uint32_t take(const InUse& in_use) {
    while (in_use(next_)) step();
    uint32_t number = next_;
    step();
    return number;
  }

 private:
  void step() { next_ = next_ == UINT32_MAX ? first_ : next_ + 1; }

  uint32_t first_;
  uint32_t next_;
};

}  // namespace weft::policy
