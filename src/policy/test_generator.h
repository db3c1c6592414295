#pragma once

/// For tests of this room: objects at random, few enough of each kind that they meet.

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/ip.h"
#include "kube/cluster_network_policy.h"
#include "kube/config.h"
#include "kube/networking.h"
#include "kube/node.h"
#include "kube/pod.h"

namespace weft::policy::test {

inline const std::vector<std::string> kSpaces = {"n1", "n2", "n3"};
inline const std::vector<std::string> kNodes = {"node1", "node2"};
inline const std::vector<std::string> kPortNames = {"web", "web", "dns", "none"};
inline const std::vector<std::string> kProtocols = {"TCP", "UDP", "SCTP"};
inline const std::vector<std::string> kAddresses = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4",
                                                    "10.0.1.5", "10.0.1.6", "fd00::1",  "fd00::2",
                                                    "fd00::3",  "fd00:1::4"};
inline const std::vector<std::string> kOutside = {"192.0.2.1", "192.0.2.2", "172.16.0.1", "172.16.0.2",
                                                  "10.0.0.9",  "fd00::9",   "2001:db8::1"};
inline const std::vector<std::string> kNetworks = {
    "0.0.0.0/0",    "10.0.0.0/8",    "10.0.0.0/24", "10.0.0.2/32", "10.0.0.0/30", "192.0.2.1/32",
    "192.0.2.0/24", "172.16.0.0/12", "::/0",        "fd00::/16",   "fd00::/126",  "fd00::2/128"};
