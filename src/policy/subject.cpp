#include "policy/subject.h"

#include <algorithm>
#include <set>

namespace weft::policy {
namespace {

VerdictKey key_of(uint32_t subject, Direction direction, uint32_t peer, const PortEntry& entry) {
  return {subject, direction, peer, entry.protocol, entry.port, entry.bits};
}

}  // namespace

uint32_t flags_of(std::span<const PolicyPtr> policies) {
  auto in = mode_of(Direction::ingress, policies), out = mode_of(Direction::egress, policies);
  return (in.consulted ? WEFT_POLICY_ISOLATED_INGRESS : 0) | (in.audit ? WEFT_POLICY_AUDIT_INGRESS : 0) |
         (out.consulted ? WEFT_POLICY_ISOLATED_EGRESS : 0) | (out.audit ? WEFT_POLICY_AUDIT_EGRESS : 0);
}

void Subject::replace(Direction direction, uint32_t peer, const PortTable* before, const PortTable* now,
                      VerdictChanges changes) const {
  static const PortTable kNone;
  const auto &a = before ? *before : kNone, &b = now ? *now : kNone;
  auto i = a.begin();
  auto j = b.begin();
  while (i != a.end() || j != b.end()) {
    if (j == b.end() || (i != a.end() && i->before(*j))) {
      changes.removed.push_back(key_of(number_, direction, peer, *i++));
      continue;
    }
    bool same_place = i != a.end() && i->same_place(*j);
    if (!same_place || i->reason != j->reason)
      changes.put.push_back(
          {key_of(number_, direction, peer, *j), j->reason->reason.verdict(), j->reason->number});
    if (same_place) ++i;
    ++j;
  }
}

std::map<uint32_t, PortTablePtr> Subject::tables_of(Half& half, const IdentityTable& identities,
                                                    const MatcherTable& matchers,
                                                    ReasonTable& reasons) const {
  std::map<uint32_t, PortTablePtr> out;
  if (half.rules.everyone() && !half.rules.everyone()->empty()) out.emplace(0, half.rules.everyone());
  std::set<uint32_t> peers;
  for (uint32_t matcher : half.rules.matchers()) {
    const auto& members = matchers.members(matcher);
    peers.insert(members.begin(), members.end());
  }
  for (uint32_t peer : peers) {
    if (auto table = half.rules.table_for(*identities.find(peer), reasons))
      out.emplace(peer, std::move(table));
  }
  return out;
}

void Subject::build(std::vector<PolicyPtr> policies, const IdentityTable& identities, MatcherTable& matchers,
                    ReasonTable& reasons, VerdictChanges changes) {
  std::ranges::sort(policies, asked_before);
  std::set<uint32_t> used;
  auto use = [&](const MatcherPtr& matcher) {
    uint32_t number = matchers.use(matcher, number_);
    used.insert(number);
    return number;
  };
  std::array<DirectionRules, 2> rules;
  for (auto direction : kDirections)
    rules[static_cast<size_t>(direction)] = DirectionRules(direction, policies, key_.ports, use, reasons);
  for (uint32_t matcher : matchers_) {
    if (!used.contains(matcher)) matchers.release(matcher, number_);
  }
  matchers_ = {used.begin(), used.end()};
  for (auto direction : kDirections) {
    auto& half = halves_[static_cast<size_t>(direction)];
    half.rules = std::move(rules[static_cast<size_t>(direction)]);
    auto tables = tables_of(half, identities, matchers, reasons);
    for (const auto& [peer, before] : half.tables) {
      auto now = tables.find(peer);
      replace(direction, peer, before.get(), now == tables.end() ? nullptr : now->second.get(), changes);
    }
    for (const auto& [peer, now] : tables) {
      if (!half.tables.contains(peer)) replace(direction, peer, nullptr, now.get(), changes);
    }
    half.tables = std::move(tables);
  }
}

void Subject::update(uint32_t peer, const IdentityTable& identities, ReasonTable& reasons,
                     VerdictChanges changes) {
  const auto* identity = identities.find(peer);
  for (auto direction : kDirections) {
    auto& half = halves_[static_cast<size_t>(direction)];
    auto now = identity ? half.rules.table_for(*identity, reasons) : nullptr;
    auto at = half.tables.find(peer);
    if (at == half.tables.end() && !now) continue;
    replace(direction, peer, at == half.tables.end() ? nullptr : at->second.get(), now.get(), changes);
    if (now)
      half.tables[peer] = std::move(now);
    else
      half.tables.erase(at);
  }
}

void Subject::clear(MatcherTable& matchers, VerdictChanges changes) {
  for (auto direction : kDirections) {
    auto& half = halves_[static_cast<size_t>(direction)];
    for (const auto& [peer, table] : half.tables) replace(direction, peer, table.get(), nullptr, changes);
    half = {};
  }
  for (uint32_t matcher : matchers_) matchers.release(matcher, number_);
  matchers_.clear();
}

const PortEntry* Subject::look_up(Direction direction, uint32_t peer, uint8_t protocol, uint16_t port) const {
  for (uint32_t asked : {peer, WEFT_IDENTITY_ANY}) {
    auto at = half(direction).tables.find(asked);
    if (at == half(direction).tables.end()) continue;
    if (const auto* entry = policy::look_up(*at->second, protocol, port)) return entry;
  }
  return nullptr;
}

bool Subject::may_narrow(uint32_t was, uint32_t now) const {
  for (const auto& half : halves_) {
    auto table_of = [&half](uint32_t peer) -> const PortTable* {
      auto at = half.tables.find(peer);
      return peer == WEFT_IDENTITY_ANY || at == half.tables.end() ? nullptr : at->second.get();
    };
    const auto *before = table_of(was), *after = table_of(now);
    if (before == after) continue;
    // Beside what all may, a table allows and denies: what is lost with the first, and gained with the
    // second.
    if (before && after) return true;
    if (before && std::ranges::any_of(*before, &PortEntry::allows)) return true;
    if (after && !std::ranges::all_of(*after, &PortEntry::allows)) return true;
  }
  return false;
}

void Subject::append_all(std::vector<VerdictEntry>& out) const {
  std::vector<VerdictKey> none;
  for (auto direction : kDirections) {
    for (const auto& [peer, table] : half(direction).tables)
      replace(direction, peer, nullptr, table.get(), {out, none});
  }
}

}  // namespace weft::policy
