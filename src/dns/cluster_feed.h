#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "dns/shared_zone.h"
#include "kube/client/client.h"

namespace weft::dns {

/// Follows Services, EndpointSlices and Namespaces (and Pods, where the zone verifies them) into a zone.
/// Keeps nothing of an object but its version and what finds it again: all that questions need is in the
/// zone. All on the client's io_context.
class ClusterFeed {
 public:
  struct Counts {
    size_t services = 0, slices = 0, namespaces = 0, pods = 0;
  };
  ClusterFeed(kube::Client& client, SharedZone& zone);
  ~ClusterFeed();

  /// Called once, when the zone holds all that the first lists had: it is synced.
  void on_synced(std::function<void(const Counts&)> handler);
  /// Begins to list and watch; until the io_context stops.
  void start(asio::io_context& io);
  /// Gives the zone other options. Names of pods are verified from when all Pods are known, and are what they
  /// were until then; Pods are followed on when they are verified no more.
  void configure(ZoneOptions options);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::dns
