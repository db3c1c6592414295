#pragma once

/// For tests of this room: the policy maps as the kernel has them, filled by a plan's changes and asked as
/// the programs ask them, with plain loops over all entries.

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "datapath/policy_layout.h"
#include "policy/plan.h"

namespace weft::policy::test {

class Maps {
 public:
  /// Entry by entry, with a call of `watch` after each. Checks, too, that each change is one: nothing is
  /// removed that is not there, nothing put twice.
  void apply(const PlanChanges& changes, const std::function<void()>& watch = [] {}) {
    for (const auto& entry : changes.verdicts) {
      auto& slot = verdicts_[entry.key];
      EXPECT_FALSE(slot == entry) << "put as it was";
      slot = entry;
      watch();
    }
    auto remove = [&](auto& map, const auto& keys) {
      for (const auto& key : keys) {
        EXPECT_EQ(map.erase(key), 1U);
        watch();
      }
    };
    remove(verdicts_, changes.verdicts_removed);
    for (const auto& [prefix, identity] : changes.identities) {
      auto [at, fresh] = identities_.try_emplace(prefix, identity);
      EXPECT_TRUE(fresh || at->second != identity) << prefix.str() << " put as it was";
      at->second = identity;
      watch();
    }
    remove(identities_, changes.identities_removed);
    for (const auto& pod : changes.pods) {
      EXPECT_FALSE(pods_[pod.pod] == pod) << pod.pod << " put as it was";
      pods_[pod.pod] = pod;
      watch();
    }
    remove(pods_, changes.pods_removed);
    remove(verdicts_, changes.verdicts_unused);
  }

  void apply(const std::vector<PlanChanges>& steps, const std::function<void()>& watch = [] {}) {
    for (const auto& step : steps) {
      EXPECT_FALSE(step.empty());
      apply(step, watch);
    }
  }

  uint32_t identity_of(const IpAddr& address) const {
    int best = -1;
    uint32_t found = WEFT_IDENTITY_ANY;
    for (const auto& [prefix, identity] : identities_) {
      int length = prefix.length + (prefix.addr.is_v4() ? 96 : 0);
      if (length > best && share_bits(prefix.addr.mapped(), address.mapped(), length)) {
        best = length;
        found = identity;
      }
    }
    return found;
  }

  /// What a pod's link makes of a connection's first packet; nothing: the pod has no entry. `reason`: of what
  /// decided, if it is asked for.
  std::optional<bool> allows(const std::string& pod, Direction direction, const IpAddr& peer,
                             uint8_t protocol, uint16_t port, uint32_t* reason = nullptr) const {
    auto at = pods_.find(pod);
    if (at == pods_.end()) return std::nullopt;
    bool in = direction == Direction::ingress;
    uint32_t flags = at->second.flags;
    if (!(flags & (in ? WEFT_POLICY_ISOLATED_INGRESS : WEFT_POLICY_ISOLATED_EGRESS))) return true;
    bool audit = flags & (in ? WEFT_POLICY_AUDIT_INGRESS : WEFT_POLICY_AUDIT_EGRESS);
    for (uint32_t identity : {identity_of(peer), WEFT_IDENTITY_ANY}) {
      const auto* entry = longest(at->second.subject, direction, identity, protocol, port);
      if (!entry) continue;
      if (reason) *reason = entry->reason;
      return entry->verdict == WEFT_VERDICT_ALLOW || audit;
    }
    if (reason) *reason = 0;
    return audit;
  }

  const std::map<VerdictKey, VerdictEntry>& verdicts() const { return verdicts_; }
  const std::map<IpPrefix, uint32_t>& identities() const { return identities_; }
  const std::map<std::string, PodEntry>& pods() const { return pods_; }

  /// All that is there, with numbers of identities, subjects and reasons put into words, so that it can be
  /// compared with what another plan says.
  std::set<std::string> described(const PolicyPlan& plan) const {
    std::map<uint32_t, std::string> peers{{WEFT_IDENTITY_ANY, "any"}}, subjects;
    for (const auto& [prefix, identity] : identities_) {
      if (identity != WEFT_IDENTITY_ANY) peers[identity] += prefix.str() + " ";
    }
    for (const auto& [key, pod] : pods_) subjects[pod.subject] += key + " ";
    std::set<std::string> out;
    for (const auto& [prefix, identity] : identities_) out.insert(prefix.str() + " is " + peers[identity]);
    for (const auto& [key, pod] : pods_)
      out.insert(key + " is " + subjects[pod.subject] + std::to_string(pod.flags) + " " + pod.uid);
    for (const auto& [key, entry] : verdicts_) {
      auto reason = plan.reason(entry.reason);
      out.insert(subjects[key.subject] + "| " + std::string(name_of(key.direction)) + " " + peers[key.peer] +
                 "| " + std::to_string(key.protocol) + " " + std::to_string(key.port) + "/" +
                 std::to_string(key.bits) + (entry.verdict == WEFT_VERDICT_ALLOW ? " allow " : " deny ") +
                 (reason ? reason->reason.str() : "?"));
    }
    return out;
  }

 private:
  static bool share_bits(const std::array<uint8_t, 16>& a, const std::array<uint8_t, 16>& b, int length) {
    for (int i = 0; i < length; ++i) {
      int shift = 7 - i % 8;
      if (((a[i / 8] >> shift) & 1) != ((b[i / 8] >> shift) & 1)) return false;
    }
    return true;
  }

  const VerdictEntry* longest(uint32_t subject, Direction direction, uint32_t peer, uint8_t protocol,
                              uint16_t port) const {
    const VerdictEntry* best = nullptr;
    auto at = verdicts_.lower_bound({subject, direction, peer, 0, 0, 0});
    for (; at != verdicts_.end(); ++at) {
      const auto& [key, entry] = *at;
      if (key.subject != subject || key.direction != direction || key.peer != peer) break;
      bool fits = key.bits == 0 || key.protocol == protocol;
      for (int bit = 0; bit < key.bits - 8; ++bit) fits = fits && ((key.port ^ port) >> (15 - bit) & 1) == 0;
      if (fits && (!best || key.bits > best->key.bits)) best = &entry;
    }
    return best;
  }

  std::map<VerdictKey, VerdictEntry> verdicts_;
  std::map<IpPrefix, uint32_t> identities_;
  std::map<std::string, PodEntry> pods_;
};

}  // namespace weft::policy::test
