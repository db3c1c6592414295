#pragma once

/// For tests of this room: what policies mean, straight from the objects, rule by rule and without any
/// thought of speed. It shares nothing with the plan but the kinds.

#include <netinet/in.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "kube/cluster_network_policy.h"
#include "kube/config.h"
#include "kube/networking.h"
#include "kube/node.h"
#include "kube/pod.h"

namespace weft::policy::test {

/// All objects, by "NAMESPACE/NAME" or "NAME", and the addresses that names have.
struct Objects {
  std::map<std::string, kube::Pod> pods;
  std::map<std::string, kube::Namespace> namespaces;
  std::map<std::string, kube::NetworkPolicy> policies;
  std::map<std::string, kube::ClusterNetworkPolicy> cluster_policies;
  std::map<std::string, kube::Node> nodes;
  std::map<std::string, std::set<std::string>> names;
};

class Oracle {
 public:
  explicit Oracle(const Objects& objects) : all_(objects) {}

  static bool counts(const kube::Pod& pod) {
    return !pod.spec.hostNetwork && pod.status.phase != "Succeeded" && pod.status.phase != "Failed";
  }

  /// Whether a pod lets a connection in or out, by what it is told of the other end's address.
  bool allows(const kube::Pod& pod, bool ingress, const IpAddr& peer, int protocol, int port) const {
    auto decided = decide(pod, ingress, peer, protocol, port, all_in_audit(pod, ingress));
    return decided || all_in_audit(pod, ingress);
  }

  /// The pod that has the address now.
  const kube::Pod* owner(const IpAddr& address) const {
    const kube::Pod* best = nullptr;
    auto rank = [](const kube::Pod& pod) {
      return std::tuple(!pod.metadata.deletionTimestamp, pod.metadata.creationTimestamp,
                        pod.metadata.namespace_ + "/" + pod.metadata.name);
    };
    for (const auto& [key, pod] : all_.pods) {
      bool has =
          std::ranges::any_of(pod.status.podIPs, [&](const auto& ip) { return ip.ip == address.str(); });
      if (counts(pod) && has && (!best || rank(pod) > rank(*best))) best = &pod;
    }
    return best;
  }

 private:
  static bool audited(const kube::ObjectMeta& metadata) {
    auto at = metadata.annotations.find("weft.dev/audit");
    return at != metadata.annotations.end() && at->second == "true";
  }
  bool audited(const kube::NetworkPolicy& policy) const {
    auto space = all_.namespaces.find(policy.metadata.namespace_);
    return audited(policy.metadata) || (space != all_.namespaces.end() && audited(space->second.metadata));
  }

  static bool matches(const kube::LabelSelector& selector, const kube::StringMap& labels) {
    auto value = [&](const std::string& key) -> std::optional<std::string> {
      auto at = labels.find(key);
      return at == labels.end() ? std::nullopt : std::optional(at->second);
    };
    for (const auto& [key, wanted] : selector.matchLabels) {
      if (value(key) != wanted) return false;
    }
    for (const auto& term : selector.matchExpressions) {
      auto have = value(term.key);
      bool listed = have && std::ranges::count(term.values, *have) > 0;
      if (term.operator_ == "In" && !listed) return false;
      if (term.operator_ == "NotIn" && listed) return false;
      if (term.operator_ == "Exists" && !have) return false;
      if (term.operator_ == "DoesNotExist" && have) return false;
    }
    return true;
  }
  kube::StringMap labels_of_namespace(const std::string& name) const {
    auto at = all_.namespaces.find(name);
    return at == all_.namespaces.end() ? kube::StringMap{} : at->second.metadata.labels;
  }
  bool matches(const kube::NamespacedPod& selector, const kube::Pod& pod) const {
    return matches(selector.namespaceSelector, labels_of_namespace(pod.metadata.namespace_)) &&
           matches(selector.podSelector, pod.metadata.labels);
  }

  bool selects(const kube::NetworkPolicy& policy, bool ingress, const kube::Pod& pod) const {
    const auto& spec = policy.spec;
    bool has = spec.policyTypes.empty()
                   ? ingress || !spec.egress.empty()
                   : std::ranges::count(spec.policyTypes, ingress ? "Ingress" : "Egress") > 0;
    return has && policy.metadata.namespace_ == pod.metadata.namespace_ &&
           matches(spec.podSelector, pod.metadata.labels);
  }
  bool selects(const kube::ClusterNetworkPolicy& policy, const kube::Pod& pod) const {
    const auto& subject = policy.spec.subject;
    if (subject.namespaces) return matches(*subject.namespaces, labels_of_namespace(pod.metadata.namespace_));
    return subject.pods && matches(*subject.pods, pod);
  }

