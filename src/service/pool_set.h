#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kube/selector.h"
#include "kube/service.h"
#include "kube/weft_types.h"
#include "service/address_range.h"

/// The AddressPools of a cluster, checked against each other, and which of their addresses are free. Pure.
namespace weft::service {

using AddressPoolPtr = std::shared_ptr<const kube::AddressPool>;

/// A pool as it is in effect.
class Pool {
 public:
  explicit Pool(AddressPoolPtr object);

  const std::string& name() const { return object_->metadata.name; }
  const kube::AddressPool& object() const { return *object_; }
  /// spec.addresses without the entries that `problems` names; in their order.
  const std::vector<AddressRange>& ranges() const { return ranges_; }
  /// "spec.addresses[1]: …", each a line.
  const std::vector<std::string>& problems() const { return problems_; }
  bool auto_assign() const { return object_->spec.autoAssign.value_or(true); }
  /// Its selectors cannot be read: it gives nothing new, but takes nothing away either.
  bool selects_nobody() const { return broken_selector_; }
  bool selects(const kube::Service& service, const kube::StringMap& namespace_labels) const;
  /// How particular it is: pools with selectors come before those for all.
  int selectors() const;

  int64_t assigned() const { return assigned_; }
  /// INT64_MAX also stands for more.
  int64_t available() const;
  std::optional<IpAddr> lowest_free(bool v6) const { return free_.lowest(v6); }

 private:
  friend class PoolSet;
  void read_selectors();

  AddressPoolPtr object_;
  std::vector<AddressRange> ranges_;
  std::vector<std::string> problems_;
  kube::Selector namespaces_;
  kube::Selector services_;
  bool broken_selector_ = false;
  AddressSet free_;
  int64_t size_ = 0;
  int64_t assigned_ = 0;
};

class PoolSet {
 public:
  /// What a change of a pool means for others.
  struct Change {
    std::set<std::string> pools;  ///< whose ranges, problems or selectors are others now; gone ones too
    std::vector<AddressRange>
        ranges;  ///< addresses that may belong to another pool now, or to other Services
  };
  /// `object` nullptr: it is gone. Afterwards call `take` for the addresses in use in the ranges of the
  /// answer. Where pools overlap, the older one (then the one first by name) has the addresses.
  Change set(const std::string& name, AddressPoolPtr object);

  bool empty() const { return pools_.empty(); }
  const std::map<std::string, Pool>& all() const { return pools_; }
  const Pool* find(std::string_view name) const;
  const Pool* pool_of(const IpAddr& addr) const;
  /// The first address is in use now, the last user has left it. The name of its pool, or nullptr.
  const Pool* take(const IpAddr& addr) { return mark(addr, true); }
  const Pool* give(const IpAddr& addr) { return mark(addr, false); }

 private:
  const Pool* mark(const IpAddr& addr, bool used);
  /// Which ranges of which pool are in effect; for all pools anew.
  void lay_out(Change& change);

  struct Part {
    IpAddr last;
    std::string pool;
    size_t entry;  ///< in spec.addresses
  };
  using Parts = std::map<IpAddr, Part>;  ///< by the first address; no two overlap
  static const Parts::value_type* overlapped(const Parts& parts, const AddressRange& range);
  void read_ranges(Pool& pool, Parts& parts) const;

  std::map<std::string, Pool> pools_;
  Parts parts_;
};

}  // namespace weft::service
