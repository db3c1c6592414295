#include <netinet/in.h>

#include "policy/policy_builder.h"

namespace weft::policy {
namespace {

/// One ClusterNetworkPolicy on its way to a Policy.
class Compiler {
 public:
  explicit Compiler(const kube::ClusterNetworkPolicy& source)
      : source_(source),
        builder_(source.metadata, source.spec.tier == "Baseline" ? Tier::baseline : Tier::admin) {}

  PolicyPtr run() {
    const auto& spec = source_.spec;
    builder_.policy.priority = spec.priority;
    add_subject(spec.subject);
    if (spec.tier != "Admin" && spec.tier != "Baseline") {
      builder_.warn("spec.tier", "Admin or Baseline is expected; the policy is not enforced");
      builder_.policy.selects = false;
    }
    for (uint32_t i = 0; i < spec.ingress.size(); ++i)
      add(Direction::ingress, i, spec.ingress[i], spec.ingress[i].from, "from");
    for (uint32_t i = 0; i < spec.egress.size(); ++i)
      add(Direction::egress, i, spec.egress[i], spec.egress[i].to, "to");
    return builder_.finish();
  }

 private:
  void add_subject(const kube::ClusterNetworkPolicySubject& subject) {
    auto& policy = builder_.policy;
    std::optional<kube::Selector> namespaces, pods;
    if (subject.namespaces) {
      namespaces = builder_.selector(*subject.namespaces, "spec.subject.namespaces");
      pods = kube::Selector();
    } else if (subject.pods) {
      namespaces = builder_.selector(subject.pods->namespaceSelector, "spec.subject.pods.namespaceSelector");
      pods = builder_.selector(subject.pods->podSelector, "spec.subject.pods.podSelector");
    } else {
      builder_.warn("spec.subject", "namespaces or pods is expected; the policy selects nothing");
    }
    policy.selects = namespaces && pods;
    if (!policy.selects) return;
    policy.namespaces = std::move(namespaces);
    policy.pods = std::move(*pods);
  }

  template <class Source, class Peer>
  void add(Direction direction, uint32_t index, const Source& source, const std::vector<Peer>& peers,
           std::string_view peers_field) {
    auto field = "spec." + std::string(name_of(direction)) + "[" + std::to_string(index) + "]";
    Rule rule{.index = index, .name = source.name, .action = action(source.action, field)};
    bool known = true;
    for (size_t i = 0; i < peers.size(); ++i) {
      auto at = field + "." + std::string(peers_field) + "[" + std::to_string(i) + "]";
      if (!add_peer(rule, peers[i], at)) known = false;
    }
    if (source.protocols.empty()) rule.ports.push_back({});
    for (size_t i = 0; i < source.protocols.size(); ++i) {
      if (!add_protocol(rule, source.protocols[i], field + ".protocols[" + std::to_string(i) + "]"))
        known = false;
    }
    if (known) {
      builder_.add(direction, std::move(rule));
    } else if (rule.action != Action::accept) {
      builder_.add(direction, {.index = index,
                               .name = source.name,
                               .action = Action::deny,
                               .everyone = true,
                               .peers = {},
                               .ports = {Ports{}},
                               .names = {}});
    }
  }

  Action action(const std::string& name, const std::string& field) {
    if (name == "Accept") return Action::accept;
    if (name == "Pass") return Action::pass;
    if (name != "Deny") builder_.warn(field + ".action", "Accept, Deny or Pass is expected; it denies");
    return Action::deny;
  }

  /// False when the peer is beyond us; so for the other two.
  template <class Peer>
  bool add_pods(Rule& rule, const Peer& peer, const std::string& field) {
    std::optional<kube::Selector> namespaces, pods;
    if (peer.namespaces) {
      namespaces = builder_.selector(*peer.namespaces, field + ".namespaces");
      pods = kube::Selector();
    } else {
      namespaces = builder_.selector(peer.pods->namespaceSelector, field + ".pods.namespaceSelector");
      pods = builder_.selector(peer.pods->podSelector, field + ".pods.podSelector");
    }
    if (!namespaces || !pods) return false;
    rule.peers.push_back(pods_of(std::move(*namespaces), std::move(*pods)));
    return true;
  }

