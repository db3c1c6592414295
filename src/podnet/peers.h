#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/netlink.h"
#include "podnet/peer_plan.h"

namespace weft::podnet {

/// Keeps the routes to other nodes' pods equal to the plan, by difference, in the network namespace of the
/// thread that calls. They stay when it goes; a later one takes over. Not thread-safe.
class Peers {
 public:
  struct Options {
    Self self;
    PeerMode mode = PeerMode::direct;
  };
  /// Makes the VXLAN device in that mode, and removes it in the other.
  static Expected<Peers> open(Options options);

  /// All nodes of the cluster, this one included. After a failure the next call tries again.
  Expected<void> apply(const PeerPlan& plan);

  const Options& options() const { return options_; }

 private:
  explicit Peers(Options options) : options_(std::move(options)) {}
  Expected<void> prepare_device(Netlink& netlink);
  Expected<std::vector<Route>> desired(Netlink& netlink, const PeerPlan& plan);
  Expected<void> set_tunnels(Netlink& netlink, const PeerPlan& plan);

  Options options_;
  int device_ = 0;              ///< the VXLAN device
  std::vector<PeerRoute> now_;  ///< as applied last
};

}  // namespace weft::podnet
