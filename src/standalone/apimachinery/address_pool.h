#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <unordered_set>

#include "base/ip.h"

namespace weft::standalone {

/// How a pool chooses when any number will do.
enum class Choosing : uint8_t { by_chance, in_order };

/// The numbers from 0 to size - 1, given out from the upper part; the lower `band` of them is kept for those
/// who ask for a certain one, as long as there are others (KEP-3070, KEP-3668).
class NumberPool {
 public:
  NumberPool(uint64_t size, uint64_t band, Choosing choosing)
      : size_(size), band_(band), choosing_(choosing), next_(band) {}

  /// Any free number that is not kept; nothing when there is none.
  std::optional<uint64_t> take_any();
  /// For somebody who will ask for it.
  void keep(uint64_t number) { kept_.insert(number); }
  /// False when it is taken.
  bool take(uint64_t number) { return used_.insert(number).second; }
  void give_back(uint64_t number) { used_.erase(number); }
  size_t used() const { return used_.size(); }
  uint64_t size() const { return size_; }

 private:
  std::optional<uint64_t> take_from(uint64_t first, uint64_t last);

  uint64_t size_;
  uint64_t band_;
  Choosing choosing_;
  uint64_t next_;  ///< in order: the first that was not looked at
  std::unordered_set<uint64_t> used_, kept_;
};

/// The addresses of a prefix that can be given to Services: not the first, and of IPv4 not the last.
class AddressPool {
 public:
  AddressPool(const IpPrefix& prefix, Choosing choosing);

  const IpPrefix& prefix() const { return prefix_; }
  std::optional<IpAddr> take_any();
  /// Fails in upstream's words: already allocated, or not in the range.
  std::expected<void, std::string> take(const IpAddr& ip);
  void keep(const IpAddr& ip);
  void give_back(const IpAddr& ip);
  size_t used() const { return numbers_.used(); }

 private:
  std::optional<uint64_t> number_of(const IpAddr& ip) const;

  IpPrefix prefix_;
  NumberPool numbers_;
};

/// The ports of the nodes that can be given to Services.
class PortPool {
 public:
  PortPool(uint16_t first, uint16_t last, Choosing choosing);

  std::optional<int32_t> take_any();
  std::expected<void, std::string> take(int32_t port);
  void keep(int32_t port);
  void give_back(int32_t port);
  size_t used() const { return numbers_.used(); }

 private:
  bool has(int32_t port) const { return port >= first_ && port <= last_; }

  int32_t first_;
  int32_t last_;
  NumberPool numbers_;
};

}  // namespace weft::standalone
