#include <algorithm>
#include <ranges>

#include "policy/direction_rules.h"
#include "policy/plan.h"

/// The part of PolicyPlan that answers questions.
namespace weft::policy {

ReasonPtr PolicyPlan::isolation(std::string_view pod, Direction direction) const {
  auto at = pods_.find(pod);
  if (at == pods_.end() || at->second.subject == 0) return nullptr;
  return subjects_.at(at->second.subject).subject.rules(direction).isolation();
}

std::string PolicyPlan::pod_at(const IpAddr& address) const {
  auto pod = identities_.pod_at(address);
  return pod ? pod->key : std::string();
}

bool PolicyPlan::is_dns(const IpAddr& address) const {
  const auto* identity = identities_.find(identities_.identity_of(address));
  return identity && identity->peer.dns;
}

std::vector<IpAddr> PolicyPlan::addresses_of(std::string_view pod) const {
  auto at = pods_.find(pod);
  if (at == pods_.end()) return {};
  const auto& facts = *at->second.facts;
  return facts.host_network ? facts.host_addresses : facts.addresses;
}

bool PolicyPlan::has_port(const std::set<std::string>& pods, const PortName& port) const {
  return std::ranges::any_of(pods, [&](const std::string& key) {
    const auto& facts = *pods_.find(key)->second.facts;
    return facts.counts() && std::ranges::any_of(facts.ports, [&](const NamedPort& have) {
             return have.name == port.name && (port.protocol == 0 || port.protocol == have.protocol);
           });
  });
}

std::vector<std::string> PolicyPlan::warnings(std::string_view key) const {
  auto at = policies_.find(key);
  if (at == policies_.end()) return {};
  const auto& policy = *at->second.written;
  auto out = policy.warnings;
  for (auto direction : kDirections) {
    bool own = direction == Direction::ingress && policy.tier == Tier::network_policy;
    auto somewhere = [&](const PortName& port) {
      return std::ranges::any_of(namespaces_, [&](const auto& entry) {
        return (!own || entry.first == policy.namespace_) && has_port(entry.second.pods, port);
      });
    };
    for (const auto& rule : policy.rules[static_cast<size_t>(direction)]) {
      for (const auto& port : rule.names) {
        if (somewhere(port)) continue;
        auto protocol = port.protocol == 0 ? "" : " (" + protocol_name(port.protocol) + ")";
        out.push_back("spec." + std::string(name_of(direction)) + "[" + std::to_string(rule.index) +
                      "]: cannot be enforced as written: no pod has a port named \"" + port.name + "\"" +
                      protocol + "; it matches nothing");
      }
    }
  }
  return out;
}

std::vector<PolicyPtr> PolicyPlan::policies() const {
  std::vector<PolicyPtr> out;
  for (const auto& record : policies_ | std::views::values) out.push_back(record.in_force);
  std::ranges::sort(out, asked_before);
  return out;
}

std::vector<PolicyPtr> PolicyPlan::policies_of(std::string_view pod) const {
  std::vector<PolicyPtr> out;
  auto at = pods_.find(pod);
  if (at == pods_.end() || at->second.subject == 0) return out;
  for (const auto& [key, selection] : subjects_.at(at->second.subject).subject.key().policies)
    out.push_back(policies_.find(key)->second.in_force);
  std::ranges::sort(out, asked_before);
  return out;
}

std::set<std::string> PolicyPlan::selected_by(std::string_view key) const {
  std::set<std::string> out;
  auto at = policies_.find(key);
  if (at == policies_.end()) return out;
  for (uint32_t subject : at->second.subjects) {
    const auto& pods = subjects_.at(subject).pods;
    out.insert(pods.begin(), pods.end());
  }
  return out;
}

std::optional<PodEntry> PolicyPlan::entry_of(std::string_view pod) const {
  auto at = pods_.find(pod);
  return at == pods_.end() ? std::nullopt : at->second.entry;
}

Expected<PolicyPlan::End> PolicyPlan::resolve(const Party& party, const char* which) const {
  if (party.pod.empty()) {
    if (!party.address)
      return fail(ErrorCode::invalid, std::string(which) + ": neither a pod nor an address");
    return End{identities_.pod_at(*party.address), {*party.address}};
  }
  auto where = std::string(which) + ": pod " + party.pod;
  auto at = pods_.find(party.pod);
  if (at == pods_.end()) return fail(ErrorCode::not_found, where + ": there is no such pod");
  const auto& facts = at->second.facts;
  if (facts->over) return fail(ErrorCode::invalid, where + " is over: its addresses may be others' by now");
  End end{facts->host_network ? nullptr : facts, addresses_of(party.pod)};
  if (party.address) {
    if (std::ranges::count(end.addresses, *party.address) == 0)
      return fail(ErrorCode::invalid, where + " does not have the address " + party.address->str());
    end.addresses = {*party.address};
  }
  if (end.addresses.empty()) return fail(ErrorCode::invalid, where + " has no address yet");
  return end;
}

Expected<void> PolicyPlan::choose_family(End& from, End& to) {
  for (const auto& destination : to.addresses) {
    auto source = std::ranges::find(from.addresses, destination.is_v4(), &IpAddr::is_v4);
    if (source == from.addresses.end()) continue;
    from.addresses = {*source};
    to.addresses = {destination};
    return {};
  }
  return fail(ErrorCode::invalid,
              to.addresses.front().str() + " and " + from.addresses.front().str() + " are of two families");
}

/// Probes and the like come from there; they are always let in.
bool PolicyPlan::from_own_node(const End& from, const End& to) const {
  if (from.pod || !to.pod) return false;
  auto node = node_addresses_.find(to.pod->node);
  return node != node_addresses_.end() && node->second.contains(from.addresses.front());
}

std::optional<EndVerdict> PolicyPlan::judge(const End& at, const End& peer, Direction direction,
                                            uint8_t protocol, uint16_t port, bool itself) const {
  if (!at.pod) return std::nullopt;
  auto record = pods_.find(at.pod->key);
  if (record == pods_.end() || record->second.subject == 0) return std::nullopt;
  EndVerdict out{.peer = identities_.identity_of(peer.addresses.front()), .why = {}};
  auto decision = decide(record->second.subject, direction, out.peer, protocol, port, itself);
  out.allowed = decision.allowed;
  out.audit = decision.audit;
  out.reason = decision.by_entry ? decision.reason->number : 0;
  out.why = decision.reason ? decision.reason->reason.str()
                            : Reason{.kind = Reason::Kind::no_policy, .direction = direction}.str();
  if (out.audit) out.why = "in audit, so it passes: " + out.why;
  return out;
}

Ruling PolicyPlan::decide(uint32_t number, Direction direction, uint32_t peer, uint8_t protocol,
                          uint16_t port, bool itself) const {
  const auto& subject = subjects_.at(number).subject;
  const auto& rules = subject.rules(direction);
  if (!rules.mode().consulted) return {};
  const auto* entry = subject.look_up(direction, peer, protocol, port);
  Ruling out{.by_entry = entry != nullptr, .reason = entry ? entry->reason.get() : rules.isolation().get()};
  if (itself && out.reason->reason.verdict() == WEFT_VERDICT_DENY) return {};
  out.allowed = out.reason->reason.allows();
  if (!out.allowed && rules.mode().audit) out.allowed = out.audit = true;
  return out;
}

Expected<Evaluation> PolicyPlan::evaluate(const Party& from, const Party& to, uint8_t protocol, uint16_t port,
                                          bool by_service) const {
  WEFT_TRY(auto source, resolve(from, "from"));
  WEFT_TRY(auto destination, resolve(to, "to"));
  WEFT_CHECK(choose_family(source, destination));
  Evaluation out;
  const bool itself = source.pod && source.pod == destination.pod;
  if (itself && !by_service) {
    out.why = "a pod may always reach itself";
    return out;
  }
  if (from_own_node(source, destination)) {
    out.why = "the pod's own node is always let in";
    return out;
  }
  out.egress = judge(source, destination, Direction::egress, protocol, port, itself);
  out.ingress = judge(destination, source, Direction::ingress, protocol, port, itself);
  for (const auto* end : {&out.egress, &out.ingress}) {
    if (*end && !(*end)->allowed) out.allowed = false;
  }
  for (const auto* end : {&out.egress, &out.ingress}) {
    if (*end && (*end)->allowed == out.allowed) out.why += (out.why.empty() ? "" : "; ") + (*end)->why;
  }
  if (out.why.empty()) out.why = "no end is a pod of this node";
  return out;
}

}  // namespace weft::policy
