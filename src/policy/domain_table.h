#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/domain_messages.h"
#include "base/ip.h"

namespace weft::policy {

/// An address that a name was answered to have, by their wall clock until when.
struct KnownDomain {
  using Time = std::chrono::sys_seconds;
  std::string name;
  IpAddr address;
  Time until;  ///< the time to live of the answer and a grace; at the epoch: no more
  bool operator==(const KnownDomain&) const = default;
};

/// What names were answered to have, and until when that counts. Pure: the time is told.
class DomainTable {
 public:
  using Time = KnownDomain::Time;
  struct Limits {
    size_t addresses = 16'384;
    size_t of_one_name = domain_feed::kMaxAddresses;
  };
  DomainTable() : DomainTable(Limits()) {}
  explicit DomainTable(Limits limits) : limits_(limits) {}

  struct Learned {
    std::vector<KnownDomain> changed;  ///< new, or until later
    std::vector<KnownDomain> added;    ///< those of them that are new
    size_t no_room = 0;                ///< addresses beyond the limits; they are not known
  };
  Learned learn(const std::string& name, const std::vector<domain_feed::TimedAddress>& addresses, Time now);
  /// As a file had it, whatever the time.
  void restore(const KnownDomain& known);
  /// What counts no longer at `now`, the earliest first; to be removed or kept.
  std::vector<KnownDomain> expired(Time now) const;
  void remove(const KnownDomain& known);
  /// Nothing: there is none.
  std::optional<Time> next_expiry() const;
  std::vector<KnownDomain> all() const;
  size_t size() const { return by_time_.size(); }

 private:
  bool set(const std::string& name, const IpAddr& address, Time until);
  std::optional<Time> until(const std::string& name, const IpAddr& address) const;
  bool has_room(const std::string& name) const;

  Limits limits_;
  std::map<std::string, std::map<IpAddr, Time>> by_name_;
  std::set<std::tuple<Time, std::string, IpAddr>> by_time_;
};

}  // namespace weft::policy
