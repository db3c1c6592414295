#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/identity_table.h"
#include "policy/numbers.h"

namespace weft::policy {

/// Which identities each matcher matches that some subject's rules use. Kept up to date identity by identity
/// and matcher by matcher.
class MatcherTable {
 public:
  explicit MatcherTable(IdentityTable& identities) : identities_(identities) {}

  /// The matcher's number, for a subject that uses it from now on; use() it once a subject.
  uint32_t use(const MatcherPtr& matcher, uint32_t subject);
  void release(uint32_t matcher, uint32_t subject);

  /// Finds out what matches a new identity. Returns the subjects to which that makes a difference.
  std::set<uint32_t> add(Identity& identity);
  /// Before the identity is forgotten; returns the same.
  std::set<uint32_t> remove(const Identity& identity);
  /// Those with rules that match it.
  std::set<uint32_t> subjects_of(const Identity& identity) const;

  size_t size() const { return used_.size(); }
  const std::set<uint32_t>& members(uint32_t matcher) const { return used_.at(matcher).members; }

 private:
  struct Used {
    MatcherPtr matcher;
    std::set<uint32_t> members;   ///< identities
    std::set<uint32_t> subjects;  ///< never empty
  };

  /// Of the identities those that may be matched, and of the matchers those that may match.
  std::vector<uint32_t> candidates(const PeerMatcher& matcher) const;
  std::vector<uint32_t> candidates(const Peer& peer) const;
  /// Matchers by what a look-up can begin with.
  std::set<uint32_t>& shelf(const PeerMatcher& matcher);

  IdentityTable& identities_;
  Numbers numbers_{1};
  std::unordered_map<uint32_t, Used> used_;
  std::map<std::string, uint32_t, std::less<>> by_key_;
  std::map<std::string, std::set<uint32_t>> identities_by_namespace_;
  std::map<IpPrefix, std::set<uint32_t>> identities_by_network_;
  std::map<std::string, std::set<uint32_t>> pods_by_namespace_;  ///< matchers, from here on
  std::set<uint32_t> pods_by_labels_;
  std::map<IpPrefix, std::set<uint32_t>> networks_;
  std::set<uint32_t> others_;
};

}  // namespace weft::policy
