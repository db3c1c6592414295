#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/config/config.h"
#include "gateway/route/router.h"

namespace weft::gateway {

/// A port with one route for streams, and a snapshot with a backend for each list of endpoints ("0", "1", …).
struct TestRoute {
  Snapshot snapshot;
  std::shared_ptr<const Port> port;

  TestRoute(Protocol protocol, std::vector<WeightedBackend> to, const std::vector<Endpoints>& endpoints) {
    auto backends = std::make_shared<SharedMap<Backend>>();
    auto all = std::make_shared<SharedMap<Endpoints>>();
    for (size_t i = 0; i < endpoints.size(); ++i) {
      std::string key = std::to_string(i);
      (*backends)[key] = std::make_shared<const Backend>(Backend{.endpoints = key});
      (*all)[key] = std::make_shared<const Endpoints>(endpoints[i]);
    }
    snapshot.backends = backends;
    snapshot.endpoints = all;
    auto route = std::make_shared<const StreamRoute>(StreamRoute{.backends = std::move(to)});
    auto listener = std::make_shared<const Listener>(Listener{.protocol = protocol, .streams = {route}});
    port = std::make_shared<const Port>(Port{.udp = protocol == Protocol::udp, .listeners = {listener}});
  }
};

}  // namespace weft::gateway