  bool unknown_peer(const Rule& rule, const std::string& field) {
    builder_.warn(field, rule.action == Action::accept
                             ? "this kind of peer is not known; the rule matches nothing"
                             : "this kind of peer is not known; the rule denies all");
    return false;
  }

  bool add_peer(Rule& rule, const kube::ClusterNetworkPolicyIngressPeer& peer, const std::string& field) {
    if (peer.namespaces || peer.pods) return add_pods(rule, peer, field);
    return unknown_peer(rule, field);
  }

  bool add_peer(Rule& rule, const kube::ClusterNetworkPolicyEgressPeer& peer, const std::string& field) {
    if (peer.namespaces || peer.pods) return add_pods(rule, peer, field);
    if (peer.nodes) {
      auto labels = builder_.selector(*peer.nodes, field + ".nodes");
      if (!labels) return false;
      rule.peers.push_back(nodes_with(std::move(*labels)));
      builder_.policy.nodes.push_back(rule.peers.back());
      return true;
    }
    if (!peer.networks.empty()) return add_networks(rule, peer.networks, field + ".networks");
    if (!peer.domainNames.empty()) return add_domains(rule, peer.domainNames, field + ".domainNames");
    return unknown_peer(rule, field);
  }

  bool add_networks(Rule& rule, const std::vector<std::string>& networks, const std::string& field) {
    for (size_t i = 0; i < networks.size(); ++i) {
      auto network = builder_.network(networks[i], field + "[" + std::to_string(i) + "]");
      if (!network) return false;
      rule.peers.push_back(addresses_of(*network, {}));
    }
    return true;
  }

  bool add_domains(Rule& rule, const std::vector<std::string>& names, const std::string& field) {
    if (rule.action != Action::accept) {
      builder_.warn(field, "only rules that accept can go by names; the rule denies all");
      return false;
    }
    for (const auto& name : names) {
      rule.peers.push_back(addresses_named(domain_name(name)));
      builder_.policy.domains.push_back(rule.peers.back()->name);
    }
    return true;
  }

  bool add_protocol(Rule& rule, const kube::ClusterNetworkPolicyProtocol& protocol,
                    const std::string& field) {
    if (protocol.tcp) return add_ports(rule, IPPROTO_TCP, protocol.tcp->destinationPort, field + ".tcp");
    if (protocol.udp) return add_ports(rule, IPPROTO_UDP, protocol.udp->destinationPort, field + ".udp");
    if (protocol.sctp) return add_ports(rule, IPPROTO_SCTP, protocol.sctp->destinationPort, field + ".sctp");
    if (!protocol.destinationNamedPort.empty()) {
      rule.names.push_back({protocol.destinationNamedPort, 0});
      return true;
    }
    builder_.warn(field, rule.action == Action::accept
                             ? "this kind of match is not known; the rule matches nothing"
                             : "this kind of match is not known; the rule denies all");
    return false;
  }

  bool add_ports(Rule& rule, uint8_t protocol, const std::optional<kube::Port>& port,
                 const std::string& field) {
    if (!port) {
      rule.ports.push_back({.protocol = protocol});
      return true;
    }
    int64_t first = port->range ? port->range->start : port->number;
    int64_t last = port->range ? port->range->end : port->number;
    auto range = builder_.ports(protocol, first, last, field + ".destinationPort");
    if (range) rule.ports.push_back(*range);
    return range.has_value();
  }

  const kube::ClusterNetworkPolicy& source_;
  PolicyBuilder builder_;
};

}  // namespace

PolicyPtr compile(const kube::ClusterNetworkPolicy& policy) { return Compiler(policy).run(); }

}  // namespace weft::policy
