#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/pod.h"

/// How a pod resolves names and what it is called itself, as a node sets it up. Pure.
namespace weft::kube {

/// A resolv.conf taken apart.
struct ResolvConf {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<std::string> options;  ///< "ndots:5", "edns0"
  bool operator==(const ResolvConf&) const = default;
};

ResolvConf parse_resolv_conf(std::string_view text);
std::string write_resolv_conf(const ResolvConf& conf);

/// Where pods with ClusterFirst ask.
struct ClusterDns {
  std::vector<std::string> addresses;
  std::string domain;
};

/// A pod's resolv.conf from its dnsPolicy and dnsConfig, and what had to be cut to fit the limits of the API
/// (3 name servers, 32 search domains, 2048 characters of them).
struct PodDns {
  ResolvConf conf;
  std::vector<std::string> warnings;
};
PodDns pod_dns(const Pod& pod, const ClusterDns& cluster, const ResolvConf& node);

/// The pod's host name (at most 63 characters: spec.hostname, else the pod's name) and its fully qualified
/// name "" unless spec.subdomain is set.
struct PodName {
  std::string hostname;
  std::string fqdn;
  std::string kernel;  ///< what the UTS namespace gets: the fqdn with setHostnameAsFQDN
};
/// `invalid` with setHostnameAsFQDN when the name has more than the kernel's 64 characters.
Expected<PodName> pod_name(const Pod& pod, const std::string& domain);

}  // namespace weft::kube
