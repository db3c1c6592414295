#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "check/context.h"
#include "kube/codec.h"
#include "kube/networking.h"
#include "kube/selector.h"
#include "policy/peer.h"
#include "trace/hints.h"

namespace weft::check {
namespace {

std::string key_of(const kube::Pod& pod) { return trace::key_of(pod.metadata.namespace_, pod.metadata.name); }

bool matches(const kube::LabelSelector& selector, const kube::StringMap& labels) {
  auto parsed = kube::Selector::from(selector);
  return parsed && parsed->matches(labels);
}

Pods matching(const Pods& pods, const kube::LabelSelector& selector) {
  Pods out;
  if (auto parsed = kube::Selector::from(selector))
    std::ranges::copy_if(pods, std::back_inserter(out),
                         [&](const auto& pod) { return parsed->matches(pod->metadata.labels); });
  return out;
}

std::string text_of(const kube::LabelSelector& selector) {
  auto parsed = kube::Selector::from(selector);
  return parsed ? parsed->str() : std::string();
}

std::string upper_protocol(const kube::NetworkPolicyPort& port) { return port.protocol.value_or("TCP"); }

uint8_t protocol_number(const std::string& protocol) {
  if (protocol == "UDP") return IPPROTO_UDP;
  return protocol == "SCTP" ? IPPROTO_SCTP : IPPROTO_TCP;
}

/// One rule of a policy, in whichever direction.
struct RuleView {
  bool ingress;
  size_t index;
  const std::vector<kube::NetworkPolicyPeer>& peers;
  const std::vector<kube::NetworkPolicyPort>& ports;
  std::string field() const { return fmt::format("spec.{}[{}]", ingress ? "ingress" : "egress", index); }
  const char* peers_name() const { return ingress ? "from" : "to"; }
};

class PolicyCheck {
 public:
  PolicyCheck(const Context& context, std::string key, const kube::NetworkPolicy& policy)
      : context_(context),
        key_(std::move(key)),
        policy_(policy),
        selected_(matching(context.pods.in(policy.metadata.namespace_), policy.spec.podSelector)) {}

  void run() {
    if (selected_.empty()) selects_nobody();
    for (size_t i = 0; i < policy_.spec.ingress.size(); ++i)
      check_rule({true, i, policy_.spec.ingress[i].from, policy_.spec.ingress[i].ports});
    for (size_t i = 0; i < policy_.spec.egress.size(); ++i)
      check_rule({false, i, policy_.spec.egress[i].to, policy_.spec.egress[i].ports});
  }

 private:
  trace::ObjectRef at(const std::string& part) const {
    return context_.world.origins.find("NetworkPolicy", key_, part);
  }

  void selects_nobody() const {
    const auto& selector = policy_.spec.podSelector;
    if (is_foreign(policy_.metadata.namespace_, selector)) return;
    auto near = nearest(context_, context_.pods.kinds_in(policy_.metadata.namespace_), selector.matchLabels);
    if (near.owner.empty()) return;
    context_.add("WEFT0118", Severity::error, at("spec.podSelector"),
                 fmt::format("it selects nobody: no pod of namespace {} is {}; {} has {}",
                             policy_.metadata.namespace_, text_of(selector), near.owner, near.has),
                 "Align the labels");
  }

  bool is_foreign(const std::string& ns, const kube::LabelSelector& selector) const {
    auto parsed = kube::Selector::from(selector);
    return parsed && context_.has_foreign(ns, *parsed);
  }

  /// Namespaces in which the peer may have pods.
  std::vector<std::string> namespaces_of(const kube::NetworkPolicyPeer& peer) const {
    if (!peer.namespaceSelector) return {policy_.metadata.namespace_};
    std::vector<std::string> out;
    for (const auto& [name, ns] : context_.world.namespaces) {
      if (matches(*peer.namespaceSelector, ns->metadata.labels)) out.push_back(name);
    }
    return out;
  }

  /// Pods that are meant by the peer.
  Pods pods_of(const kube::NetworkPolicyPeer& peer) const {
    Pods out;
    if (peer.ipBlock) return out;
    for (const auto& ns : namespaces_of(peer)) {
      const auto& all = context_.pods.in(ns);
      std::ranges::move(peer.podSelector ? matching(all, *peer.podSelector) : all, std::back_inserter(out));
    }
    return out;
  }