inline const std::vector<std::string> kNames = {"a.example", "b.example", "x.b.example"};
inline const std::vector<std::string> kPatterns = {"a.example", "*.example", "*.b.example"};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  const std::string& of(const std::vector<std::string>& list) {
    return list[below(static_cast<unsigned>(list.size()))];
  }

  kube::StringMap labels() {
    kube::StringMap out;
    for (auto key : {"app", "tier"}) {
      if (!one_in(3)) out[key] = one_in(2) ? "a" : "b";
    }
    return out;
  }
  kube::LabelSelector selector() {
    kube::LabelSelector out;
    if (one_in(3)) return out;
    if (one_in(2)) out.matchLabels[one_in(2) ? "app" : "tier"] = one_in(2) ? "a" : "b";
    if (one_in(2)) {
      auto& term = out.matchExpressions.emplace_back();
      term.key = one_in(2) ? "app" : "tier";
      term.operator_ = of({"In", "NotIn", "Exists", "DoesNotExist"});
      if (term.operator_.ends_with("In")) term.values = {one_in(2) ? "a" : "b"};
    }
    return out;
  }
  kube::NamespacedPod pods() {
    kube::NamespacedPod out;
    out.namespaceSelector = selector();
    out.podSelector = selector();
    return out;
  }
  void audit(kube::ObjectMeta& metadata) {
    if (one_in(4)) metadata.annotations["weft.dev/audit"] = one_in(4) ? "false" : "true";
  }

  kube::Pod pod() {
    kube::Pod out;
    out.metadata.namespace_ = of(kSpaces);
    out.metadata.name = "p" + std::to_string(below(4));
    out.metadata.uid = std::to_string(below(3));
    out.metadata.labels = labels();
    out.metadata.creationTimestamp = "2026-01-01T00:00:0" + std::to_string(below(10)) + "Z";
    if (one_in(6)) out.metadata.deletionTimestamp = "2026-01-02T00:00:00Z";
    out.spec.nodeName = of(kNodes);
    out.spec.hostNetwork = one_in(10);
    auto& container = out.spec.containers.emplace_back();
    for (unsigned i = below(3); i > 0; --i) {
      auto& port = container.ports.emplace_back();
      port.name = one_in(2) ? "web" : "dns";
      port.protocol = of(kProtocols);
      port.containerPort = static_cast<int32_t>(1 + below(5));
    }
    out.status.phase = one_in(10) ? of({"Succeeded", "Failed"}) : "Running";
    for (unsigned i = below(3); i > 0; --i) out.status.podIPs.emplace_back().ip = of(kAddresses);
    if (!out.status.podIPs.empty()) out.status.podIP = out.status.podIPs.front().ip;
    return out;
  }
  kube::Namespace space() {
    kube::Namespace out;
    out.metadata.name = of(kSpaces);
    out.metadata.labels = labels();
    audit(out.metadata);
    return out;
  }
  kube::Node node() {
    kube::Node out;
    out.metadata.name = of(kNodes);
    out.metadata.labels = labels();
    auto& address = out.status.addresses.emplace_back();
    address.type = "InternalIP";
    address.address = "172.16.0." + std::to_string(1 + below(3));
    return out;
  }

  kube::NetworkPolicyPort port() {
    kube::NetworkPolicyPort out;
    if (!one_in(3)) out.protocol = of(kProtocols);
    if (one_in(4)) return out;
    out.port.emplace();
    if (one_in(3)) {
      out.port->value = of(kPortNames);
      return out;
    }
    auto first = static_cast<int32_t>(1 + below(5));
    out.port->value = first;
    if (one_in(2)) out.endPort = first + static_cast<int32_t>(below(4));
    return out;
  }
  kube::NetworkPolicyPeer peer() {
    kube::NetworkPolicyPeer out;
    if (one_in(3)) {
      auto& block = out.ipBlock.emplace();
      block.cidr = of(kNetworks);
      for (unsigned i = below(3); i > 0; --i) {
        const auto& except = of(kNetworks);
        if (IpPrefix::parse(block.cidr)->contains(*IpPrefix::parse(except))) block.except.push_back(except);
      }
      return out;
    }
    unsigned kind = below(3);
    if (kind != 0) out.podSelector = selector();
    if (kind != 1) out.namespaceSelector = selector();
    return out;
  }
  kube::NetworkPolicy policy() {
    kube::NetworkPolicy out;
    out.metadata.namespace_ = of(kSpaces);
    out.metadata.name = "np" + std::to_string(below(3));
    audit(out.metadata);
    out.spec.podSelector = selector();
    if (!one_in(3)) out.spec.policyTypes.push_back("Ingress");
    if (!one_in(3)) out.spec.policyTypes.push_back("Egress");
    for (unsigned i = below(3); i > 0; --i) {
      auto& rule = out.spec.ingress.emplace_back();
      for (unsigned j = below(3); j > 0; --j) rule.from.push_back(peer());
      for (unsigned j = below(3); j > 0; --j) rule.ports.push_back(port());
    }
    for (unsigned i = below(3); i > 0; --i) {
      auto& rule = out.spec.egress.emplace_back();
      for (unsigned j = below(3); j > 0; --j) rule.to.push_back(peer());
      for (unsigned j = below(3); j > 0; --j) rule.ports.push_back(port());
    }
    return out;
  }

  std::vector<kube::ClusterNetworkPolicyProtocol> protocols() {
    std::vector<kube::ClusterNetworkPolicyProtocol> out;
    for (unsigned i = below(3); i > 0; --i) {
      auto& one = out.emplace_back();
      std::optional<kube::Port> port;
      if (!one_in(3)) {
        port.emplace();
        auto first = static_cast<int32_t>(1 + below(5));
        if (one_in(2)) {
          port->range.emplace();
          port->range->start = first;
          port->range->end = first + 1 + static_cast<int32_t>(below(4));
        } else {
          port->number = first;
        }
      }
      switch (below(4)) {
        case 0:
          one.tcp.emplace().destinationPort = port;
          break;
        case 1:
          one.udp.emplace().destinationPort = port;
          break;
        case 2:
          one.sctp.emplace().destinationPort = port;
          break;
        default:
          one.destinationNamedPort = of(kPortNames);
      }
    }
    return out;
  }
  template <class Peer>
  Peer cluster_peer() {
    Peer out;
    if constexpr (requires { out.networks; }) {
      switch (below(8)) {
        case 0:
          out.nodes = selector();
          return out;
        case 1:
        case 2:
          for (unsigned i = 1 + below(2); i > 0; --i) out.networks.push_back(of(kNetworks));
          return out;
        case 3:
          out.domainNames.push_back(of(kPatterns));
          return out;
        default:
          break;
      }
    }
    unsigned kind = below(12);
    if (kind == 0) return out;
    if (kind < 6)
      out.namespaces = selector();
    else
      out.pods = pods();
    return out;
  }
  kube::ClusterNetworkPolicy cluster_policy() {
    kube::ClusterNetworkPolicy out;
    out.metadata.name = "cnp" + std::to_string(below(4));
    audit(out.metadata);
    out.spec.tier = one_in(2) ? "Admin" : "Baseline";
    out.spec.priority = static_cast<int32_t>(below(3));
    if (one_in(2))
      out.spec.subject.namespaces = selector();
    else
      out.spec.subject.pods = pods();
    for (unsigned i = below(4); i > 0; --i) {
      auto& rule = out.spec.ingress.emplace_back();
      rule.action = of({"Accept", "Deny", "Pass"});
      for (unsigned j = 1 + below(2); j > 0; --j)
        rule.from.push_back(cluster_peer<kube::ClusterNetworkPolicyIngressPeer>());
      rule.protocols = protocols();
    }
    for (unsigned i = below(4); i > 0; --i) {
      auto& rule = out.spec.egress.emplace_back();
      rule.action = of({"Accept", "Deny", "Pass"});
      for (unsigned j = 1 + below(2); j > 0; --j)
        rule.to.push_back(cluster_peer<kube::ClusterNetworkPolicyEgressPeer>());
      rule.protocols = protocols();
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

}  // namespace weft::policy::test
