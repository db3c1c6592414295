#pragma once

#include <cstdint>
#include <string_view>

#include "base/fnv.h"

namespace weft::policy {

/// Of identities and subjects: 0 is no peer's (WEFT_IDENTITY_ANY).
inline constexpr uint32_t kFirstNumber = 1;

/// A number for what `name` tells, from `first` on: the same again and in every process, unless another has
/// it. So an agent that starts finds in the kernel what it would write. `in_use`: as below.
template <class InUse>
uint32_t stable_number(std::string_view name, uint32_t first, const InUse& in_use) {
  uint64_t hash = fnv1a(name);
  auto number = static_cast<uint32_t>(hash ^ hash >> 32);
  while (number < first || in_use(number)) ++number;
  return number;
}

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
