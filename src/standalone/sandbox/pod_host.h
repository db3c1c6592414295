#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "standalone/sandbox/cni_calls.h"
#include "standalone/sandbox/env.h"
#include "standalone/sandbox/exec.h"
#include "standalone/sandbox/pod_files.h"

namespace weft::standalone::sandbox {

/// What all pods of one node share.
struct NodeContext {
  std::string cluster;
  std::string name;
  std::string netns;      ///< path
  std::string cgroup;     ///< pods/UID/CONTAINER goes below it
  std::string state_dir;  ///< pods/UID goes below it
  std::string cni_socket;
  std::vector<std::string> addresses;
  std::map<std::string, std::string> images;
  kube::ClusterDns dns;
  kube::ResolvConf resolv_conf;
  std::string program;  ///< our own binary
};

/// What a pod's runner asks of the world around it. Everything happens on one event loop.
class PodHost {
 public:
  virtual ~PodHost() = default;
  virtual boost::asio::io_context& io() = 0;
  virtual const NodeContext& node() const = 0;
  virtual ConfigSource config(const std::string& ns) = 0;
  virtual ContainerRegistry& registry() = 0;

  using Attached = std::function<void(Expected<std::vector<std::string>> addresses)>;
  using Detached = std::function<void(Expected<void>)>;
  /// Makes the namespace if it is not there and gives it its addresses (IPv4 first). May be repeated after a
  /// failure.
  virtual void attach_network(const PodIdentity& pod, Attached done) = 0;
  /// Gives the addresses back and removes the namespace. May be repeated.
  virtual void detach_network(const PodIdentity& pod, Detached done) = 0;

  /// Writes the status to the API, soon; a newer one replaces one that is still waiting.
  virtual void publish(const kube::Pod& pod, kube::PodStatus status) = 0;
  virtual void event(const kube::Pod& pod, const std::string& field, bool warning, const std::string& reason,
                     const std::string& message) = 0;
  /// Nothing of the pod is left on this node. If it is being deleted, its object can go, after what was
  /// published.
  virtual void finished(const kube::Pod& pod) = 0;
};

}  // namespace weft::standalone::sandbox
