#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/http/server.h"
#include "service/health_plan.h"

namespace weft::service {

/// Answers on Services' health check ports what kube-proxy answers: 200 or 503, with the number of local
/// endpoints. Ports are opened and closed by difference. One that cannot be opened is tried again and
/// disturbs no other. All on the server's io_context.
class HealthPorts {
 public:
  struct Options {
    std::string node;
    /// The proxy is healthy, whatever the state of the node.
    std::function<bool()> healthy;
    /// Told once for each reason why a port cannot be opened.
    std::function<void(const kube::Service& service, const std::string& message)> complain;
    std::chrono::milliseconds retry{2000};
  };
  HealthPorts(http::Server& server, asio::io_context& io, Options options);
  ~HealthPorts();
  HealthPorts(const HealthPorts&) = delete;
  HealthPorts& operator=(const HealthPorts&) = delete;

  /// The node's addresses on which node ports are offered; the ports are open there and nowhere else.
  void set_addresses(std::vector<IpAddr> addresses);
  /// `key`: "namespace/name"; no `service`: it is gone.
  void service_changed(const std::string& key, const ServicePtr& service, std::span<const SlicePtr> slices);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::service
