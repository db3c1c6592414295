#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "kube/json.h"

namespace weft::podnet {

/// A node's pod addresses: who has which. The state is a file that is replaced in one step, and is on disk
/// before an address is handed out, so that no address is given twice however the process ends. Freed
/// addresses come back last. Not thread-safe.
class Ipam {
 public:
  /// `ranges`: at most one prefix a family, with room for one pod at least; network, first (the gateway's by
  /// custom) and broadcast address are never given. A file that cannot be read, contradicts itself, or was
  /// made for other ranges while it still has addresses in use, is an error and stays as it is.
  static Expected<Ipam> open(const std::string& file, std::vector<IpPrefix> ranges);

  /// One address of each range, in their order; the same ones for an id that has some. `exhausted` names the
  /// range that is full.
  Expected<std::vector<IpAddr>> allocate(const std::string& id);
  /// Records addresses that a pod has already: for a record that was lost. Addresses of no range are left
  /// out; `conflict` when another id has one.
  Expected<void> adopt(const std::string& id, const std::vector<IpAddr>& addresses);
  /// An id that has none is good.
  Expected<void> release(const std::string& id);
  std::optional<std::vector<IpAddr>> find(const std::string& id) const;
  std::vector<std::string> ids() const;

 private:
  struct Pool {
    IpPrefix range;
    uint64_t next = 2;  ///< offset that is tried first
    std::map<uint64_t, std::string> used;

    uint64_t last() const;                                      ///< the greatest offset that is given
    uint64_t count() const;                                     ///< how many are given at most
    std::optional<uint64_t> offset_of(const IpAddr& ip) const;  ///< nothing: never given
    std::optional<uint64_t> find(const std::string& id) const;
    Expected<uint64_t> take(const std::string& id);
    /// What the file has of this range.
    Expected<void> load(const json::value& entry);
  };
  Ipam(std::string file, std::vector<IpPrefix> ranges);
  Expected<void> load(const std::string& text);
  Expected<void> save() const;
  /// Saves what was changed since `before`, or takes it back.
  Expected<void> commit(std::vector<Pool> before);

  std::string file_;
  std::vector<Pool> pools_;
};

}  // namespace weft::podnet
