#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ip.h"

/// Ranges of addresses, and sets of them that may be huge: work and memory follow the number of ranges, never
/// that of the addresses inside.
namespace weft::service {

/// Addresses of one family from `first` to `last`, both included.
struct AddressRange {
  IpAddr first;
  IpAddr last;

  /// "192.0.2.0/24" or "192.0.2.10-192.0.2.20", blanks around the parts allowed. All addresses of a network
  /// belong to it, the first and the last too. Refused are networks with bits behind the prefix length, and
  /// whatever contains loopback, link-local, multicast or reserved addresses. The message says what is wrong
  /// with `text`, without the name of the field.
  static Expected<AddressRange> parse(std::string_view text);

  bool contains(const IpAddr& addr) const { return first <= addr && addr <= last; }
  bool overlaps(const AddressRange& other) const { return first <= other.last && other.first <= last; }
  /// How many; INT64_MAX also stands for more.
  int64_t size() const;
  std::string str() const;

  bool operator==(const AddressRange&) const = default;
};

/// A set of addresses, kept as ranges.
class AddressSet {
 public:
  /// Nothing of the range may be in the set.
  void insert(const AddressRange& range);
  /// False if it was there already.
  bool insert(const IpAddr& addr);
  /// False if it was not there.
  bool erase(const IpAddr& addr);
  bool contains(const IpAddr& addr) const;
  /// The lowest address of one family.
  std::optional<IpAddr> lowest(bool v6) const;
  size_t ranges() const { return ranges_.size(); }

 private:
  using Ranges = std::map<IpAddr, IpAddr>;  ///< first to last; neither overlapping nor adjacent
  Ranges::const_iterator find(const IpAddr& addr) const;
  Ranges ranges_;
};

}  // namespace weft::service
