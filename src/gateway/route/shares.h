#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "gateway/config/config.h"

/// Dividing a sequence of requests: not by chance, but so that every run of some length has close to its
/// share of each. A turn is a point of the unit interval (in 64 bits), the next one an irrational step
/// further.
namespace weft::gateway {

/// Turns for any number of threads.
class Turns {
 public:
  /// `step`: kGolden, or another one where two choices for the same request shall not depend on each other.
  explicit Turns(uint64_t step);
  uint64_t next() const { return at_.fetch_add(step_, std::memory_order_relaxed); }

  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;  ///< (√5 - 1) / 2
  static constexpr uint64_t kRoot2 = 0x6a09e667f3bcc909;   ///< √2 - 1

 private:
  mutable std::atomic<uint64_t> at_;
  uint64_t step_;
};

/// Which of the weighted backends a request goes to.
class Shares {
 public:
  explicit Shares(std::span<const WeightedBackend> backends);
  /// Index of the backend, or none if no backend has a weight.
  std::optional<size_t> next() const;

 private:
  std::vector<uint64_t> sums_;  ///< of the weights up to and with each backend
  Turns turns_{Turns::kGolden};
};

/// Whether a request is one of `numerator` of `denominator` (0 or at most numerator: each one).
class Portion {
 public:
  explicit Portion(const Mirror& mirror) : numerator_(mirror.numerator), denominator_(mirror.denominator) {}
  bool next() const;

 private:
  uint32_t numerator_;
  uint32_t denominator_;
  Turns turns_{Turns::kRoot2};
};

}  // namespace weft::gateway
