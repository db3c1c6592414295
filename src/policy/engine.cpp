#include "policy/engine.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "datapath/prefix_key.h"

namespace weft::policy {
namespace {

constexpr uint32_t kIsolated = WEFT_POLICY_ISOLATED_INGRESS | WEFT_POLICY_ISOLATED_EGRESS;
/// No verdict has that number: nothing is allowed, not even what comes back to the pod itself.
constexpr weft_policy_pod kClosed{.subject = 0, .flags = kIsolated};

bool same(const weft_policy_pod& a, const weft_policy_pod& b) {
  return a.subject == b.subject && a.flags == b.flags;
}

bool removes_verdicts(const PlanChanges& step) {
  return !step.verdicts_removed.empty() || !step.verdicts_unused.empty();
}

bool removes_identities(const PlanChanges& step) { return !step.identities_removed.empty(); }

}  // namespace

weft_verdict_key kernel_key(const VerdictKey& key) {
  return {.length = WEFT_VERDICT_FIXED_BITS + key.bits,
          .subject = key.subject,
          .peer = key.peer,
          .direction = static_cast<uint8_t>(key.direction),
          .protocol = key.protocol,
          .port = htons(key.port)};
}

VerdictKey key_of(const weft_verdict_key& key) {
  return {.subject = key.subject,
          .direction = static_cast<Direction>(key.direction),
          .peer = key.peer,
          .protocol = key.protocol,
          .port = ntohs(key.port),
          .bits = static_cast<uint8_t>(key.length - WEFT_VERDICT_FIXED_BITS)};
}

PolicyEngine::PolicyEngine(datapath::PodPolicy maps, std::string node)
    : maps_(std::move(maps)), plan_({.node = std::move(node)}) {}

Expected<void> PolicyEngine::synced() {
  synced_ = in_doubt_ = true;
  return apply();
}

Expected<void> PolicyEngine::apply() {
  if (!synced_) return {};
  if (!links_read_) {
    auto links = maps_.pods().read_all();
    if (!links) return failed(links.error());
    for (const auto& [link, pod] : *links) written_.try_emplace(static_cast<int>(link), pod);
    links_read_ = true;
  }
  auto steps = plan_.take_changes();
  if (full_ && std::ranges::none_of(steps, makes_room_)) return failed(*full_);
  full_.reset();
  if (in_doubt_) {
    ++comparisons_;
    auto all = difference();
    if (!all) return failed(all.error());
    entries_.clear();
    steps = {std::move(*all)};
  }
  in_doubt_ = in_doubt_ || !steps.empty();
  if (auto written = write(steps); !written) {
    // What the plan does not want went first, as isolated pods were closed already.
    if (closed_ && written.error().code == ErrorCode::exhausted) full_ = written.error();
    return failed(written.error());
  }
  in_doubt_ = closed_ = false;
  return write_links(false);
}

Expected<void> PolicyEngine::failed(const Error& why) {
  ++failures_;
  close_isolated();
  return fail(why.code, "policies are not in force as written, isolated pods are closed: " + why.message);
}

/// What the plan wants against what is there.
Expected<PlanChanges> PolicyEngine::difference() const {
  WEFT_TRY(auto verdicts, maps_.verdicts().read_all());
  WEFT_TRY(auto identities, maps_.identities().read_all());
  auto wanted = plan_.everything();
  PlanChanges out{.pods = wanted.pods};
  std::map<VerdictKey, weft_verdict> has;
  for (const auto& [key, verdict] : verdicts) has.emplace(key_of(key), verdict);
  for (const auto& entry : wanted.verdicts) {
    auto at = has.find(entry.key);
    bool equal = at != has.end() && at->second.verdict == entry.verdict && at->second.reason == entry.reason;
    if (!equal) out.verdicts.push_back(entry);
    if (at != has.end()) has.erase(at);
  }
  for (const auto& entry : has) out.verdicts_unused.push_back(entry.first);
  std::map<IpPrefix, uint32_t> known;
  bool moved = false;
  for (const auto& [key, identity] : identities) known.emplace(datapath::prefix_of(key), identity);
  for (const auto& [prefix, identity] : wanted.identities) {
    auto at = known.find(prefix);
    bool equal = at != known.end() && at->second == identity;
    if (!equal) out.identities.emplace_back(prefix, identity);
    moved = moved || (at != known.end() && !equal);
    if (at != known.end()) known.erase(at);
  }
  // What the plan said of the identity before is not known any more.
  if (moved)
    for (const auto& pod : wanted.pods) out.narrowed.insert(pod.subject);
  for (const auto& entry : known) out.identities_removed.push_back(entry.first);
  return out;
}

Expected<void> PolicyEngine::write(const std::vector<PlanChanges>& steps) {
  for (const auto& step : steps) {
    WEFT_CHECK(write(step));
    note_narrowed(step);
  }
  return steps.empty() ? Expected<void>() : maps_.raise_revision();
}

/// In the order of PlanChanges; but when nothing passes anyway, first what makes room.
Expected<void> PolicyEngine::write(const PlanChanges& step) {
  for (const auto& pod : step.pods_removed) entries_.erase(pod);
  for (const auto& pod : step.pods) entries_[pod.pod] = pod;
  if (closed_) {
    WEFT_CHECK(remove(step.identities_removed));
    WEFT_CHECK(remove(step.verdicts_unused));
  }
  makes_room_ = removes_verdicts;
  WEFT_CHECK(put(step.verdicts));
  WEFT_CHECK(remove(step.verdicts_removed));
  makes_room_ = removes_identities;
  WEFT_CHECK(put(step.identities));
  WEFT_CHECK(remove(step.identities_removed));
  // What fails here stays closed: no reason to close others. apply() tries again and tells.
  (void)write_links(!step.pods.empty());
  return remove(step.verdicts_unused);
}

Expected<void> PolicyEngine::put(const std::vector<VerdictEntry>& entries) const {
  std::vector<weft_verdict_key> keys;
  std::vector<weft_verdict> verdicts;
  for (const auto& entry : entries) {
    keys.push_back(kernel_key(entry.key));
    verdicts.push_back({entry.verdict, entry.reason});
  }
  return maps_.verdicts().update_all(keys, verdicts);
}

Expected<void> PolicyEngine::put(const std::vector<std::pair<IpPrefix, uint32_t>>& entries) const {
  std::vector<weft_prefix_key> prefixes;
  std::vector<uint32_t> identities;
  for (const auto& [prefix, identity] : entries) {
    prefixes.push_back(datapath::prefix_key(prefix));
    identities.push_back(identity);
  }
  return maps_.identities().update_all(prefixes, identities);
}

Expected<void> PolicyEngine::remove(const std::vector<VerdictKey>& entries) const {
  std::vector<weft_verdict_key> keys;
  for (const auto& key : entries) keys.push_back(kernel_key(key));
  return maps_.verdicts().erase_all(keys);
}

Expected<void> PolicyEngine::remove(const std::vector<IpPrefix>& entries) const {
  std::vector<weft_prefix_key> prefixes;
  for (const auto& prefix : entries) prefixes.push_back(datapath::prefix_key(prefix));
  return maps_.identities().erase_all(prefixes);
}

void PolicyEngine::note_narrowed(const PlanChanges& changes) {
  auto subjects = changes.narrowed;
  for (const auto& entry : changes.verdicts) {
    if (entry.verdict != WEFT_VERDICT_ALLOW) subjects.insert(entry.key.subject);
  }
  for (const auto& key : changes.verdicts_removed) subjects.insert(key.subject);
  for (const auto& key : changes.verdicts_unused) subjects.insert(key.subject);
  for (const auto& [link, pod] : written_) {
    if (pod.flags & kIsolated && subjects.contains(pod.subject)) narrowed_.insert(link);
  }
}

/// `all`: not those alone that wait for an entry. The first failure, after all were tried.
Expected<void> PolicyEngine::write_links(bool all) {
  std::vector<int> links;
  if (all)
    for (const auto& entry : links_) links.push_back(entry.first);
  else
    links.assign(waiting_.begin(), waiting_.end());
  Expected<void> result;
  for (int link : links) {
    auto written = write_link(link, links_.at(link));
    if (!written && result)
      result =
          fail(written.error().code, "pod " + pod_of(link) + " stays closed: " + written.error().message);
    if (!written) ++failures_;
  }
  return result;
}

Expected<void> PolicyEngine::write_link(int link, const PolicyLink& pod) {
  auto key = pod.pod;
  for (size_t i = 0; i < pod.addresses.size() && key.empty(); ++i) key = plan_.pod_at(pod.addresses[i]);
  auto entry = entries_.find(key);
  // One of the same name that came later must not decide for what is still there of an earlier one.
  if (entry == entries_.end() || (!pod.uid.empty() && pod.uid != entry->second.uid)) return {};
  weft_policy_pod wanted{.subject = entry->second.subject, .flags = entry->second.flags};
  auto at = written_.find(link);
  if (at != written_.end() && same(at->second, wanted)) return {};
  WEFT_CHECK(maps_.set_pod(static_cast<uint32_t>(link), wanted));
  if (at != written_.end() && wanted.flags & kIsolated) narrowed_.insert(link);
  written_[link] = wanted;
  waiting_.erase(link);
  return {};
}

/// What a map does not have could have been a denial. So closed are those that are isolated, and those that
/// are to be.
void PolicyEngine::close_isolated() {
  closed_ = true;
  for (auto& [link, pod] : written_) {
    auto wanted = plan_.entry_of(pod_of(link));
    if (!(pod.flags & kIsolated) && !(wanted && wanted->flags & kIsolated)) continue;
    if (auto closed = maps_.set_pod(static_cast<uint32_t>(link), kClosed); !closed)
      spdlog::error("{}", closed.error().message);
    pod = kClosed;
  }
  if (auto raised = maps_.raise_revision(); !raised) spdlog::error("{}", raised.error().message);
}

Expected<void> PolicyEngine::connect(int link, PolicyLink pod) {
  links_[link] = std::move(pod);
  if (!written_.contains(link)) waiting_.insert(link);
  return apply();
}

Expected<void> PolicyEngine::forget_gone() {
  char name[IF_NAMESIZE];
  auto gone = [&name](int link) {
    return if_indextoname(static_cast<unsigned>(link), name) == nullptr && errno == ENXIO;
  };
  std::erase_if(links_, [&](const auto& entry) { return gone(entry.first); });
  std::erase_if(written_, [&](const auto& entry) { return gone(entry.first); });
  std::erase_if(waiting_, gone);
  std::erase_if(narrowed_, gone);
  return maps_.forget_gone_links();
}

std::vector<int> PolicyEngine::restricted_links() const {
  std::vector<int> out;
  for (const auto& [link, pod] : written_) {
    if (pod.flags & WEFT_POLICY_ISOLATED_EGRESS) out.push_back(link);
  }
  return out;
}

std::string PolicyEngine::pod_of(int link) const {
  auto at = links_.find(link);
  if (at == links_.end()) return {};
  if (!at->second.pod.empty() || at->second.addresses.empty()) return at->second.pod;
  return plan_.pod_at(at->second.addresses[0]);
}

}  // namespace weft::policy
