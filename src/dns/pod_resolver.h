#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/name.h"
#include "kube/pod.h"
#include "kube/pod_dns.h"

/// How a pod's resolver turns the names that its programs ask for into questions (resolv.conf(5)).
namespace weft::dns {

struct PodResolver {
  std::vector<std::string> searches;
  int ndots = 1;
  /// The node's resolv.conf has a part in it, which is not known here.
  bool of_node = false;
};

/// What the pod's dnsPolicy and dnsConfig make of its resolv.conf, but for the node's own search list.
PodResolver resolver_of(const kube::Pod& pod, std::string_view zone);

/// What a resolv.conf says.
PodResolver resolver_of(const kube::ResolvConf& conf);

/// One question of a walk.
struct WalkStep {
  Name name;
  std::string search;  ///< what was put behind the name; "": nothing
};

/// The questions for a name, in their order: a name with at least `ndots` dots is asked as it is first, any
/// other last, one that ends with a dot only. What is too long to be a name is left out.
std::vector<WalkStep> walk_of(std::string_view name, const PodResolver& resolver);

}  // namespace weft::dns
