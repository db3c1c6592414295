#pragma once

#include "kube/client/client.h"
#include "kube/node.h"
#include "standalone/sandbox/sandbox.h"

namespace weft::standalone::sandbox {

/// The Node object of a simulated node, Ready, with the machine's processors and memory.
kube::Node node_object(const SandboxNode& node, const kube::Time& now);

/// Creates the Node or brings an old one up to date, again and again until the API server is there; then
/// renews its Lease (kube-node-lease/NAME) each 10 seconds for as long as the event loop runs. Returns when
/// `stopped` is true.
asio::awaitable<void> keep_registered(kube::Client& client, SandboxNode node, std::shared_ptr<bool> stopped);

}  // namespace weft::standalone::sandbox
