#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "standalone/sandbox/pod_host.h"

namespace weft::standalone::sandbox {

/// Makes pods' network namespaces and has the node's agent connect them (CNI ADD and DEL). The blocking work
/// is done on a few threads, so that many pods start side by side; results come back on the event loop.
class PodNetwork {
 public:
  /// `socket`: of the node's agent.
  PodNetwork(boost::asio::io_context& io, CniCalls cni, std::string socket);
  /// Waits for calls that are under way; their results are dropped.
  ~PodNetwork();
  void attach(const PodIdentity& pod, PodHost::Attached done);
  void detach(const PodIdentity& pod, PodHost::Detached done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::standalone::sandbox
