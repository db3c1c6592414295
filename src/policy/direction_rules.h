#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "policy/identity_table.h"
#include "policy/port_table.h"
#include "policy/reason.h"
#include "policy/rules.h"

namespace weft::policy {

/// The order in which policies are asked: tier, priority, name.
bool asked_before(const PolicyPtr& a, const PolicyPtr& b);

/// How the kernel treats a direction of pods that these policies select, whatever else their rules say.
struct Mode {
  bool consulted = false;  ///< connections need a verdict; without one they are denied
  bool audit = false;      ///< what is denied passes, and is reported (kAuditAnnotation)
};
Mode mode_of(Direction direction, std::span<const PolicyPtr> policies);
/// Whether two policies come to the same in mode_of(), among whatever others.
bool same_mode(const Policy& a, const Policy& b);

/// All rules for one direction of a subject, and the verdicts that follow from them for any peer.
class DirectionRules {
 public:
  DirectionRules() = default;
  /// `policies`: all that select the subject, as asked_before() orders them. `ports`: the subject's own.
  /// `use`: gives matchers their numbers.
  DirectionRules(Direction direction, std::span<const PolicyPtr> policies, std::span<const NamedPort> ports,
                 const std::function<uint32_t(const MatcherPtr&)>& use, ReasonTable& reasons);

  const Mode& mode() const { return mode_; }
  /// For what no entry decides; nullptr where entries decide all.
  const ReasonPtr& isolation() const { return isolation_; }
  /// Of all rules, each once.
  std::vector<uint32_t> matchers() const;

  /// For peers that no table is for.
  const PortTablePtr& everyone() const { return everyone_; }
  /// For peers with this identity; nullptr when everyone() says all.
  PortTablePtr table_for(const Identity& peer, ReasonTable& reasons);

 private:
  struct Line {
    PolicyPtr policy;
    const Rule* rule = nullptr;
    std::vector<uint32_t> matchers;  ///< sorted
    std::vector<Ports> ports;        ///< with those of the names that are known by now
  };
  /// What tables depend on: peers that share it share a table.
  struct Signature {
    std::vector<std::pair<uint32_t, bool>> lines;  ///< true: of the peer its DNS alone is meant
    std::vector<NamedPort> ports;
    auto operator<=>(const Signature&) const = default;
  };
  struct Asked {
    const Line* line;
    std::vector<Ports> ports;
  };

  void add_lines(const PolicyPtr& policy, std::span<const NamedPort> ports,
                 const std::function<uint32_t(const MatcherPtr&)>& use);
  Signature signature_of(const Identity* peer) const;
  PortTablePtr make(const Signature& signature, ReasonTable& reasons) const;
  ReasonPtr decide(const std::vector<Asked>& asked, uint8_t protocol, uint16_t port,
                   ReasonTable& reasons) const;
  Reason reason_of(const Line& line) const;
  void forget_unused_tables();

  Direction direction_ = Direction::ingress;
  std::vector<Line> lines_;
  Mode mode_;
  ReasonPtr isolation_;
  PortTablePtr everyone_;
  std::map<Signature, PortTablePtr> tables_;
  size_t sweep_at_ = 64;
};

}  // namespace weft::policy
