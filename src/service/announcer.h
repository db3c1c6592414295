#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/node.h"
#include "kube/service.h"

namespace weft::service {

/// Announces the load balancers' addresses that are this node's (announce_plan.h says which) on its uplinks:
/// answers ARP requests and neighbour solicitations for them, and tells the segment unasked when it takes one
/// over. Tells the Services' owners by Events.
///
/// Runs on a thread of its own, so that nothing else the agent does delays heartbeats and answers. It does
/// nothing, and sends no heartbeats, while no Service has an address to announce. Keeps nothing: whoever
/// starts again listens first.
class Announcer {
 public:
  Announcer(kube::Client& client, std::string node_name);
  /// Ends the thread: others take over after Liveness::kTimeout.
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  /// Before they run.
  void follow(kube::Informer<kube::Service>& services, kube::Informer<kube::EndpointSlice>& slices,
              kube::Informer<kube::Node>& nodes);
  /// In the network namespace of the thread that calls. `addresses`: the node's own.
  /// Once: later calls change nothing.
  Expected<void> start(std::vector<IpAddr> addresses);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::service
