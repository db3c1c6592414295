#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "datapath/pod_policy.h"
#include "policy/plan.h"

namespace weft::policy {

/// A connected pod.
struct PolicyLink {
  std::string pod;  ///< "NAMESPACE/NAME"; empty: known by its addresses alone
  std::string uid;  ///< empty: not known
  std::vector<IpAddr> addresses;
};

/// A place in the plan's form, as the map has it, and back.
weft_verdict_key kernel_key(const VerdictKey& key);
VerdictKey key_of(const weft_verdict_key& key);

/// Keeps the policy maps of a node equal to the plan. What is in the maps stays in force when it goes, and
/// the next one changes only what differs. A pod whose link has no entry passes nothing: what is late, or
/// finds no room, is closed. Not thread-safe.
class PolicyEngine {
 public:
  /// `maps`: of this node.
  PolicyEngine(datapath::PodPolicy maps, std::string node);

  /// To be told of objects; then apply().
  PolicyPlan& plan() { return plan_; }
  const PolicyPlan& plan() const { return plan_; }

  /// All that is known of pods and policies has been told: from now on apply() writes, at first the
  /// differences to what is there.
  Expected<void> synced();
  /// Writes what has changed since the last call. What fails is tried again with the next call; until then a
  /// pod whose entry could not be written is closed, and all isolated pods are if a verdict or an identity is
  /// missing: it could have been a denial.
  Expected<void> apply();
  /// A map has no room for all that the plan wants. That is found by comparing them, so apply() fails without
  /// until changes make room, or after try_again().
  bool is_full() const { return full_.has_value(); }
  void try_again() { full_.reset(); }

  /// A pod's link, by the index of the node's end. It gets what policies say as soon as the pod is known.
  Expected<void> connect(int link, PolicyLink pod);
  /// Of links that this network namespace does not have any more nothing is kept.
  Expected<void> forget_gone();

  /// The links on which a connection that began before may be denied now, since the last call.
  bool has_narrowed() const { return !narrowed_.empty(); }
  std::set<int> take_narrowed() { return std::exchange(narrowed_, {}); }
  /// Whose pods may not send what they like.
  std::vector<int> restricted_links() const;
  bool has(int link) const { return links_.contains(link); }
  /// Empty for a link that is not known.
  std::string pod_of(int link) const;
  /// How often something had no room or could not be written.
  uint64_t failures() const { return failures_; }
  /// How often the maps were read and compared with the plan.
  uint64_t comparisons() const { return comparisons_; }
  const datapath::PodPolicy& maps() const { return maps_; }

 private:
  Expected<PlanChanges> difference() const;
  Expected<void> write(const std::vector<PlanChanges>& steps);
  Expected<void> write(const PlanChanges& step);
  Expected<void> put(const std::vector<VerdictEntry>& entries) const;
  Expected<void> put(const std::vector<std::pair<IpPrefix, uint32_t>>& entries) const;
  Expected<void> remove(const std::vector<VerdictKey>& entries) const;
  Expected<void> remove(const std::vector<IpPrefix>& entries) const;
  Expected<void> write_links(bool all);
  Expected<void> write_link(int link, const PolicyLink& pod);
  void note_narrowed(const PlanChanges& changes);
  void close_isolated();
  Expected<void> failed(const Error& why);

  datapath::PodPolicy maps_;
  PolicyPlan plan_;
  std::map<int, PolicyLink> links_;
  std::map<int, weft_policy_pod> written_;                ///< what links have
  std::map<std::string, PodEntry, std::less<>> entries_;  ///< what the plan wants, by pod
  std::set<int> waiting_;                                 ///< links without an entry
  std::set<int> narrowed_;
  std::optional<Error> full_;
  bool (*makes_room_)(const PlanChanges&) = nullptr;  ///< in the map that was written to last
  uint64_t failures_ = 0;
  uint64_t comparisons_ = 0;
  bool synced_ = false;
  bool links_read_ = false;  ///< what an earlier agent wrote for links is known
  bool in_doubt_ = false;    ///< the maps may differ from the plan
  bool closed_ = false;      ///< isolated pods are, since a write has failed
};

}  // namespace weft::policy