  bool all_in_audit(const kube::Pod& pod, bool ingress) const {
    bool any = false, enforced = false;
    for (const auto& [key, policy] : all_.policies) {
      if (selects(policy, ingress, pod)) (audited(policy) ? any : enforced) = true;
    }
    for (const auto& [key, policy] : all_.cluster_policies) {
      if (!selects(policy, pod)) continue;
      auto denies = [](const auto& rules) {
        return std::ranges::any_of(rules, [](const auto& rule) { return effect(rule) == "Deny"; });
      };
      if (ingress ? denies(policy.spec.ingress) : denies(policy.spec.egress))
        (audited(policy.metadata) ? any : enforced) = true;
    }
    return any && !enforced;
  }

  static bool known(const kube::ClusterNetworkPolicyIngressPeer& peer) {
    return peer.namespaces || peer.pods;
  }
  static bool known(const kube::ClusterNetworkPolicyEgressPeer& peer) {
    return peer.namespaces || peer.pods || peer.nodes || !peer.networks.empty() || !peer.domainNames.empty();
  }
  static const auto& peers_of(const kube::ClusterNetworkPolicyIngressRule& rule) { return rule.from; }
  static const auto& peers_of(const kube::ClusterNetworkPolicyEgressRule& rule) { return rule.to; }
  static bool beyond_us(const auto& rule) {
    bool names = false;
    if constexpr (requires { rule.to; })
      names = std::ranges::any_of(rule.to, [](const auto& peer) { return !peer.domainNames.empty(); });
    return (names && rule.action != "Accept") ||
           std::ranges::any_of(peers_of(rule), [](const auto& peer) { return !known(peer); });
  }
  /// What a rule comes to: "" if it matches nothing.
  static std::string effect(const auto& rule) {
    if (!beyond_us(rule)) return rule.action;
    return rule.action == "Accept" ? "" : "Deny";
  }

  bool in_block(const kube::IPBlock& block, const IpAddr& peer) const {
    if (!IpPrefix::parse(block.cidr)->contains(peer)) return false;
    return std::ranges::none_of(block.except,
                                [&](const auto& except) { return IpPrefix::parse(except)->contains(peer); });
  }
  bool is_peer(const kube::NetworkPolicyPeer& rule, const std::string& space, const IpAddr& peer) const {
    if (rule.ipBlock) return in_block(*rule.ipBlock, peer);
    const auto* pod = owner(peer);
    if (!pod || (rule.podSelector && !matches(*rule.podSelector, pod->metadata.labels))) return false;
    if (rule.namespaceSelector)
      return matches(*rule.namespaceSelector, labels_of_namespace(pod->metadata.namespace_));
    return pod->metadata.namespace_ == space;
  }
  bool is_peer(const auto& rule, const IpAddr& peer) const {
    const auto* pod = owner(peer);
    if (rule.namespaces)
      return pod && matches(*rule.namespaces, labels_of_namespace(pod->metadata.namespace_));
    if (rule.pods) return pod && matches(*rule.pods, *pod);
    if constexpr (requires { rule.networks; }) {
      if (rule.nodes) {
        return std::ranges::any_of(all_.nodes, [&](const auto& node) {
          return matches(*rule.nodes, node.second.metadata.labels) &&
                 std::ranges::any_of(node.second.status.addresses,
                                     [&](const auto& address) { return address.address == peer.str(); });
        });
      }
      if (!rule.networks.empty()) {
        return std::ranges::any_of(
            rule.networks, [&](const auto& network) { return IpPrefix::parse(network)->contains(peer); });
      }
      return std::ranges::any_of(rule.domainNames, [&](const auto& name) { return has_name(peer, name); });
    }
    return false;
  }
  bool has_name(const IpAddr& peer, const std::string& wanted) const {
    for (const auto& [name, addresses] : all_.names) {
      bool means = wanted.starts_with("*.") ? name.ends_with(wanted.substr(1)) : name == wanted;
      if (means && addresses.contains(peer.str())) return true;
    }
    return false;
  }

