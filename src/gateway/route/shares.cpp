#include "gateway/route/shares.h"

#include <algorithm>

namespace weft::gateway {
namespace {

/// `turn` as a number from 0 up to, and not with, `size`.
uint64_t scaled(uint64_t turn, uint64_t size) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(turn) * size) >> 64);
}

/// Rules that replace each other quickly must not all begin with the same backend.
uint64_t first_turn() {
  static std::atomic<uint64_t> count{0};
  return count.fetch_add(1, std::memory_order_relaxed) * 0xd1b54a32d192ed03;
}

}  // namespace

Turns::Turns(uint64_t step) : at_(first_turn()), step_(step) {}

Shares::Shares(std::span<const WeightedBackend> backends) {
  uint64_t sum = 0;
  for (const WeightedBackend& backend : backends) sums_.push_back(sum += backend.weight);
}

std::optional<size_t> Shares::next() const {
  if (sums_.empty() || sums_.back() == 0) return std::nullopt;
  if (sums_.size() == 1) return 0;
  uint64_t at = scaled(turns_.next(), sums_.back());
  return std::ranges::upper_bound(sums_, at) - sums_.begin();
}

bool Portion::next() const {
  if (numerator_ >= denominator_) return true;
  return numerator_ > 0 && scaled(turns_.next(), denominator_) < numerator_;
}

}  // namespace weft::gateway
