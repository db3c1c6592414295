#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "podnet/cni.h"
#include "podnet/ipam.h"
#include "podnet/pod_link.h"

namespace weft::podnet {

/// The pods of one node: gives them addresses and connects them. Works in the network namespace of the thread
/// that calls. Not thread-safe.
class Node {
 public:
  struct Options {
    std::string state_dir;            ///< for ipam.json; made if absent
    std::vector<IpPrefix> pod_cidrs;  ///< at most one a family; the first is the pods' primary one
    std::vector<IpAddr>
        node_addresses;  ///< the node's own; the MTU of the link that has one becomes the pods'
    int overhead =
        0;  ///< bytes that the way to other nodes adds to a packet: the pods' MTU is smaller by them
    /// Given the node's end of each new pod's link before anything passes there; what it fails with, ADD
    /// does.
    std::function<Expected<void>(int link)> before_up = {};
  };
  /// Makes this namespace forward, gives back the addresses of pods that the kernel no longer has, and takes
  /// those it has into the record if that was lost. `conflict` while another process has the state.
  static Expected<Node> open(Options options);

  /// Any command of the specification but VERSION. The result is empty for all but ADD.
  CniResult<json::object> handle(const CniRequest& request);

  /// Of a connected pod; none if it is not.
  std::vector<IpAddr> addresses_of(const std::string& id) const;

  CniResult<CniAttachment> add(const CniRequest& request);
  CniResult<void> remove(const std::string& id);

 private:
  Node(Options options, Fd lock, Ipam ipam)
      : options_(std::move(options)), lock_(std::move(lock)), ipam_(std::move(ipam)) {}
  PodLink link_of(const CniRequest& request, std::vector<IpAddr> addresses) const;
  CniResult<void> remove(const CniRequest& request);
  CniResult<void> check(const CniRequest& request);
  CniResult<void> collect(const std::optional<std::vector<std::string>>& valid);

  Options options_;
  Fd lock_;
  Ipam ipam_;
};

}  // namespace weft::podnet
