#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "policy/reason.h"

/// Verdicts by protocol and port, in the form of the kernel's longest-prefix look-up (policy_layout.h).
namespace weft::policy {

/// `bits` of protocol and port count: 0 is for all protocols, 8 for all ports of one, 8 + n for the ports
/// whose first n bits are those of `port` (host order, the bits behind cleared).
struct PortEntry {
  uint8_t protocol = 0;
  uint16_t port = 0;
  uint8_t bits = 0;
  ReasonPtr reason;  ///< it says, too, whether it allows
  bool allows() const { return reason->reason.allows(); }
  bool same_place(const PortEntry& other) const {
    return protocol == other.protocol && port == other.port && bits == other.bits;
  }
  /// Order of place; what is meant is after that.
  bool before(const PortEntry& other) const {
    return std::tie(protocol, port, bits) < std::tie(other.protocol, other.port, other.bits);
  }
};

/// Sorted by place; each place once.
using PortTable = std::vector<PortEntry>;
using PortTablePtr = std::shared_ptr<const PortTable>;

/// The entry of the longest prefix, or nullptr.
const PortEntry* look_up(const PortTable& table, uint8_t protocol, uint16_t port);

/// The fewest aligned powers of two that make up the ports from `first` to `last`: their first port and the
/// number of its bits that count, 0 to 16.
struct PortPrefix {
  uint16_t port = 0;
  uint8_t bits = 0;
  auto operator<=>(const PortPrefix&) const = default;
};
std::vector<PortPrefix> prefixes_of(uint16_t first, uint16_t last);

/// What decides for a peer; nullptr: nothing does. For protocols without ports `protocol` and `port` are 0.
using Decide = std::function<ReasonPtr(uint8_t protocol, uint16_t port)>;

/// A table that answers as `decide` does at every port. `ranges`: what decide distinguishes. `fallback`: the
/// table that is asked where this one has nothing at all, or nullptr; what it would answer to the same effect
/// is left out. Where it would not, nothing is `denied`.
PortTable make_table(std::span<const Ports> ranges, const Decide& decide, const PortTable* fallback,
                     const ReasonPtr& denied);

}  // namespace weft::policy
