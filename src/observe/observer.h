#pragma once

#include <memory>
#include <string>

#include "base/http/server.h"
#include "datapath/socket_events.h"
#include "observe/recent_flows.h"

namespace weft::observe {

/// What a node's agent sees of its pods' connections.
class Observer {
 public:
  /// Loads and attaches the programs; `service_maps` and `cgroup` as datapath::SocketEvents has them.
  static Expected<std::unique_ptr<Observer>> start(const std::string& service_maps, const std::string& cgroup,
                                                   Names names);
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// The answer to a request for kFlowsPage.
  http::Answer page(const http::Request& request);

 private:
  Observer(datapath::SocketEvents events, Names names);

  datapath::SocketEvents events_;
  Names names_;
};

}  // namespace weft::observe