  void check_rule(const RuleView& rule) const {
    for (size_t i = 0; i < rule.peers.size(); ++i) {
      const auto& peer = rule.peers[i];
      auto field = fmt::format("{}.{}[{}]", rule.field(), rule.peers_name(), i);
      check_block(peer, field);
      auto pods = pods_of(peer);
      if (pods.empty())
        is_nobody(rule, i, field);
      else if (peer.podSelector)
        check_other_end(rule, pods, field);
    }
    for (size_t i = 0; i < rule.ports.size(); ++i) check_port(rule, i);
  }

  /// Services are translated before policies see a packet.
  void check_block(const kube::NetworkPolicyPeer& peer, const std::string& field) const {
    if (!peer.ipBlock) return;
    auto block = IpPrefix::parse(peer.ipBlock->cidr);
    if (!block || block->length < (block->addr.is_v4() ? 24 : 112)) return;
    for (const auto& [key, service] : context_.world.services) {
      auto address = IpAddr::parse(service->spec.clusterIP);
      if (!address || !block->contains(*address) || !context_.is_written("Service", key)) continue;
      return context_.add("WEFT0119", Severity::error, at(field + ".ipBlock"),
                          fmt::format("{} is about Service {}'s address {}: policies see the pods behind it",
                                      peer.ipBlock->cidr, key, address->str()),
                          "Name the pods by podSelector");
    }
  }

  void is_nobody(const RuleView& rule, size_t index, const std::string& field) const {
    const auto& peer = rule.peers[index];
    if (!peer.podSelector) return;
    if (!peer.namespaceSelector && confused(rule, index, field)) return;
    Pods around;
    for (const auto& ns : namespaces_of(peer)) {
      if (is_foreign(ns, *peer.podSelector)) return;
      std::ranges::copy(context_.pods.kinds_in(ns), std::back_inserter(around));
    }
    auto near = nearest(context_, around, peer.podSelector->matchLabels);
    if (near.owner.empty()) return;
    context_.add("WEFT0118", Severity::error, at(field + ".podSelector"),
                 fmt::format("nobody is {}; {} has {}", text_of(*peer.podSelector), near.owner, near.has),
                 "Align the labels");
  }

  /// Two items of a list, where one with both selectors was meant.
  bool confused(const RuleView& rule, size_t index, const std::string& field) const {
    for (size_t other = 0; other < rule.peers.size(); ++other) {
      const auto& peer = rule.peers[other];
      if (other + 1 != index && other != index + 1) continue;
      if (!peer.namespaceSelector || peer.podSelector) continue;
      auto both = rule.peers[index];
      both.namespaceSelector = peer.namespaceSelector;
      auto pods = pods_of(both);
      if (pods.empty()) continue;
      context_.add(
          "WEFT0118", Severity::error, at(field),
          fmt::format("as an item of its own it means pods of namespace {}, and there nobody is {}; the item "
                      "beside it lets in all pods of its namespaces",
                      policy_.metadata.namespace_, text_of(*rule.peers[index].podSelector)),
          fmt::format("If {} is meant: put both selectors into one item (without the second dash)",
                      context_.pods.owner_of(*pods.front())));
      return true;
    }
    return false;
  }

  /// A rule may be about the port of a Service, where the pods' is another.
  void check_port(const RuleView& rule, size_t index) const {
    const auto& port = rule.ports[index];
    if (!port.port || !port.port->is_int() || port.endPort) return;
    Pods targets = rule.ingress ? selected_ : Pods{};
    if (!rule.ingress) {
      for (const auto& peer : rule.peers) std::ranges::move(pods_of(peer), std::back_inserter(targets));
    }
    for (const auto& pod : targets) {
      if (has_port(*pod, port.port->number())) return check_protocol(rule, index, targets);
    }
    for (const auto& pod : targets) {
      for (const auto& service : context_.pods.services_of(*pod)) {
        if (is_port_of_service(rule, index, *service, *pod)) return;
      }
    }
  }

