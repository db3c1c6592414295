#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace weft::service {

/// On which of a node's addresses node ports are offered: kube-proxy's nodePortAddresses.
class NodePortAddresses {
 public:
  /// Ranges ("10.0.0.0/8"), or "primary" for the addresses by which the cluster knows the node; nothing means
  /// the latter.
  static Expected<NodePortAddresses> parse(std::span<const std::string> texts);

  /// Pure. `primary`: the Node's InternalIPs; `all`: what the node's links have. Loopback, link-local and
  /// multicast addresses never count. Primary ones first, then by address, each once.
  std::vector<IpAddr> choose(std::span<const IpAddr> primary, std::span<const IpAddr> all) const;
  /// It depends on what the links have.
  bool follows_links() const { return !ranges_.empty(); }

 private:
  std::vector<IpPrefix> ranges_;
  bool primary_ = false;
};

}  // namespace weft::service
