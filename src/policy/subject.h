#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "policy/direction_rules.h"
#include "policy/matcher_table.h"

namespace weft::policy {

/// A place in the kernel's map of verdicts (weft_verdict_key).
struct VerdictKey {
  uint32_t subject = 0;
  Direction direction = Direction::ingress;
  uint32_t peer = 0;  ///< an identity; WEFT_IDENTITY_ANY: those without entries of their own
  uint8_t protocol = 0;
  uint16_t port = 0;  ///< host order
  uint8_t bits = 0;   ///< of protocol and port: 0, 8, or 8 + those of the port
  auto operator<=>(const VerdictKey&) const = default;
};

struct VerdictEntry {
  VerdictKey key;
  uint32_t verdict = WEFT_VERDICT_DENY;
  uint32_t reason = 0;
  auto operator<=>(const VerdictEntry&) const = default;
};

/// A policy, as long as it selects the same pods.
struct Selection {
  std::string policy;      ///< Policy::key
  uint64_t selection = 0;  ///< of its selectors
  auto operator<=>(const Selection&) const = default;
};

/// What pods are selected by; those that share it share a subject. What cannot change for all pods of a
/// subject at one stroke is part of it: then they get another.
struct SubjectKey {
  std::vector<Selection> policies;  ///< sorted
  std::vector<NamedPort> ports;     ///< if rules for what comes in go by names of ports
  uint32_t flags = 0;               ///< WEFT_POLICY_…
  auto operator<=>(const SubjectKey&) const = default;
};

/// WEFT_POLICY_… of pods that these policies select.
uint32_t flags_of(std::span<const PolicyPtr> policies);

/// The differences between tables, as they come.
struct VerdictChanges {
  std::vector<VerdictEntry>& put;
  std::vector<VerdictKey>& removed;
};

/// The verdicts of pods that share all that selects them.
class Subject {
 public:
  Subject(uint32_t number, SubjectKey key) : number_(number), key_(std::move(key)) {}

  uint32_t number() const { return number_; }
  const SubjectKey& key() const { return key_; }
  const DirectionRules& rules(Direction direction) const { return half(direction).rules; }

  /// Compiles the policies, all that select the subject, anew; `changes` gets what differs.
  void build(std::vector<PolicyPtr> policies, const IdentityTable& identities, MatcherTable& matchers,
             ReasonTable& reasons, VerdictChanges changes);
  /// Works the verdicts for one identity out anew, or removes them when there is none of that number.
  void update(uint32_t peer, const IdentityTable& identities, ReasonTable& reasons, VerdictChanges changes);
  /// Removes all and lets go of the matchers.
  void clear(MatcherTable& matchers, VerdictChanges changes);

  /// What decides for a peer, as the kernel finds it; nullptr: nothing does.
  const PortEntry* look_up(Direction direction, uint32_t peer, uint8_t protocol, uint16_t port) const;
  /// Whether a peer may be denied something that it was allowed, when its identity becomes another.
  bool may_narrow(uint32_t was, uint32_t now) const;
  void append_all(std::vector<VerdictEntry>& out) const;

 private:
  struct Half {
    DirectionRules rules;
    std::map<uint32_t, PortTablePtr> tables;  ///< by peer; none is empty
  };
  const Half& half(Direction direction) const { return halves_[static_cast<size_t>(direction)]; }
  /// Puts a table in place of another; either may be nullptr.
  void replace(Direction direction, uint32_t peer, const PortTable* before, const PortTable* now,
               VerdictChanges changes) const;
  std::map<uint32_t, PortTablePtr> tables_of(Half& half, const IdentityTable& identities,
                                             const MatcherTable& matchers, ReasonTable& reasons) const;

  uint32_t number_;
  SubjectKey key_;
  std::array<Half, 2> halves_;
  std::vector<uint32_t> matchers_;  ///< in use, each once
};

}  // namespace weft::policy
