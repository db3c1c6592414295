#include "policy/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <ranges>
#include <tuple>
#include <utility>

#include "policy/numbers.h"

namespace weft::policy {
namespace {

constexpr const char* kServiceName = "kubernetes.io/service-name";

std::string key_of(const kube::ObjectMeta& metadata) { return metadata.namespace_ + "/" + metadata.name; }

std::vector<IpAddr> parsed_addresses(const kube::Node& node) {
  std::vector<IpAddr> out;
  for (const auto& item : node.status.addresses) {
    auto ip = IpAddr::parse(item.address);
    if (ip && std::ranges::count(out, *ip) == 0) out.push_back(*ip);
  }
  return out;
}

/// All that the key has.
std::string text_of(const SubjectKey& key) {
  std::string out;
  for (const auto& [policy, selection] : key.policies) out += fmt::format("{} {}\n", policy, selection);
  for (const auto& port : key.ports) out += fmt::format("{} {} {}\n", port.name, port.protocol, port.port);
  return out + fmt::format("{}", key.flags);
}

/// Of whom it selects: another for others.
uint64_t selection_of(const Policy& policy) {
  return fnv1a(fmt::format("{} {}\n{}", policy.selects, policy.namespaces ? policy.namespaces->str() : "-",
                           policy.pods.str()));
}

}  // namespace

PolicyPlan::PolicyPlan(PlanOptions options) : options_(std::move(options)) {}

void PolicyPlan::put(const kube::Pod& pod) {
  change_pod(key_of(pod.metadata), std::make_shared<const PodFacts>(facts_of(pod)));
}

void PolicyPlan::erase(const kube::Pod& pod) { change_pod(key_of(pod.metadata), nullptr); }

void PolicyPlan::change_pod(const std::string& key, PodPtr now) {
  auto at = pods_.find(key);
  auto before = at == pods_.end() ? nullptr : at->second.facts;
  if (before == now || (before && now && *before == *now)) return;
  identities_.change_pod(before, now);
  auto namespace_ = (now ? now : before)->namespace_;
  if (!now) {
    local_pods_.erase(key);
    leave(key, at->second);
    if (at->second.entry) removed_pods_.emplace(key, std::move(*at->second.entry));
    pods_.erase(at);
    namespaces_[namespace_].pods.erase(key);
    return forget_if_empty(namespace_);
  }
  auto& record = pods_[key];
  if (auto removed = removed_pods_.extract(key)) record.entry = std::move(removed.mapped());
  record.facts = now;
  record.local = now->counts() && (options_.node.empty() || options_.node == now->node);
  if (record.local)
    local_pods_.insert(key);
  else
    local_pods_.erase(key);
  namespaces_[namespace_].pods.insert(key);
  touched_pods_.insert(key);
}

void PolicyPlan::put(const kube::Namespace& namespace_) {
  auto audit = namespace_.metadata.annotations.find(kAuditAnnotation);
  change_namespace(namespace_.metadata.name, namespace_.metadata.labels,
                   audit != namespace_.metadata.annotations.end() && audit->second == "true");
}

void PolicyPlan::erase(const kube::Namespace& namespace_) {
  change_namespace(namespace_.metadata.name, {}, false);
}

void PolicyPlan::change_namespace(const std::string& name, const kube::StringMap& labels, bool audit) {
  auto& record = namespaces_[name];
  if (record.labels != labels) {
    std::vector<PodPtr> pods;
    for (const auto& key : record.pods) pods.push_back(pods_.find(key)->second.facts);
    identities_.set_namespace(name, labels, pods);
    touched_pods_.insert(record.pods.begin(), record.pods.end());
    record.labels = labels;
  }
  if (record.audit == audit) return forget_if_empty(name);
  record.audit = audit;
  for (const auto& key : record.policies) {
    auto& policy = policies_.find(key)->second;
    policy.in_force = in_force(policy.written);
    touch_subjects(policy, true);
  }
  forget_if_empty(name);
}

void PolicyPlan::forget_if_empty(const std::string& namespace_) {
  const auto& record = namespaces_[namespace_];
  if (record.labels.empty() && !record.audit && record.pods.empty() && record.policies.empty())
    namespaces_.erase(namespace_);
}

void PolicyPlan::put(const kube::NetworkPolicy& policy) {
  change_policy(key_of(policy.metadata), compile(policy));
}
void PolicyPlan::put(const kube::ClusterNetworkPolicy& policy) {
  change_policy(policy.metadata.name, compile(policy));
}
void PolicyPlan::erase(const kube::NetworkPolicy& policy) { change_policy(key_of(policy.metadata), nullptr); }
void PolicyPlan::erase(const kube::ClusterNetworkPolicy& policy) {
  change_policy(policy.metadata.name, nullptr);
}

PolicyPtr PolicyPlan::in_force(const PolicyPtr& written) const {
  auto at = namespaces_.find(written->namespace_);
  bool audit = written->tier == Tier::network_policy && at != namespaces_.end() && at->second.audit;
  if (!audit || written->audit) return written;
  auto copy = std::make_shared<Policy>(*written);
  copy->audit = true;
  return copy;
}

void PolicyPlan::change_policy(const std::string& key, PolicyPtr now) {
  auto at = policies_.find(key);
  if (at == policies_.end() && !now) return;
  auto before = at == policies_.end() ? nullptr : at->second.in_force;
  auto in_force_now = now ? in_force(now) : nullptr;
  bool selects_others = touch_selected(before.get(), in_force_now.get());
  if (now) name_parts(*now, true);
  if (before) replaced_.push_back(before);
  auto& record = at == policies_.end() ? policies_[key] : at->second;
  bool other_flags = !before || !now || !same_mode(*before, *in_force_now);
  auto selection = now ? selection_of(*in_force_now) : record.selection;
  selects_others = std::exchange(record.selection, selection) != selection || selects_others;
  touch_subjects(record, selects_others || other_flags);
  const auto& any = now ? *now : *before;
  auto& keys = any.tier == Tier::network_policy ? namespaces_[any.namespace_].policies : cluster_policies_;
  if (!now) {
    keys.erase(key);
    policies_.erase(at);
    if (before->tier == Tier::network_policy) forget_if_empty(before->namespace_);
    return;
  }
  keys.insert(key);
  record.written = std::move(now);
  record.in_force = std::move(in_force_now);
}

void PolicyPlan::name_parts(const Policy& policy, bool add) {
  for (const auto& network : policy.networks)
    add ? identities_.add_network(network) : identities_.remove_network(network);
  for (const auto& domain : policy.domains)
    add ? identities_.add_domain(domain) : identities_.remove_domain(domain);
  for (const auto& matcher : policy.nodes)
    add ? identities_.add_node_matcher(matcher) : identities_.remove_node_matcher(matcher);
}

bool PolicyPlan::selects(const Policy& policy, const PodFacts& pod) const {
  static const kube::StringMap kNone;
  auto at = namespaces_.find(pod.namespace_);
  return policy.selects_pod(pod.namespace_, at == namespaces_.end() ? kNone : at->second.labels, pod.labels);
}

/// `with_pods`: they may have other subjects, too.
void PolicyPlan::touch_subjects(const PolicyRecord& policy, bool with_pods) {
  for (uint32_t number : policy.subjects) {
    touched_subjects_.insert(number);
    const auto& pods = subjects_.at(number).pods;
    if (with_pods) touched_pods_.insert(pods.begin(), pods.end());
  }
}

/// Pods that only one of the two selects, or that it makes a difference to whose ports have names. Returns
/// whether there are any of the first kind.
bool PolicyPlan::touch_selected(const Policy* before, const Policy* now) {
  const auto& any = before ? *before : *now;
  auto namespace_ = namespaces_.find(any.namespace_);
  static const std::set<std::string> kNone;
  const auto& pods = any.tier != Tier::network_policy  ? local_pods_
                     : namespace_ == namespaces_.end() ? kNone
                                                       : namespace_->second.pods;
  bool names =
      (before && before->has_names(Direction::ingress)) != (now && now->has_names(Direction::ingress));
  bool selects_others = false;
  for (const auto& key : pods) {
    const auto& pod = pods_.find(key)->second;
    if (!pod.local) continue;
    bool was = before && selects(*before, *pod.facts), is = now && selects(*now, *pod.facts);
    selects_others = selects_others || was != is;
    if (was != is || (is && names)) touched_pods_.insert(key);
  }
  return selects_others;
}

void PolicyPlan::put(const kube::Node& node) {
  auto addresses = parsed_addresses(node);
  node_addresses_[node.metadata.name] = {addresses.begin(), addresses.end()};
  identities_.set_node(node.metadata.name, node.metadata.labels, std::move(addresses));
}

void PolicyPlan::erase(const kube::Node& node) {
  node_addresses_.erase(node.metadata.name);
  identities_.erase_node(node.metadata.name);
}

void PolicyPlan::put(const kube::EndpointSlice& slice) {
  auto service = slice.metadata.labels.find(kServiceName);
  if (slice.metadata.namespace_ != kDnsNamespace || service == slice.metadata.labels.end() ||
      service->second != kDnsService)
    return erase(slice);
  auto& addresses = dns_slices_[slice.metadata.name];
  addresses.clear();
  for (const auto& endpoint : slice.endpoints) {
    for (const auto& text : endpoint.addresses) {
      if (auto address = IpAddr::parse(text)) addresses.insert(*address);
    }
  }
  settle_dns();
}

void PolicyPlan::erase(const kube::EndpointSlice& slice) {
  if (slice.metadata.namespace_ == kDnsNamespace && dns_slices_.erase(slice.metadata.name) > 0) settle_dns();
}

void PolicyPlan::settle_dns() {
  std::set<IpAddr> all;
  for (const auto& [slice, addresses] : dns_slices_) all.insert(addresses.begin(), addresses.end());
  identities_.set_dns(std::move(all));
}

void PolicyPlan::put_domain_address(std::string_view name, const IpAddr& address) {
  identities_.learn(domain_name(name), address);
}

void PolicyPlan::erase_domain_address(std::string_view name, const IpAddr& address) {
  identities_.unlearn(domain_name(name), address);
}

SubjectKey PolicyPlan::subject_key(const PodFacts& pod) const {
  SubjectKey out;
  std::vector<PolicyPtr> policies;
  bool names = false;
  auto add = [&](const std::set<std::string>& keys) {
    for (const auto& key : keys) {
      const auto& policy = policies_.find(key)->second.in_force;
      if (!selects(*policy, pod)) continue;
      out.policies.push_back({key, policies_.find(key)->second.selection});
      policies.push_back(policy);
      names = names || policy->has_names(Direction::ingress);
    }
  };
  if (auto at = namespaces_.find(pod.namespace_); at != namespaces_.end()) add(at->second.policies);
  add(cluster_policies_);
  std::ranges::sort(out.policies);
  if (names) out.ports = pod.ports;
  out.flags = flags_of(policies);
  return out;
}

uint32_t PolicyPlan::subject_of(SubjectKey key) {
  if (auto at = subject_by_key_.find(key); at != subject_by_key_.end()) return at->second;
  uint32_t number =
      stable_number(text_of(key), kFirstNumber, [this](uint32_t n) { return subjects_.contains(n); });
  subject_by_key_.emplace(key, number);
  subjects_.emplace(number, SubjectRecord{Subject(number, std::move(key)), {}});
  touched_subjects_.insert(number);
  return number;
}

void PolicyPlan::leave(const std::string& key, PodRecord& pod) {
  if (pod.subject == 0) return;
  auto& record = subjects_.at(pod.subject);
  record.pods.erase(key);
  if (record.pods.empty()) left_subjects_.insert(pod.subject);
  pod.subject = 0;
}

void PolicyPlan::assign(const std::string& key) {
  auto at = pods_.find(key);
  if (at == pods_.end()) return;
  auto& pod = at->second;
  moved_pods_.insert(key);
  if (!pod.local) return leave(key, pod);
  uint32_t number = subject_of(subject_key(*pod.facts));
  if (number == pod.subject) return;
  leave(key, pod);
  pod.subject = number;
  subjects_.at(number).pods.insert(key);
}

void PolicyPlan::build(Subject& subject, VerdictChanges changes) {
  std::vector<PolicyPtr> policies;
  for (const auto& [key, selection] : subject.key().policies) {
    auto& record = policies_.find(key)->second;
    record.subjects.insert(subject.number());
    policies.push_back(record.in_force);
  }
  subject.build(std::move(policies), identities_, matchers_, reasons_, changes);
}

void PolicyPlan::drop(uint32_t number, VerdictChanges changes) {
  auto at = subjects_.find(number);
  if (at == subjects_.end() || !at->second.pods.empty()) return;
  auto& subject = at->second.subject;
  subject.clear(matchers_, changes);
  for (const auto& [key, selection] : subject.key().policies) {
    if (auto policy = policies_.find(key); policy != policies_.end()) policy->second.subjects.erase(number);
  }
  subject_by_key_.erase(subject.key());
  subjects_.erase(at);
}

void PolicyPlan::settle_identities(PlanChanges& changes) {
  auto settled = identities_.settle();
  for (uint32_t number : settled.made) {
    for (uint32_t subject : matchers_.add(*identities_.find(number))) touched_peers_.emplace(subject, number);
  }
  VerdictChanges verdicts{changes.verdicts, changes.verdicts_removed};
  settle_peers(verdicts);
  // While there are verdicts for both.
  for (auto [was, now] : settled.moved) changes.narrowed.merge(narrowed_by(was, now));
  for (uint32_t number : settled.unused) {
    for (uint32_t subject : matchers_.remove(*identities_.find(number)))
      touched_peers_.emplace(subject, number);
    identities_.forget(number);
  }
  changes.identities = std::move(settled.put);
  changes.identities_removed = std::move(settled.removed);
  settle_peers(verdicts);
  put_in_order(changes);
}

std::set<uint32_t> PolicyPlan::narrowed_by(uint32_t was, uint32_t now) const {
  std::set<uint32_t> out;
  for (uint32_t number : {was, now}) {
    if (const auto* identity = identities_.find(number)) out.merge(matchers_.subjects_of(*identity));
  }
  std::erase_if(out, [&](uint32_t subject) { return !subjects_.at(subject).subject.may_narrow(was, now); });
  return out;
}

void PolicyPlan::settle_peers(VerdictChanges changes) {
  for (auto [number, peer] : touched_peers_)
    subjects_.at(number).subject.update(peer, identities_, reasons_, changes);
  touched_peers_.clear();
}

void PolicyPlan::settle_subjects(VerdictChanges changes) {
  for (const auto& key : touched_pods_) assign(key);
  touched_pods_.clear();
  for (uint32_t number : left_subjects_) drop(number, changes);
  left_subjects_.clear();
  for (uint32_t number : touched_subjects_) {
    if (auto at = subjects_.find(number); at != subjects_.end()) build(at->second.subject, changes);
  }
  touched_subjects_.clear();
}

void PolicyPlan::add_entry(const std::string& key, PlanChanges& changes) {
  auto at = pods_.find(key);
  if (at == pods_.end()) return;
  auto& pod = at->second;
  if (pod.subject == 0) {
    if (pod.entry) removed_pods_.emplace(key, std::move(*pod.entry));
    pod.entry.reset();
    return;
  }
  uint32_t report = pod.facts->report_allowed ? WEFT_POLICY_REPORT_ALLOWED : 0;
  PodEntry entry{key, pod.facts->uid, pod.subject, subjects_.at(pod.subject).subject.key().flags | report};
  if (pod.entry == entry) return;
  pod.entry = entry;
  changes.pods.push_back(std::move(entry));
}

void PolicyPlan::settle_pods(PlanChanges& changes) {
  for (const auto& key : moved_pods_) add_entry(key, changes);
  std::ranges::copy(removed_pods_ | std::views::keys, std::back_inserter(changes.pods_removed));
  moved_pods_.clear();
  removed_pods_.clear();
}

/// Longer prefixes before those that hold them, and peers' own entries before those that they fall back to:
/// whatever is looked up between two writes is found as it was or as it will be. Removed in turn.
void PolicyPlan::put_in_order(PlanChanges& changes) const {
  auto rank = [](const VerdictKey& key) { return std::tuple(key.peer == WEFT_IDENTITY_ANY, -key.bits, key); };
  std::ranges::sort(changes.verdicts, {}, [&](const VerdictEntry& entry) { return rank(entry.key); });
  std::ranges::sort(changes.verdicts_removed, std::greater(), rank);
  auto unused = [this](const VerdictKey& key) {
    return !subjects_.contains(key.subject) || (key.peer != WEFT_IDENTITY_ANY && !identities_.find(key.peer));
  };
  std::ranges::copy_if(changes.verdicts_removed, std::back_inserter(changes.verdicts_unused), unused);
  std::erase_if(changes.verdicts_removed, unused);
  auto length = [](const auto& entry) { return -entry.first.length; };
  std::ranges::sort(changes.identities, {}, length);
  std::ranges::sort(changes.identities_removed, {}, &IpPrefix::length);
}

std::vector<PlanChanges> PolicyPlan::take_changes() {
  std::vector<PlanChanges> steps(3);
  settle_identities(steps[0]);
  settle_subjects({steps[1].verdicts, steps[1].verdicts_removed});
  settle_pods(steps[1]);
  put_in_order(steps[1]);
  for (const auto& policy : replaced_) name_parts(*policy, false);
  replaced_.clear();
  settle_identities(steps[2]);
  std::erase_if(steps, [](const PlanChanges& step) { return step.empty(); });
  return steps;
}

PlanChanges PolicyPlan::everything() const {
  PlanChanges out;
  out.identities = identities_.prefixes();
  for (const auto& pod : pods_ | std::views::values) {
    if (pod.entry) out.pods.push_back(*pod.entry);
  }
  for (const auto& record : subjects_ | std::views::values) record.subject.append_all(out.verdicts);
  return out;
}

}  // namespace weft::policy
