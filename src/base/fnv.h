#pragma once

#include <cstdint>

namespace weft {

inline constexpr uint64_t kFnvBasis = 14'695'981'039'346'656'037ULL;

/// FNV-1a with 64 bits: the same on every machine and in every version, for what nodes have to agree on
/// without a word. `hash`: of what came before, or a seed.
template <class Bytes>
constexpr uint64_t fnv1a(const Bytes& bytes, uint64_t hash = kFnvBasis) {
  for (auto byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 1'099'511'628'211ULL;
  return hash;
}

}  // namespace weft
