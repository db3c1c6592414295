#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "kube/pod.h"
#include "policy/peer.h"

namespace weft::policy {

/// What policy needs to know of a pod.
struct PodFacts {
  std::string key;  ///< "NAMESPACE/NAME"
  std::string namespace_;
  std::string uid;
  std::string node;
  kube::StringMap labels;
  std::vector<NamedPort> ports;        ///< sorted
  std::vector<IpAddr> addresses;       ///< the pod's own; of one on the host's network or over: none
  std::vector<IpAddr> host_addresses;  ///< of its node, as its status tells them
  bool host_network = false;           ///< it is its node, for policies
  bool over = false;                   ///< Succeeded or Failed: its addresses may be others' by now
  bool terminating = false;
  bool report_allowed = false;  ///< kReportAllowedAnnotation
  kube::Time created;
  auto operator<=>(const PodFacts&) const = default;

  /// It is a subject and a peer of policies.
  bool counts() const { return !host_network && !over; }
};
using PodPtr = std::shared_ptr<const PodFacts>;

PodFacts facts_of(const kube::Pod& pod);

/// The pod as policies see it, without regard to its address.
Peer peer_of(const PodFacts& pod, const kube::StringMap& namespace_labels);

}  // namespace weft::policy