  /// TCP is meant where nothing is said.
  void check_protocol(const RuleView& rule, size_t index, const Pods& targets) const {
    auto number = rule.ports[index].port->number();
    auto names = [&](const std::string& protocol) {
      return std::ranges::any_of(rule.ports, [&](const kube::NetworkPolicyPort& port) {
        return upper_protocol(port) == protocol && port.port && port.port->is_int() &&
               port.port->number() == number;
      });
    };
    const kube::ContainerPort* other = nullptr;
    const kube::Pod* whose = nullptr;
    for (const auto& pod : targets) {
      for (const auto& container : pod->spec.containers) {
        for (const auto& port : container.ports) {
          if (port.containerPort != number) continue;
          if (names(protocol_or_tcp(port.protocol))) return;
          other = &port;
          whose = pod.get();
        }
      }
    }
    if (!other) return;
    context_.add(
        "WEFT0106", Severity::warning, at(fmt::format("{}.ports[{}]", rule.field(), index)),
        fmt::format("it is about {} port {}; {} has {} port {}", upper_protocol(rule.ports[index]), number,
                    context_.pods.owner_of(*whose), protocol_or_tcp(other->protocol), number),
        fmt::format("Name protocol: {}", protocol_or_tcp(other->protocol)));
  }

  bool is_port_of_service(const RuleView& rule, size_t index, const kube::Service& service,
                          const kube::Pod& pod) const {
    auto key = trace::key_of(service.metadata.namespace_, service.metadata.name);
    if (!context_.is_written("Service", key)) return false;
    for (const auto& way : service.spec.ports) {
      if (way.port != rule.ports[index].port->number() || leads_to(way, way.port)) continue;
      context_.add(
          "WEFT0119", Severity::error, at(fmt::format("{}.ports[{}]", rule.field(), index)),
          fmt::format("{} is the port of Service {}; it leads to port {} of {}, and policies are about that",
                      way.port, key, way.targetPort.str(), context_.pods.owner_of(pod)),
          fmt::format("Name port {}", way.targetPort.str()));
      return true;
    }
    return false;
  }

  static bool leads_to(const kube::ServicePort& port, int32_t number) {
    if (!port.targetPort.is_int()) return false;
    return port.targetPort.number() == 0 || port.targetPort.number() == number;
  }

  static bool has_port(const kube::Pod& pod, int32_t number) {
    return std::ranges::any_of(pod.spec.containers, [&](const kube::Container& container) {
      return std::ranges::any_of(
          container.ports, [&](const kube::ContainerPort& port) { return port.containerPort == number; });
    });
  }

  /// What this rule allows on purpose, other policies may deny at the other end.
  void check_other_end(const RuleView& rule, const Pods& peers, const std::string& field) const {
    if (selected_.empty() || key_of(*selected_.front()) == key_of(*peers.front())) return;
    const auto& from = rule.ingress ? *peers.front() : *selected_.front();
    const auto& to = rule.ingress ? *selected_.front() : *peers.front();
    std::vector<std::pair<uint8_t, uint16_t>> ports;
    for (const auto& port : rule.ports) {
      if (port.port && port.port->is_int())
        ports.emplace_back(protocol_number(upper_protocol(port)), port.port->number());
    }
    if (rule.ports.empty()) {
      for (const auto& container : to.spec.containers) {
        for (const auto& port : container.ports)
          ports.emplace_back(protocol_number(port.protocol), port.containerPort);
      }
    }
    for (auto [protocol, port] : ports) {
      auto verdict = context_.world.policies.evaluate({.pod = key_of(from), .address = {}},
                                                      {.pod = key_of(to), .address = {}}, protocol, port);
      if (!verdict || verdict->allowed) continue;
      const auto& here = rule.ingress ? verdict->ingress : verdict->egress;
      const auto& there = rule.ingress ? verdict->egress : verdict->ingress;
      if (!here || !here->allowed || !there || there->allowed) continue;
      return context_.add("WEFT0117", Severity::warning, at(field),
                          fmt::format("it allows {} to reach {} at {} {}, but at the other end {}",
                                      context_.pods.owner_of(from), context_.pods.owner_of(to),
                                      trace::protocol_text(protocol), port, there->why),
                          fmt::format("Allow it there too, in {}", rule.ingress ? "egress" : "ingress"));
    }
  }

