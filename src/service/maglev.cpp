#include "service/maglev.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "base/fnv.h"

namespace weft::service {
namespace {

struct Step {
  size_t backends;
  uint32_t size;
};
/// Few steps: where the size changes, all clients move.
constexpr Step kSteps[] = {{1, 0}, {8, 1021}, {40, 4093}, {SIZE_MAX, 65'521}};

constexpr uint16_t kFree = UINT16_MAX;

/// Mixed so that neighbouring addresses part.
uint64_t hash_of(const MaglevBackend& backend, uint64_t seed) {
  const std::array port{static_cast<uint8_t>(backend.port), static_cast<uint8_t>(backend.port >> 8)};
  uint64_t hash = fnv1a(port, fnv1a(backend.addr, kFnvBasis ^ seed));
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  return hash ^ (hash >> 33);
}

}  // namespace

uint32_t maglev_size(size_t backends) {
  return std::ranges::find_if(kSteps, [&](const Step& step) { return backends <= step.backends; })->size;
}

std::vector<uint16_t> maglev_table(std::span<const MaglevBackend> backends) {
  const uint32_t size = maglev_size(backends.size());
  std::vector<uint16_t> table(size, kFree);
  if (size == 0) return table;
  // Backends take their turns in an order that everybody knows.
  std::vector<uint16_t> order(backends.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::ranges::sort(order, {}, [&](uint16_t i) { return std::tie(backends[i].addr, backends[i].port); });
  struct Preference {
    uint32_t next, skip;
  };
  std::vector<Preference> preferences;
  preferences.reserve(order.size());
  for (uint16_t i : order) {
    preferences.push_back(
        {static_cast<uint32_t>(hash_of(backends[i], 0) % size),
         static_cast<uint32_t>(hash_of(backends[i], 0x9e3779b97f4a7c15ULL) % (size - 1)) + 1});
  }
  for (uint32_t filled = 0;;) {
    for (size_t turn = 0; turn < order.size(); ++turn) {
      auto& [next, skip] = preferences[turn];
      while (table[next] != kFree) next = (next + skip) % size;
      table[next] = order[turn];
      if (++filled == size) return table;
    }
  }
}

}  // namespace weft::service
