#pragma once

#include <string>
#include <vector>

#include "podnet/cni.h"
#include "podnet/ipam.h"

namespace weft::podnet {

/// The pods of one node: gives them addresses and connects them. Works in the network namespace of the thread
/// that calls. Not thread-safe.
class Node {
 public:
  struct Options {
    std::string state_dir;               ///< for ipam.json; made if absent
    std::vector<IpPrefix> pod_cidrs;     ///< at most one a family; the first is the pods' primary one
    std::vector<IpAddr> node_addresses;  ///< the node's own
    std::string uplink = "eth0";         ///< its MTU becomes the pods'
  };
  /// Gives back the addresses of pods that the kernel no longer has.
  static Expected<Node> open(Options options);

  /// Any command of the specification but VERSION. The result is empty for all but ADD.
  CniResult<json::object> handle(const CniRequest& request);

  CniResult<CniAttachment> add(const CniRequest& request);
  CniResult<void> remove(const std::string& id);

 private:
  Node(Options options, Ipam ipam) : options_(std::move(options)), ipam_(std::move(ipam)) {}
  CniResult<void> check(const CniRequest& request);
  CniResult<void> collect(const std::vector<std::string>& valid);

  Options options_;
  Ipam ipam_;
};

}  // namespace weft::podnet