  static int number(const std::string& protocol) {
    if (protocol == "UDP") return IPPROTO_UDP;
    return protocol == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP;
  }
  /// `wanted`: 0 for any protocol.
  static bool has_port(const kube::Pod* pod, const std::string& name, int wanted, int protocol, int port) {
    if (!pod) return false;
    for (const auto& container : pod->spec.containers) {
      for (const auto& have : container.ports) {
        if (have.name == name && have.containerPort == port && number(have.protocol) == protocol &&
            (wanted == 0 || wanted == protocol))
          return true;
      }
    }
    return false;
  }
  static bool is_port(const std::vector<kube::NetworkPolicyPort>& ports, const kube::Pod* destination,
                      int protocol, int port) {
    if (ports.empty()) return true;
    return std::ranges::any_of(ports, [&](const auto& rule) {
      int wanted = number(rule.protocol.value_or("TCP"));
      if (!rule.port) return wanted == protocol;
      if (!rule.port->is_int()) return has_port(destination, rule.port->str(), wanted, protocol, port);
      return wanted == protocol && port >= rule.port->number() &&
             port <= rule.endPort.value_or(rule.port->number());
    });
  }
  static bool is_port(const std::vector<kube::ClusterNetworkPolicyProtocol>& ports,
                      const kube::Pod* destination, int protocol, int port) {
    if (ports.empty()) return true;
    auto of = [&](const auto& rule, int wanted) {
      if (!rule || wanted != protocol) return false;
      if (!rule->destinationPort) return true;
      const auto& at = *rule->destinationPort;
      return at.range ? port >= at.range->start && port <= at.range->end : port == at.number;
    };
    return std::ranges::any_of(ports, [&](const auto& rule) {
      return of(rule.tcp, IPPROTO_TCP) || of(rule.udp, IPPROTO_UDP) || of(rule.sctp, IPPROTO_SCTP) ||
             (!rule.destinationNamedPort.empty() &&
              has_port(destination, rule.destinationNamedPort, 0, protocol, port));
    });
  }

  /// "Accept", "Deny" or "" of a tier.
  std::string ask_tier(const std::string& tier, const kube::Pod& pod, bool ingress, const IpAddr& peer,
                       int protocol, int port, bool audit) const {
    std::vector<const kube::ClusterNetworkPolicy*> policies;
    for (const auto& [name, policy] : all_.cluster_policies) {
      if (policy.spec.tier == tier && selects(policy, pod)) policies.push_back(&policy);
    }
    std::ranges::sort(policies, {}, [](const auto* policy) {
      return std::tie(policy->spec.priority, policy->metadata.name);
    });
    for (const auto* policy : policies) {
      auto ask = [&](const auto& rules) -> std::string {
        for (const auto& rule : rules) {
          auto action = effect(rule);
          if (action.empty() || (action == "Deny" && audited(policy->metadata) && !audit)) continue;
          bool fits =
              beyond_us(rule) ||
              (std::ranges::any_of(peers_of(rule), [&](const auto& at) { return is_peer(at, peer); }) &&
               is_port(rule.protocols, ingress ? &pod : owner(peer), protocol, port));
          if (fits) return action;
        }
        return "";
      };
      auto action = ingress ? ask(policy->spec.ingress) : ask(policy->spec.egress);
      if (!action.empty()) return action == "Pass" ? "" : action;
    }
    return "";
  }

  bool decide(const kube::Pod& pod, bool ingress, const IpAddr& peer, int protocol, int port,
              bool audit) const {
    auto admin = ask_tier("Admin", pod, ingress, peer, protocol, port, audit);
    if (!admin.empty()) return admin == "Accept";
    bool isolated = false;
    for (const auto& [key, policy] : all_.policies) {
      if (!selects(policy, ingress, pod)) continue;
      if (audit || !audited(policy)) isolated = true;
      auto allows = [&](const auto& rule, const auto& peers) {
        bool fits = peers.empty() || std::ranges::any_of(peers, [&](const auto& at) {
                      return is_peer(at, policy.metadata.namespace_, peer);
                    });
        return fits && is_port(rule.ports, ingress ? &pod : owner(peer), protocol, port);
      };
      if (ingress ? std::ranges::any_of(policy.spec.ingress,
                                        [&](const auto& rule) { return allows(rule, rule.from); })
                  : std::ranges::any_of(policy.spec.egress,
                                        [&](const auto& rule) { return allows(rule, rule.to); }))
        return true;
    }
    if (isolated) return false;
    return ask_tier("Baseline", pod, ingress, peer, protocol, port, audit) != "Deny";
  }

  const Objects& all_;
};

}  // namespace weft::policy::test
