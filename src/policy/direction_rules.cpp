#include "policy/direction_rules.h"

#include <netinet/in.h>

#include <algorithm>
#include <tuple>

namespace weft::policy {
namespace {

bool can_deny(const Policy& policy, Direction direction) {
  auto at = static_cast<size_t>(direction);
  if (policy.tier == Tier::network_policy) return policy.isolates[at];
  return std::ranges::count(policy.rules[at], Action::deny, &Rule::action) > 0;
}

/// `audit`: all that could deny is in audit, and is treated as if it were not, but for the outcome.
bool isolates(const Policy& policy, Direction direction, bool audit) {
  return policy.isolates[static_cast<size_t>(direction)] && (audit || !policy.audit);
}

bool rule_counts(const Policy& policy, const Rule& rule, bool audit) {
  return rule.action != Action::deny || audit || !policy.audit;
}

void resolve(std::span<const PortName> names, std::span<const NamedPort> ports, std::vector<Ports>& out) {
  for (const auto& name : names) {
    for (const auto& port : ports) {
      if (port.name == name.name && (name.protocol == 0 || name.protocol == port.protocol))
        out.push_back({port.protocol, port.port, port.port});
    }
  }
}

bool covers(const std::vector<Ports>& ports, uint8_t protocol, uint16_t port) {
  return std::ranges::any_of(ports, [&](const Ports& range) { return range.covers(protocol, port); });
}

std::vector<Ports> dns_of(const std::vector<Ports>& ports) {
  std::vector<Ports> out;
  for (uint8_t protocol : {IPPROTO_UDP, IPPROTO_TCP}) {
    if (covers(ports, protocol, kDnsPort)) out.push_back({protocol, kDnsPort, kDnsPort});
  }
  return out;
}

bool share_one(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  auto i = a.begin(), j = b.begin();
  while (i != a.end() && j != b.end()) {
    if (*i == *j) return true;
    *i < *j ? ++i : ++j;
  }
  return false;
}

}  // namespace

Mode mode_of(Direction direction, std::span<const PolicyPtr> policies) {
  bool enforced = false, audited = false;
  for (const auto& policy : policies) {
    if (can_deny(*policy, direction)) (policy->audit ? audited : enforced) = true;
  }
  Mode mode{.consulted = false, .audit = audited && !enforced};
  for (const auto& policy : policies) {
    auto counts = [&](const Rule& rule) { return rule_counts(*policy, rule, mode.audit); };
    if (isolates(*policy, direction, mode.audit) ||
        std::ranges::any_of(policy->rules[static_cast<size_t>(direction)], counts))
      mode.consulted = true;
  }
  return mode;
}

bool same_mode(const Policy& a, const Policy& b) {
  auto part = [](const Policy& policy, size_t at) {
    auto denies = std::ranges::count(policy.rules[at], Action::deny, &Rule::action);
    return std::tuple(policy.tier == Tier::network_policy, policy.audit, policy.isolates[at], denies > 0,
                      policy.rules[at].size() > static_cast<size_t>(denies));
  };
  return part(a, WEFT_INGRESS) == part(b, WEFT_INGRESS) && part(a, WEFT_EGRESS) == part(b, WEFT_EGRESS);
}

bool asked_before(const PolicyPtr& a, const PolicyPtr& b) {
  return std::tie(a->tier, a->priority, a->key) < std::tie(b->tier, b->priority, b->key);
}

DirectionRules::DirectionRules(Direction direction, std::span<const PolicyPtr> policies,
                               std::span<const NamedPort> ports,
                               const std::function<uint32_t(const MatcherPtr&)>& use, ReasonTable& reasons)
    : direction_(direction), mode_(mode_of(direction, policies)) {
  Reason isolation{.kind = Reason::Kind::isolation, .direction = direction};
  for (const auto& policy : policies) {
    add_lines(policy, ports, use);
    if (isolates(*policy, direction, mode_.audit)) isolation.policies.push_back(policy->key);
  }
  if (!isolation.policies.empty()) isolation_ = reasons.number(std::move(isolation));
  if (mode_.consulted) everyone_ = make(signature_of(nullptr), reasons);
}

void DirectionRules::add_lines(const PolicyPtr& policy, std::span<const NamedPort> ports,
                               const std::function<uint32_t(const MatcherPtr&)>& use) {
  for (const auto& rule : policy->rules[static_cast<size_t>(direction_)]) {
    if (!rule_counts(*policy, rule, mode_.audit)) continue;
    Line line{.policy = policy, .rule = &rule, .matchers = {}, .ports = rule.ports};
    for (const auto& peer : rule.peers) line.matchers.push_back(use(peer));
    std::ranges::sort(line.matchers);
    if (direction_ == Direction::ingress) resolve(rule.names, ports, line.ports);
    lines_.push_back(std::move(line));
  }
}

std::vector<uint32_t> DirectionRules::matchers() const {
  std::vector<uint32_t> out;
  for (const auto& line : lines_) out.insert(out.end(), line.matchers.begin(), line.matchers.end());
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(), out.end());
  return out;
}

