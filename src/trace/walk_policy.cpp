#include <fmt/core.h>

#include <tuple>

#include "policy/reason.h"
#include "trace/hints.h"
#include "trace/walk.h"

/// What policies say of a connection: read off the plan that nodes enforce.
namespace weft::trace {
namespace {

std::string name_of(const World& world, const policy::Party& party) {
  if (!party.pod.empty()) return "Pod " + party.pod;
  if (!party.address) return "?";
  if (auto node = world.node_at.find(*party.address); node != world.node_at.end())
    return fmt::format("Node {} ({})", node->second, party.address->str());
  return party.address->str();
}

}  // namespace

policy::Party Walk::party(const IpAddr& peer) const {
  return {.pod = source_.pod, .address = source_.address_for(peer)};
}

std::vector<ObjectRef> refs_of(const World& world, const policy::Reason& reason) {
  std::vector<ObjectRef> out;
  auto kind_of = [](const std::string& key) {
    return key.contains('/') ? "NetworkPolicy" : "ClusterNetworkPolicy";
  };
  for (const auto& rule : reason.rules)
    out.push_back(world.origins.find(kind_of(rule.policy), rule.policy,
                                     fmt::format("spec.{}[{}]", name_of(reason.direction), rule.index)));
  if (reason.rules.empty()) {
    for (const auto& key : reason.policies) out.push_back(world.origins.find(kind_of(key), key));
  }
  return out;
}

/// As a peer of a NetworkPolicy would name it.
std::string Walk::describe_peer(const policy::Party& peer, uint16_t port) const {
  if (auto at = world_.pods.find(peer.pod); at != world_.pods.end() && !at->second->spec.hostNetwork)
    return fmt::format(
        "{}namespaceSelector {{kubernetes.io/metadata.name={}}}",
        at->second->metadata.labels.empty()
            ? ""
            : fmt::format("podSelector {{{}}} with ", labels_text(at->second->metadata.labels)),
        at->second->metadata.namespace_);
  auto address = peer.address;
  if (!address && !peer.pod.empty()) {
    auto all = world_.policies.addresses_of(peer.pod);
    if (!all.empty()) address = all.front();
  }
  if (address && port == policy::kDnsPort && world_.policies.is_dns(*address))
    return fmt::format("podSelector {{{}={}}} with namespaceSelector {{kubernetes.io/metadata.name={}}}",
                       policy::kDnsLabel.first, policy::kDnsLabel.second, policy::kDnsNamespace);
  return address ? fmt::format("ipBlock {}/{}", address->str(), address->bits()) : "it";
}

Hop Walk::end_hop(policy::Direction direction, const policy::EndVerdict& verdict, const policy::Party& at,
                  const policy::Party& peer, uint16_t port, std::string fix) const {
  auto hop = make_hop(std::string(name_of(direction)), fmt::format("{}: {}", at.pod, verdict.why));
  auto reason = verdict.reason != 0 ? world_.policies.reason(verdict.reason)
                : verdict.allowed   ? nullptr
                                    : world_.policies.isolation(at.pod, direction);
  if (reason) hop.by = refs_of(world_, reason->reason);
  if (verdict.audit) hop.notes.emplace_back("it is in audit: enforced, it would be denied");
  if (verdict.allowed) return hop;
  auto protocol = protocol_text(request_.protocol);
  if (fix.empty() && reason && reason->reason.kind == policy::Reason::Kind::isolation) {
    auto names = reason->reason.policies;
    fix = fmt::format(
        "add an {} rule to NetworkPolicy {} (or to another that selects the pod): {} {}, port {} {}",
        name_of(direction), names.empty() ? "" : names.front(),
        direction == policy::Direction::ingress ? "from" : "to", describe_peer(peer, port), protocol, port);
  } else if (fix.empty() && reason && !reason->reason.rules.empty()) {
    const auto& rule = reason->reason.rules.front();
    fix = fmt::format("put an Accept rule before {}[{}] of ClusterNetworkPolicy {}, or take {} out of it",
                      name_of(direction), rule.index, rule.policy, name_of(world_, peer));
  }
  const auto& [first, second] =
      direction == policy::Direction::ingress ? std::tie(peer, at) : std::tie(at, peer);
  auto says = std::string_view(verdict.why);
  auto prefix = fmt::format("{} ", name_of(direction));
  if (says.starts_with(prefix)) says.remove_prefix(prefix.size());
  hop.end(Verdict::denied,
          fmt::format("{} from {} to {} port {}/{} {}", name_of(direction), name_of(world_, first),
                      name_of(world_, second), port, protocol, says),
          std::move(fix));
  return hop;
}

/// Rules that name the Service's port instead of the pod's are a common mistake, and so are clients that ask
/// the pod for another port than it declares.
std::string Walk::fix_of_port(const policy::Party& from, const policy::Party& to, uint16_t port,
                              uint16_t service_port,
                              std::optional<policy::EndVerdict> policy::Evaluation::* end) const {
  auto allows = [&](uint16_t other) {
    auto again = world_.policies.evaluate(from, to, request_.protocol, other, service_port != 0);
    return again && (*again).*end && ((*again).*end)->allowed;
  };
  auto protocol = protocol_text(request_.protocol);
  if (service_port != 0 && service_port != port && allows(service_port))
    return fmt::format(
        "a rule allows port {}, which is the Service's: policies see the pod's port, so name {} {}",
        service_port, protocol, port);
  auto pod = world_.pods.find(to.pod);
  if (pod == world_.pods.end() || declares(*pod->second, port, request_.protocol)) return {};
  for (const auto& container : pod->second->spec.containers) {
    for (const auto& have : container.ports) {
      auto number = static_cast<uint16_t>(have.containerPort);
      if (declares(*pod->second, number, request_.protocol) && allows(number))
        return fmt::format("the pod does not declare port {}/{}, but {}, which policies allow: ask for that",
                           port, protocol, number);
    }
  }
  return {};
}

void Walk::ask_policies(Hop& hop, const policy::Party& from, const policy::Party& to, uint16_t port,
                        uint16_t service_port, bool has_left) const {
  auto result = world_.policies.evaluate(from, to, request_.protocol, port, service_port != 0);
  if (!result) {
    auto unknown = make_hop("policy", "cannot be said");
    unknown.end(Verdict::no_way, result.error().message);
    hop.hops.push_back(std::move(unknown));
    return;
  }
  if (has_left) result->egress.reset();
  using policy::Direction;
  using policy::Evaluation;
  if (const auto& end = result->egress) {
    auto fix = end->allowed ? "" : fix_of_port(from, to, port, service_port, &Evaluation::egress);
    hop.hops.push_back(end_hop(Direction::egress, *end, from, to, port, std::move(fix)));
  }
  if (const auto& end = result->ingress) {
    auto fix = end->allowed ? "" : fix_of_port(from, to, port, service_port, &Evaluation::ingress);
    hop.hops.push_back(end_hop(Direction::ingress, *end, to, from, port, std::move(fix)));
  }
  if (!result->egress && !result->ingress)
    hop.hops.push_back(make_hop(
        "policy", from.pod.empty() && to.pod.empty() ? "policies are about pods alone" : result->why));
}

}  // namespace weft::trace
