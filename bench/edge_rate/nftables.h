#pragma once

#include <string>
#include <vector>

#include "base/fd.h"

namespace weft::bench {

/// A Service port with a node port, of externalTrafficPolicy Cluster.
struct ProxiedPort {
  std::string name;      ///< as in kube-proxy's chains: NAMESPACE/NAME/PROTOCOL/PORT
  std::string protocol;  ///< tcp, udp
  std::string cluster_ip;
  int port = 0;
  int node_port = 0;
  std::vector<std::string> endpoints;  ///< ADDRESS:PORT
};

/// Gives a node what kube-proxy's nftables mode would write for such Services. What a connection leaves
/// behind goes after the 10 s after which Weft forgets it, not after two minutes: the table would fill up.
void load_proxy_rules(const Fd& node, const std::string& address, const std::vector<ProxiedPort>& ports);

}  // namespace weft::bench
