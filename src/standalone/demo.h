#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/client/client.h"

namespace weft::standalone {

/// Runs a command in the first container of a pod and returns what it wrote to standard output; fails when it
/// exits with another code than 0.
using ExecInPod = std::function<Expected<std::string>(const std::string& ns, const std::string& pod,
                                                      const std::vector<std::string>& command)>;

/// One hop of the way of a request: what the objects declare and what was seen on the wire.
struct Hop {
  std::string what;  ///< "name", "address", "EndpointSlice", "pod that answered"
  std::string declared;
  std::string observed;
  bool as_declared = false;
};

/// One request of the demo with its hops, in the order a packet meets them.
struct Walk {
  std::string title;
  std::vector<Hop> hops;
  bool as_declared() const;
};

/// Walks examples/shop with real requests from a frontend pod: a ClusterIP Service, a headless one with
/// stable names, an ExternalName, and a Service nobody stands behind. Runs on the client's io_context; `exec`
/// may block.
asio::awaitable<Expected<std::vector<Walk>>> walk_shop(kube::Client& client, ExecInPod exec);

/// The walks as the demo prints them.
std::string render(const std::vector<Walk>& walks);
json::value to_json(const std::vector<Walk>& walks);

}  // namespace weft::standalone
