#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dns/config.h"
#include "dns/plan.h"

namespace weft::dns {

/// The hosts entries of a configuration, by name and by address. Pure; many threads may use one.
class HostsTable {
 public:
  explicit HostsTable(const Hosts& hosts);

  /// Answers A, AAAA and PTR questions; a name that is there but has no such record is NODATA. False, and
  /// `answer` as it was, when zone and upstreams have to be asked. Otherwise `answer` is cleared before.
  bool resolve(const Name& name, Type type, Answer& answer) const;

 private:
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <class T>
  using ByName = std::unordered_map<std::string, std::vector<T>, TextHash, std::equal_to<>>;
  bool is_ours(const Name& name) const;

  uint32_t ttl_;
  bool fall_through_;
  std::vector<Name> zones_;
  ByName<IpAddr> addresses_;  ///< by name in lower-case wire form
  ByName<Name> names_;        ///< by reverse name, likewise
};

}  // namespace weft::dns
