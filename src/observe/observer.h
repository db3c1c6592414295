#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <span>
#include <string>

#include "base/http/server.h"
#include "datapath/socket_events.h"
#include "observe/recent_flows.h"

namespace weft::observe {

/// What a node's agent sees of its pods' connections. On one io_context's thread.
class Observer {
 public:
  /// Loads and attaches the programs; `service_maps` and `cgroup` as datapath::SocketEvents has them.
  static Expected<std::unique_ptr<Observer>> start(asio::io_context& io, const std::string& service_maps,
                                                   const std::string& cgroup, Names names);
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// A pod of this node, by the path of its network namespace.
  Expected<void> watch(const std::string& netns, std::span<const IpAddr> addresses);
  /// The answer to a request for kFlowsPage.
  http::Answer page(const http::Request& request);

 private:
  Observer(asio::io_context& io, Names names);
  void read_later();

  asio::steady_timer timer_;
  Names names_;
  RecentFlows recent_;
  std::unique_ptr<datapath::SocketEvents> events_;
};

}  // namespace weft::observe
