#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "datapath/pod_policy.h"
#include "policy/plan.h"

namespace weft::policy {

/// What the policy maps of a node have.
struct KernelPolicy {
  struct Verdict {
    uint32_t verdict = WEFT_VERDICT_DENY;
    uint32_t reason = 0;
    bool operator==(const Verdict&) const = default;
  };
  struct Pod {
    uint32_t subject = 0;
    uint32_t flags = 0;
  };
  std::map<IpPrefix, uint32_t> identities;
  std::map<VerdictKey, Verdict> verdicts;
  std::map<int, Pod> pods;  ///< by the index of the node's end of the link
};
Expected<KernelPolicy> read_kernel_policy(const datapath::PodPolicy& maps);

/// A plan beside what a kernel has of it. Numbers of identities, subjects and reasons are the same in every
/// process (policy/numbers.h), so entries are compared as they are. What differs is told in one line each.
/// Plan and kernel must outlive this.
class Comparison {
 public:
  Comparison(const PolicyPlan& plan, const KernelPolicy& kernel);

  /// Who has which address, and belongs to which networks: for all pods of the node the same.
  std::vector<std::string> identities() const;
  /// A pod's entry and its verdicts. `link`: the index of the node's end of its link; nothing: it has none.
  std::vector<std::string> pod(const PodEntry& wanted, std::optional<int> link) const;

 private:
  std::string peer_name(uint32_t identity) const;
  std::string verdict_line(const VerdictKey& key, const KernelPolicy::Verdict* wanted,
                           const KernelPolicy::Verdict* has) const;

  const PolicyPlan& plan_;
  const KernelPolicy& kernel_;
  std::map<IpPrefix, uint32_t> identities_;
  std::map<VerdictKey, KernelPolicy::Verdict> verdicts_;
};

}  // namespace weft::policy
