#include "policy/compare.h"

#include <fmt/core.h>

#include "datapath/prefix_key.h"
#include "policy/describe.h"
#include "policy/engine.h"

namespace weft::policy {
namespace {

/// Those of one subject are side by side.
auto verdicts_of(const std::map<VerdictKey, KernelPolicy::Verdict>& verdicts, uint32_t subject) {
  auto first = verdicts.lower_bound(VerdictKey{.subject = subject});
  auto last = first;
  while (last != verdicts.end() && last->first.subject == subject) ++last;
  return std::map<VerdictKey, KernelPolicy::Verdict>(first, last);
}

std::string flags_text(uint32_t flags) {
  std::string out;
  auto add = [&](uint32_t flag, const char* name) {
    if (flags & flag) out += (out.empty() ? "" : ", ") + std::string(name);
  };
  add(WEFT_POLICY_ISOLATED_INGRESS, "policies for ingress");
  add(WEFT_POLICY_ISOLATED_EGRESS, "policies for egress");
  add(WEFT_POLICY_AUDIT_INGRESS, "ingress in audit");
  add(WEFT_POLICY_AUDIT_EGRESS, "egress in audit");
  add(WEFT_POLICY_REPORT_ALLOWED, "reports what is allowed");
  return out.empty() ? "open" : out;
}

std::string identity_text(const uint32_t* identity) {
  return identity ? fmt::format("identity {}", *identity) : "nothing";
}

}  // namespace

Expected<KernelPolicy> read_kernel_policy(const datapath::PodPolicy& maps) {
  KernelPolicy out;
  WEFT_TRY(auto identities, maps.identities().read_all());
  for (const auto& [key, identity] : identities) out.identities.emplace(datapath::prefix_of(key), identity);
  WEFT_TRY(auto verdicts, maps.verdicts().read_all());
  for (const auto& [key, verdict] : verdicts)
    out.verdicts.emplace(key_of(key), KernelPolicy::Verdict{verdict.verdict, verdict.reason});
  WEFT_TRY(auto pods, maps.pods().read_all());
  for (const auto& [link, pod] : pods) {
    WEFT_TRY(auto seen, maps.pod_at(link));
    if (seen) out.pods.emplace(static_cast<int>(link), KernelPolicy::Pod{seen->subject, seen->flags});
  }
  return out;
}

Comparison::Comparison(const PolicyPlan& plan, const KernelPolicy& kernel) : plan_(plan), kernel_(kernel) {
  auto all = plan.everything();
  identities_.insert(all.identities.begin(), all.identities.end());
  for (const auto& entry : all.verdicts)
    verdicts_.emplace(entry.key, KernelPolicy::Verdict{entry.verdict, entry.reason});
}

std::vector<std::string> Comparison::identities() const {
  std::vector<std::string> out;
  auto line = [&](const IpPrefix& prefix, const uint32_t* wanted, const uint32_t* has) {
    auto pod = plan_.pod_at(prefix.addr);
    auto name = prefix.str() + (pod.empty() ? "" : " (" + pod + ")");
    out.push_back(
        fmt::format("{}: the kernel has {}, the plan {}", name, identity_text(has), identity_text(wanted)));
  };
  for (const auto& [prefix, identity] : identities_) {
    auto at = kernel_.identities.find(prefix);
    const uint32_t* has = at == kernel_.identities.end() ? nullptr : &at->second;
    if (!has || *has != identity) line(prefix, &identity, has);
  }
  for (const auto& [prefix, identity] : kernel_.identities) {
    if (!identities_.contains(prefix)) line(prefix, nullptr, &identity);
  }
  return out;
}

std::string Comparison::peer_name(uint32_t identity) const {
  if (identity == WEFT_IDENTITY_ANY) return "peers without entries of their own";
  std::string first;
  size_t more = 0;
  for (const auto& [prefix, number] : identities_) {
    if (number != identity) continue;
    auto pod = plan_.pod_at(prefix.addr);
    auto name = pod.empty() ? prefix.str() : pod;
    if (first.empty()) first = name;
    more += name != first;
  }
  if (first.empty()) return fmt::format("identity {}", identity);
  return more == 0 ? first : fmt::format("{} and {} like it", first, more);
}

std::string Comparison::verdict_line(const VerdictKey& key, const KernelPolicy::Verdict* wanted,
                                     const KernelPolicy::Verdict* has) const {
  auto text = [&](const KernelPolicy::Verdict* verdict) -> std::string {
    if (!verdict) return "has no entry";
    auto reason = plan_.reason(verdict->reason);
    return fmt::format("{} ({})", verdict->verdict == WEFT_VERDICT_ALLOW ? "allows" : "denies",
                       reason ? reason->reason.str() : fmt::format("reason {}", verdict->reason));
  };
  return fmt::format("{} {} {}, {}: the kernel {}, the plan {}", name_of(key.direction),
                     key.direction == Direction::ingress ? "from" : "to", peer_name(key.peer), ports_of(key),
                     text(has), text(wanted));
}

std::vector<std::string> Comparison::pod(const PodEntry& wanted, std::optional<int> link) const {
  if (!link) return {"its node has no link to it"};
  auto entry = kernel_.pods.find(*link);
  if (entry == kernel_.pods.end()) return {"the kernel does not know its link: nothing passes"};
  std::vector<std::string> out;
  const auto& has = entry->second;
  if (has.flags != wanted.flags)
    out.push_back(fmt::format("the pod: the kernel has \"{}\", the plan \"{}\"", flags_text(has.flags),
                              flags_text(wanted.flags)));
  if (has.subject != wanted.subject)
    out.push_back(
        fmt::format("the pod: the kernel has it as subject {}, the plan as {}", has.subject, wanted.subject));
  auto planned = verdicts_of(verdicts_, wanted.subject);
  auto written = verdicts_of(kernel_.verdicts, wanted.subject);
  for (const auto& [key, verdict] : planned) {
    auto at = written.find(key);
    if (at == written.end() || at->second != verdict)
      out.push_back(verdict_line(key, &verdict, at == written.end() ? nullptr : &at->second));
  }
  for (const auto& [key, verdict] : written) {
    if (!planned.contains(key)) out.push_back(verdict_line(key, nullptr, &verdict));
  }
  return out;
}

}  // namespace weft::policy
