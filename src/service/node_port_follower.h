#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "service/node_port_addresses.h"

namespace weft::service {

namespace asio = boost::asio;

/// Keeps the answer to where this node offers node ports while its addresses come and go. In the network
/// namespace of the thread that calls; on one io_context's thread.
class NodePortFollower {
 public:
  using OnChange = std::function<void(const std::vector<IpAddr>&)>;
  /// Listens to the kernel only if the choice depends on what the links have. `on_change` is not called for
  /// what is there already.
  static Expected<std::unique_ptr<NodePortFollower>> open(asio::io_context& io, NodePortAddresses choice,
                                                          std::vector<IpAddr> primary, OnChange on_change);
  ~NodePortFollower();
  NodePortFollower(const NodePortFollower&) = delete;
  NodePortFollower& operator=(const NodePortFollower&) = delete;

  /// The addresses by which the cluster knows the node.
  void set_primary(std::vector<IpAddr> primary);
  const std::vector<IpAddr>& addresses() const;

 private:
  struct Impl;
  explicit NodePortFollower(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::service