  const Context& context_;
  const std::string key_;
  const kube::NetworkPolicy& policy_;
  Pods selected_;
};

bool may_be_dns(const kube::NetworkPolicyPort& port) {
  if (upper_protocol(port) != "UDP") return false;
  if (!port.port) return true;
  if (!port.port->is_int()) return port.port->str().find("dns") != std::string::npos;
  return port.port->number() <= 53 && port.endPort.value_or(port.port->number()) >= 53;
}

/// The cluster's DNS is in kube-system; what labels that has no manifest needs to say.
bool may_be_dns(const kube::NetworkPolicyPeer& peer, const std::string& ns) {
  if (peer.ipBlock) return true;
  if (!peer.namespaceSelector) return ns == policy::kDnsNamespace;
  const auto& labels = peer.namespaceSelector->matchLabels;
  auto name = labels.find("kubernetes.io/metadata.name");
  return name == labels.end() || name->second == policy::kDnsNamespace;
}

bool may_reach_dns(const kube::NetworkPolicyEgressRule& rule, const std::string& ns) {
  if (!rule.ports.empty())
    return std::ranges::any_of(rule.ports, [](const auto& port) { return may_be_dns(port); });
  return rule.to.empty() ||
         std::ranges::any_of(rule.to, [&](const auto& peer) { return may_be_dns(peer, ns); });
}

/// A policy of a manifest, as an API server would complete it.
struct Policy {
  std::string key;
  kube::NetworkPolicy object;
};

/// What a policy lets the pods that it selects send.
struct Egress {
  const Policy* policy;
  kube::Selector selector;
  bool dns = false;
};

/// Of those that allow anything, by namespace.
std::map<std::string, std::vector<Egress>> egress_of(const std::vector<Policy>& policies) {
  std::map<std::string, std::vector<Egress>> out;
  for (const auto& policy : policies) {
    const auto& spec = policy.object.spec;
    if (std::ranges::count(spec.policyTypes, "Egress") == 0 || spec.egress.empty()) continue;
    auto selector = kube::Selector::from(spec.podSelector);
    if (!selector) continue;
    const auto& ns = policy.object.metadata.namespace_;
    bool dns = std::ranges::any_of(spec.egress, [&](const auto& rule) { return may_reach_dns(rule, ns); });
    out[ns].push_back({&policy, std::move(*selector), dns});
  }
  return out;
}

/// Policies that let a pod ask others by name, and not the one who knows names.
void check_dns(const Context& context, const std::vector<Policy>& policies) {
  for (const auto& [ns, all] : egress_of(policies)) {
    for (const auto& pod : context.pods.kinds_in(ns)) {
      const Egress* first = nullptr;
      bool dns = false;
      for (const auto& egress : all) {
        if (dns || !egress.selector.matches(pod->metadata.labels)) continue;
        first = first ? first : &egress;
        dns = egress.dns;
      }
      if (!first || dns) continue;
      context.add(
          "WEFT0116", Severity::warning,
          context.world.origins.find("NetworkPolicy", first->policy->key, "spec.egress"),
          fmt::format(
              "{} may reach others, but nobody by name: no rule allows UDP port 53 of the cluster's DNS",
              context.pods.owner_of(*pod)),
          "Allow UDP and TCP port 53 to the cluster's DNS");
    }
  }
}

}  // namespace

void check_policies(const Context& context) {
  std::vector<Policy> policies;
  for (const auto& document : context.manifests) {
    if (kube::string_at(document.value, "kind") != "NetworkPolicy") continue;
    auto policy = kube::decode<kube::NetworkPolicy>(document.value);
    if (!policy) continue;  // told already
    auto& meta = policy->metadata;
    if (meta.namespace_.empty()) meta.namespace_ = "default";
    if (policy->spec.policyTypes.empty()) {
      policy->spec.policyTypes = {"Ingress"};
      if (!policy->spec.egress.empty()) policy->spec.policyTypes.emplace_back("Egress");
    }
    policies.push_back({trace::key_of(meta.namespace_, meta.name), std::move(*policy)});
  }
  for (const auto& policy : policies) PolicyCheck(context, policy.key, policy.object).run();
  check_dns(context, policies);
}

}  // namespace weft::check
