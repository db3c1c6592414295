#include "nftables.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "../service_load.h"

namespace weft::bench {
namespace {

// The shape of kube-proxy's table: maps of Services, a chain for each Service and endpoint.
const char* const kTable = R"(
table ip kube-proxy {{
  set cluster-ips {{ type ipv4_addr; elements = {{ {cluster_ips} }} }}
  set nodeport-ips {{ type ipv4_addr; elements = {{ {node} }} }}
  map no-endpoint-services {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map no-endpoint-nodeports {{ type inet_proto . inet_service : verdict; }}
  map firewall-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map service-nodeports {{ type inet_proto . inet_service : verdict; elements = {{ {node_ports} }} }}
  map service-ips {{
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = {{ {service_ips} }}
  }}
  chain filter-prerouting {{ type filter hook prerouting priority -110; ct state new jump firewall-check; }}
  chain filter-input {{
    type filter hook input priority -110
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }}
  chain filter-forward {{
    type filter hook forward priority -110
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-output {{
    type filter hook output priority -110
    ct state new jump service-endpoints-check
    ct state new jump firewall-check
  }}
  chain filter-output-post-dnat {{ type filter hook output priority -90; ct state new jump cluster-ips-check; }}
  chain nat-prerouting {{ type nat hook prerouting priority -100; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
  chain nat-postrouting {{ type nat hook postrouting priority 100; jump masquerading; }}
  chain nodeport-endpoints-check {{ ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports; }}
  chain service-endpoints-check {{ ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }}
  chain firewall-check {{ ip daddr . meta l4proto . th dport vmap @firewall-ips; }}
  chain cluster-ips-check {{
    ip daddr @cluster-ips reject
    ip daddr 10.96.0.0/16 drop
  }}
  chain mark-for-masquerade {{ meta mark set meta mark or 0x4000; }}
  chain masquerading {{
    meta mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }}
  chain services {{
    ip daddr . meta l4proto . th dport vmap @service-ips
    ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }}
{chains}
}}
)";

std::string endpoint_chain(const ProxiedPort& port, std::string endpoint) {
  auto colon = endpoint.find(':');
  endpoint[colon] = '/';
  return fmt::format("endpoint-{}__{}", port.name, endpoint);
}

std::string chains_of(const ProxiedPort& port) {
  std::vector<std::string> choices;
  std::string out;
  for (const auto& endpoint : port.endpoints) {
    choices.push_back(fmt::format("{} : goto {}", choices.size(), endpoint_chain(port, endpoint)));
    out += fmt::format("  chain {} {{ ip saddr {} jump mark-for-masquerade; meta l4proto {} dnat to {}; }}\n",
                       endpoint_chain(port, endpoint), endpoint.substr(0, endpoint.find(':')), port.protocol,
                       endpoint);
  }
  out += fmt::format(
      "  chain service-{} {{ ip daddr {} {} dport {} ip saddr != 10.244.0.0/16 jump mark-for-masquerade; "
      "numgen random mod {} vmap {{ {} }}; }}\n",
      port.name, port.cluster_ip, port.protocol, port.port, choices.size(), fmt::join(choices, ", "));
  return out +
         fmt::format("  chain external-{0} {{ jump mark-for-masquerade; goto service-{0}; }}\n", port.name);
}

std::string table_of(const std::string& node, const std::vector<ProxiedPort>& ports) {
  std::vector<std::string> cluster_ips, node_ports, service_ips;
  std::string chains;
  for (const auto& port : ports) {
    if (std::ranges::find(cluster_ips, port.cluster_ip) == cluster_ips.end())
      cluster_ips.push_back(port.cluster_ip);
    node_ports.push_back(fmt::format("{} . {} : goto external-{}", port.protocol, port.node_port, port.name));
    service_ips.push_back(
        fmt::format("{} . {} . {} : goto service-{}", port.cluster_ip, port.protocol, port.port, port.name));
    chains += chains_of(port);
  }
  return fmt::format(fmt::runtime(kTable), fmt::arg("cluster_ips", fmt::join(cluster_ips, ", ")),
                     fmt::arg("node", node), fmt::arg("node_ports", fmt::join(node_ports, ", ")),
                     fmt::arg("service_ips", fmt::join(service_ips, ", ")), fmt::arg("chains", chains));
}

}  // namespace

void load_proxy_rules(const Fd& node, const std::string& address, const std::vector<ProxiedPort>& ports) {
  char file[] = "/tmp/wt-edge-rules-XXXXXX";
  Fd fd(mkstemp(file));
  service::test::write_file(file, table_of(address, ports));
  World::in(node, [&] {
    shell(std::string("nft -f ") + file);
    shell("sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_time_wait=10");
  });
  unlink(file);
}

}  // namespace weft::bench