DirectionRules::Signature DirectionRules::signature_of(const Identity* peer) const {
  Signature out;
  bool names = false;
  for (uint32_t i = 0; i < lines_.size(); ++i) {
    const auto& line = lines_[i];
    bool all = line.rule->everyone || (peer && share_one(line.matchers, peer->matchers));
    bool dns =
        !all && peer && direction_ == Direction::egress && share_one(line.matchers, peer->dns_matchers);
    if (!all && !dns) continue;
    out.lines.emplace_back(i, dns);
    names = names || !line.rule->names.empty();
  }
  if (names && peer && direction_ == Direction::egress) out.ports = peer->peer.ports;
  return out;
}

PortTablePtr DirectionRules::table_for(const Identity& peer, ReasonTable& reasons) {
  if (!mode_.consulted) return nullptr;
  auto signature = signature_of(&peer);
  bool more = std::ranges::any_of(signature.lines,
                                  [&](const auto& line) { return !lines_[line.first].rule->everyone; });
  if (!more) return nullptr;
  if (auto at = tables_.find(signature); at != tables_.end()) return at->second;
  if (tables_.size() >= sweep_at_) forget_unused_tables();
  auto table = make(signature, reasons);
  if (table->empty()) table = nullptr;
  return tables_.emplace(std::move(signature), std::move(table)).first->second;
}

void DirectionRules::forget_unused_tables() {
  std::erase_if(tables_, [](const auto& entry) { return entry.second.use_count() <= 1; });
  sweep_at_ = std::max<size_t>(64, tables_.size() * 2);
}

PortTablePtr DirectionRules::make(const Signature& signature, ReasonTable& reasons) const {
  std::vector<Asked> asked;
  std::vector<Ports> ranges;
  for (auto [i, dns] : signature.lines) {
    Asked one{.line = &lines_[i], .ports = lines_[i].ports};
    if (direction_ == Direction::egress) resolve(one.line->rule->names, signature.ports, one.ports);
    if (dns) one.ports = dns_of(one.ports);
    ranges.insert(ranges.end(), one.ports.begin(), one.ports.end());
    asked.push_back(std::move(one));
  }
  Decide decide = [&](uint8_t protocol, uint16_t port) {
    return this->decide(asked, protocol, port, reasons);
  };
  return std::make_shared<const PortTable>(make_table(ranges, decide, everyone_.get(), isolation_));
}

Reason DirectionRules::reason_of(const Line& line) const {
  return {.kind = line.rule->action == Action::accept ? Reason::Kind::accepted : Reason::Kind::denied,
          .direction = direction_,
          .tier = line.policy->tier,
          .priority = line.policy->priority,
          .rules = {{line.policy->key, line.rule->index, line.rule->name}},
          .policies = {}};
}

/// Lines are in the order of the tiers, and within a ClusterNetworkPolicy's tier the first that covers the
/// port counts.
ReasonPtr DirectionRules::decide(const std::vector<Asked>& asked, uint8_t protocol, uint16_t port,
                                 ReasonTable& reasons) const {
  auto first_in = [&](Tier tier) -> const Line* {
    for (const auto& [line, ports] : asked) {
      if (line->policy->tier == tier && covers(ports, protocol, port)) return line;
    }
    return nullptr;
  };
  const auto* admin = first_in(Tier::admin);
  if (admin && admin->rule->action != Action::pass) return reasons.number(reason_of(*admin));
  Reason allowed{.kind = Reason::Kind::rules, .direction = direction_};
  for (const auto& [line, ports] : asked) {
    if (line->policy->tier != Tier::network_policy || !covers(ports, protocol, port)) continue;
    RuleName rule{line->policy->key, line->rule->index, {}};
    if (std::ranges::count(allowed.rules, rule) == 0) allowed.rules.push_back(std::move(rule));
  }
  if (!allowed.rules.empty()) return reasons.number(std::move(allowed));
  if (isolation_) return nullptr;
  const auto* baseline = first_in(Tier::baseline);
  if (baseline && baseline->rule->action != Action::pass) return reasons.number(reason_of(*baseline));
  return reasons.number({.kind = Reason::Kind::no_policy, .direction = direction_});
}

}  // namespace weft::policy
