#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace weft::podnet {

/// A node's pod addresses: who has which. The state is a file that is replaced in one step, and is on disk
/// before an address is handed out, so that no address is given twice however the process ends. Freed
/// addresses come back last. Not thread-safe.
class Ipam {
 public:
  /// `ranges`: at most one prefix a family; network, first (the gateway's by custom) and broadcast address
  /// are never given. A file that cannot be read, or was made for other ranges while it still has addresses
  /// in use, is an error and stays as it is.
  static Expected<Ipam> open(const std::string& file, std::vector<IpPrefix> ranges);

  /// One address of each range, in their order; the same ones for an id that has some. `exhausted` names the
  /// range that is full.
  Expected<std::vector<IpAddr>> allocate(const std::string& id);
  /// An id that has none is good.
  Expected<void> release(const std::string& id);
  std::optional<std::vector<IpAddr>> find(const std::string& id) const;
  std::vector<std::string> ids() const;

 private:
  struct Pool {
    IpPrefix range;
    uint64_t next = 2;  ///< offset that is tried first
    std::map<uint64_t, std::string> used;

    uint64_t last() const;  ///< the greatest offset that is given
    Expected<uint64_t> take(const std::string& id);
  };
  Ipam(std::string file, std::vector<IpPrefix> ranges);
  Expected<void> load(const std::string& text);
  Expected<void> save() const;

  std::string file_;
  std::vector<Pool> pools_;
};

}  // namespace weft::podnet
