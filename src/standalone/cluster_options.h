#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace weft::standalone {

/// What `weft up` was asked for.
struct ClusterOptions {
  std::string name = "weft";
  std::string data_dir;                       ///< "": state in memory
  std::map<std::string, std::string> images;  ///< image name to program
  int nodes = 1;
  std::vector<std::string> zones;                ///< given to the nodes in turns; empty: none
  bool vxlan = false;                            ///< between the nodes; otherwise they route directly
  bool dsr = false;                              ///< direct server return; not with vxlan
  uint16_t port = 0;                             ///< of the API server; 0: the first free one from 6443
  std::string resolv_conf = "/etc/resolv.conf";  ///< of the nodes: who answers for names outside the cluster
  std::string log_level = "info";
};

/// One simulated node and all the names and addresses that follow from its place in the cluster.
struct NodeLayout {
  std::string name;    ///< "node-1"
  std::string zone;    ///< topology.kubernetes.io/zone; "": none
  std::string netns;   ///< name in /run/netns
  std::string cgroup;  ///< absolute path
  std::string state_dir;
  std::string cni_socket;
  std::string domains_socket;  ///< in a folder that the DNS server gets into, too
  std::string bpf_dir;
  IpPrefix address4, address6;  ///< the node's own, with the length of the link's prefix
  IpPrefix pods4, pods6;
};

/// Both ends belong to it.
struct AddressSpan {
  IpAddr first, last;
};

/// Where everything of one cluster is. Derived from the name and its number alone, so that any process, and
/// `weft down` after a crash, finds the same places.
struct ClusterLayout {
  std::string name;
  std::string run_dir;  ///< /run/weft/NAME
  std::string cgroup;   ///< <cgroup2 root>/weft-NAME
  std::string bpf_dir;
  IpPrefix gateway4, gateway6;    ///< the machine's own addresses on the nodes' segment
  IpPrefix services4, services6;  ///< Service address ranges
  IpAddr dns4, dns6;
  AddressSpan balancers4, balancers6;  ///< of the nodes' segment, for load balancers
  std::vector<NodeLayout> nodes;

  std::string kubeconfig(const std::string& component) const {
    return run_dir + "/" + component + ".kubeconfig";
  }
  std::string log_file(const std::string& component) const { return run_dir + "/logs/" + component + ".log"; }
};

/// The place of all clusters' state.
inline constexpr const char* kRunRoot = "/run/weft";

/// A cluster's name: a DNS label of at most 20 characters (interface and namespace names are made from it).
Expected<void> check_cluster_name(const std::string& name);

/// What a cluster on one machine can have: a node needs an address of the segment and ones for 1,000 pods.
inline constexpr int kMaxNodes = 100;

/// `number` (0 to 254) tells clusters on one machine apart: their node networks are 172.30.NUMBER.0/24 and
/// fd00:172:NUMBER::/64. Pod and Service ranges live in the nodes' namespaces and may repeat.
Expected<ClusterLayout> make_layout(const ClusterOptions& options, int number);
/// The same for options that are known to be good. Pure.
ClusterLayout layout_below(const std::string& cgroup_root, const ClusterOptions& options, int number);

/// The number of the cluster that owns the folder /run/weft/NAME, or a free one, written there. Safe against
/// another `weft up` doing the same.
Expected<int> claim_number(const std::string& name);

}  // namespace weft::standalone
