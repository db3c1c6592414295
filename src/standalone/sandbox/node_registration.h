#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "kube/client/client.h"
#include "kube/client/informer.h"
#include "kube/node.h"
#include "standalone/sandbox/sandbox.h"

namespace weft::standalone::sandbox {

/// The Node object of a simulated node, Ready, with the machine's processors and memory.
kube::Node node_object(const SandboxNode& node, const kube::Time& now);

/// How a node stands with the API.
struct NodeLink {
  explicit NodeLink(boost::asio::io_context& io) : wake(io) {}
  boost::asio::steady_timer wake;
  bool away = false;                  ///< it does not reach the API: nothing is written for it
  bool returning = false;             ///< it was away and has not been heard since
  bool stopped = false;               ///< keep_registered returns
  std::function<void()> heard_again;  ///< its Lease is renewed and its status written
  /// Sets `away` and lets keep_registered see it at once.
  void set_away(bool value) {
    away = value;
    returning = true;
    wake.cancel();
  }
};

/// Creates the Node or brings an old one up to date, again and again until the API server is there; then
/// renews its Lease (kube-node-lease/NAME) each 2 seconds, and writes its status anew when somebody else has
/// declared it lost, for as long as the event loop runs.
boost::asio::awaitable<void> keep_registered(kube::Client& client, const kube::Informer<kube::Node>& nodes,
                                             SandboxNode node, std::shared_ptr<NodeLink> link);

}  // namespace weft::standalone::sandbox
