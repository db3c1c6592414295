#include <netinet/in.h>

#include <algorithm>

#include "policy/policy_builder.h"

namespace weft::policy {
namespace {

/// One NetworkPolicy on its way to a Policy.
class Compiler {
 public:
  explicit Compiler(const kube::NetworkPolicy& source)
      : source_(source), builder_(source.metadata, Tier::network_policy) {}

  PolicyPtr run() {
    auto& policy = builder_.policy;
    const auto& spec = source_.spec;
    if (auto pods = builder_.selector(spec.podSelector, "spec.podSelector"))
      policy.pods = std::move(*pods);
    else
      policy.selects = false;
    auto names = [&](std::string_view type) { return std::ranges::count(spec.policyTypes, type) > 0; };
    bool unsaid = spec.policyTypes.empty();
    policy.isolates[WEFT_INGRESS] = unsaid || names("Ingress");
    policy.isolates[WEFT_EGRESS] = unsaid ? !spec.egress.empty() : names("Egress");
    for (uint32_t i = 0; policy.isolates[WEFT_INGRESS] && i < spec.ingress.size(); ++i)
      add(Direction::ingress, i, spec.ingress[i].from, "from", spec.ingress[i].ports);
    for (uint32_t i = 0; policy.isolates[WEFT_EGRESS] && i < spec.egress.size(); ++i)
      add(Direction::egress, i, spec.egress[i].to, "to", spec.egress[i].ports);
    return builder_.finish();
  }

 private:
  void add(Direction direction, uint32_t index, const std::vector<kube::NetworkPolicyPeer>& peers,
           std::string_view peers_field, const std::vector<kube::NetworkPolicyPort>& ports) {
    auto field = "spec." + std::string(name_of(direction)) + "[" + std::to_string(index) + "].";
    Rule rule{.index = index};
    rule.everyone = peers.empty();
    for (size_t i = 0; i < peers.size(); ++i) {
      auto matcher = peer(peers[i], field + std::string(peers_field) + "[" + std::to_string(i) + "]");
      if (matcher) rule.peers.push_back(std::move(matcher));
    }
    if (ports.empty()) rule.ports.push_back({});
    for (size_t i = 0; i < ports.size(); ++i)
      add_port(rule, ports[i], field + "ports[" + std::to_string(i) + "]");
    builder_.add(direction, std::move(rule));
  }

  MatcherPtr peer(const kube::NetworkPolicyPeer& peer, const std::string& field) {
    bool has_selector = peer.podSelector || peer.namespaceSelector;
    if (peer.ipBlock.has_value() == has_selector) {
      builder_.warn(field, "either ipBlock or selectors are expected; it matches nothing");
      return nullptr;
    }
    if (peer.ipBlock) return block(*peer.ipBlock, field + ".ipBlock");
    auto pods = builder_.selector(peer.podSelector.value_or(kube::LabelSelector{}), field + ".podSelector");
    if (!pods) return nullptr;
    if (!peer.namespaceSelector) return pods_of(source_.metadata.namespace_, std::move(*pods));
    auto namespaces = builder_.selector(*peer.namespaceSelector, field + ".namespaceSelector");
    return namespaces ? pods_of(std::move(*namespaces), std::move(*pods)) : nullptr;
  }

  /// An exception that cannot be understood takes the whole block with it: without it more would be allowed
  /// than was meant.
  MatcherPtr block(const kube::IPBlock& block, const std::string& field) {
    auto network = builder_.network(block.cidr, field + ".cidr");
    std::vector<IpPrefix> except;
    for (size_t i = 0; i < block.except.size(); ++i) {
      auto part = builder_.network(block.except[i], field + ".except[" + std::to_string(i) + "]");
      if (!part) return nullptr;
      except.push_back(*part);
    }
    return network ? addresses_of(*network, std::move(except)) : nullptr;
  }

  void add_port(Rule& rule, const kube::NetworkPolicyPort& port, const std::string& field) {
    auto protocol = protocol_number(port.protocol.value_or("TCP"));
    if (!protocol) {
      builder_.warn(field + ".protocol", "TCP, UDP or SCTP is expected; it matches nothing");
      return;
    }
    if (!port.port) {
      rule.ports.push_back({.protocol = *protocol});
    } else if (port.port->is_int()) {
      int64_t first = port.port->number();
      if (auto range = builder_.ports(*protocol, first, port.endPort.value_or(first), field))
        rule.ports.push_back(*range);
    } else if (port.endPort) {
      builder_.warn(field + ".endPort", "a range begins with a number, not a name; it matches nothing");
    } else {
      rule.names.push_back({port.port->str(), *protocol});
    }
  }

  const kube::NetworkPolicy& source_;
  PolicyBuilder builder_;
};

}  // namespace

PolicyPtr compile(const kube::NetworkPolicy& policy) { return Compiler(policy).run(); }

}  // namespace weft::policy
