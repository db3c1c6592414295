#include "policy/matcher_table.h"

#include <algorithm>
#include <ranges>

namespace weft::policy {
namespace {

void erase_from(auto& shelves, const auto& key, uint32_t number) {
  auto at = shelves.find(key);
  if (at == shelves.end()) return;
  at->second.erase(number);
  if (at->second.empty()) shelves.erase(at);
}

/// Where a matcher of the identity belongs; nullptr: it is none.
std::vector<uint32_t>* list_for(const PeerMatcher& matcher, Identity& identity) {
  if (matcher.matches(identity.peer)) return &identity.matchers;
  return matcher.matches_dns(identity.peer) ? &identity.dns_matchers : nullptr;
}

}  // namespace

std::vector<uint32_t> MatcherTable::candidates(const PeerMatcher& matcher) const {
  std::vector<uint32_t> out;
  if (matcher.kind == PeerMatcher::Kind::pods && !matcher.namespaces) {
    auto at = identities_by_namespace_.find(matcher.namespace_);
    if (at != identities_by_namespace_.end()) out.assign(at->second.begin(), at->second.end());
  } else if (matcher.kind == PeerMatcher::Kind::network) {
    auto at = identities_by_network_.lower_bound(matcher.network);
    for (; at != identities_by_network_.end() && matcher.network.contains(at->first); ++at)
      out.insert(out.end(), at->second.begin(), at->second.end());
  } else {
    for (uint32_t number : identities_.all() | std::views::keys) out.push_back(number);
  }
  return out;
}

std::vector<uint32_t> MatcherTable::candidates(const Peer& peer) const {
  std::vector<uint32_t> out(others_.begin(), others_.end());
  auto add = [&out](const std::set<uint32_t>& shelf) { out.insert(out.end(), shelf.begin(), shelf.end()); };
  if (peer.pod || peer.dns) {
    add(pods_by_labels_);
    if (auto at = pods_by_namespace_.find(peer.namespace_); at != pods_by_namespace_.end()) add(at->second);
  }
  for (int length = peer.network ? peer.network->length : -1; length >= 0; --length) {
    IpPrefix network{IpPrefix{peer.network->addr, length}.base(), length};
    if (auto at = networks_.find(network); at != networks_.end()) add(at->second);
  }
  return out;
}

std::set<uint32_t>& MatcherTable::shelf(const PeerMatcher& matcher) {
  switch (matcher.kind) {
    case PeerMatcher::Kind::pods:
      return matcher.namespaces ? pods_by_labels_ : pods_by_namespace_[matcher.namespace_];
    case PeerMatcher::Kind::network:
      return networks_[matcher.network];
    default:
      return others_;
  }
}

uint32_t MatcherTable::use(const MatcherPtr& matcher, uint32_t subject) {
  if (auto at = by_key_.find(matcher->key); at != by_key_.end()) {
    used_.at(at->second).subjects.insert(subject);
    return at->second;
  }
  uint32_t number = numbers_.take([this](uint32_t n) { return used_.contains(n); });
  by_key_.emplace(matcher->key, number);
  shelf(*matcher).insert(number);
  Used used{.matcher = matcher, .members = {}, .subjects = {subject}};
  for (uint32_t candidate : candidates(*matcher)) {
    auto* identity = identities_.find(candidate);
    auto* list = identity ? list_for(*matcher, *identity) : nullptr;
    if (!list) continue;
    used.members.insert(candidate);
    list->insert(std::ranges::lower_bound(*list, number), number);
  }
  used_.emplace(number, std::move(used));
  return number;
}

void MatcherTable::release(uint32_t number, uint32_t subject) {
  auto at = used_.find(number);
  if (at == used_.end()) return;
  auto& used = at->second;
  used.subjects.erase(subject);
  if (!used.subjects.empty()) return;
  for (uint32_t member : used.members) {
    auto* identity = identities_.find(member);
    std::erase(identity->matchers, number);
    std::erase(identity->dns_matchers, number);
  }
  const auto& matcher = *used.matcher;
  shelf(matcher).erase(number);
  if (matcher.kind == PeerMatcher::Kind::network) erase_from(networks_, matcher.network, number);
  if (matcher.kind == PeerMatcher::Kind::pods) erase_from(pods_by_namespace_, matcher.namespace_, number);
  by_key_.erase(matcher.key);
  used_.erase(at);
}

std::set<uint32_t> MatcherTable::add(Identity& identity) {
  const auto& peer = identity.peer;
  if (peer.pod || peer.dns) identities_by_namespace_[peer.namespace_].insert(identity.number);
  if (peer.network) identities_by_network_[*peer.network].insert(identity.number);
  identity.matchers.clear();
  identity.dns_matchers.clear();
  std::set<uint32_t> subjects;
  for (uint32_t number : candidates(peer)) {
    auto& used = used_.at(number);
    auto* list = list_for(*used.matcher, identity);
    if (!list) continue;
    used.members.insert(identity.number);
    list->push_back(number);
    subjects.insert(used.subjects.begin(), used.subjects.end());
  }
  std::ranges::sort(identity.matchers);
  std::ranges::sort(identity.dns_matchers);
  return subjects;
}

std::set<uint32_t> MatcherTable::subjects_of(const Identity& identity) const {
  std::set<uint32_t> out;
  for (const auto* list : {&identity.matchers, &identity.dns_matchers}) {
    for (uint32_t number : *list) {
      const auto& subjects = used_.at(number).subjects;
      out.insert(subjects.begin(), subjects.end());
    }
  }
  return out;
}

std::set<uint32_t> MatcherTable::remove(const Identity& identity) {
  auto subjects = subjects_of(identity);
  for (const auto* list : {&identity.matchers, &identity.dns_matchers}) {
    for (uint32_t number : *list) used_.at(number).members.erase(identity.number);
  }
  if (identity.peer.pod || identity.peer.dns)
    erase_from(identities_by_namespace_, identity.peer.namespace_, identity.number);
  if (identity.peer.network) erase_from(identities_by_network_, *identity.peer.network, identity.number);
  return subjects;
}

}  // namespace weft::policy
