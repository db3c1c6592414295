#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

/// Consistent choice of a backend by a hash of the client (Eisenbud et al., "Maglev", NSDI 2016, 3.4): nodes
/// that know the same backends choose alike without a word, and when one goes hardly any other client moves.
namespace weft::service {

/// An IPv4 (v4-mapped) or IPv6 address and a port in network order.
struct MaglevBackend {
  std::array<uint8_t, 16> addr{};
  uint16_t port = 0;
};

/// How large the table for that many backends is: a prime, at least a hundred times as many for up to 655. 0:
/// none is needed. Nothing but the number counts, so that nodes with different histories agree.
uint32_t maglev_size(size_t backends);

/// For each hash modulo the size of the table, the backend's place in `backends`. Their order changes the
/// places, not the choices. At most 65,535 backends.
std::vector<uint16_t> maglev_table(std::span<const MaglevBackend> backends);

}  // namespace weft::service
