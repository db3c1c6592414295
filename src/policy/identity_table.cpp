#include "policy/identity_table.h"

#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <ranges>
#include <tuple>

#include "datapath/policy_layout.h"
#include "policy/numbers.h"

namespace weft::policy {
namespace {

const IpPrefix kAllV4 = *IpPrefix::parse("0.0.0.0/0");

/// The kernel looks IPv4 addresses up as v4-mapped IPv6 ones. A network of IPv6 that holds those must not
/// speak for them.
bool holds_mapped(const IpPrefix& network) {
  static const IpPrefix kMapped = *IpPrefix::parse("::ffff:0:0/96");
  return network.addr.is_v6() && network.contains(kMapped);
}

void append(std::string& out, const kube::StringMap& labels) {
  for (const auto& [key, value] : labels) out += fmt::format("{}={}\n", key, value);
  out += '\n';
}

/// As the usual manifests of DNS servers have them.
Peer dns_peer(kube::StringMap namespace_labels) {
  Peer out;
  out.dns = true;
  out.namespace_ = kDnsNamespace;
  out.namespace_labels = std::move(namespace_labels);
  out.labels.insert(kDnsLabel);
  out.ports = {{"dns", IPPROTO_UDP, kDnsPort}, {"dns-tcp", IPPROTO_TCP, kDnsPort}};
  return out;
}

/// All that the peer is.
std::string text_of(const Peer& peer) {
  std::string out = fmt::format("{}{} {}\n", peer.pod, peer.dns ? " dns" : "", peer.namespace_);
  append(out, peer.namespace_labels);
  append(out, peer.labels);
  for (const auto& port : peer.ports) out += fmt::format("{} {} {}\n", port.name, port.protocol, port.port);
  for (const auto& node : peer.nodes) out += '\n' + node;
  out += fmt::format("\n{}\n", peer.network ? peer.network->str() : "");
  for (const auto& domain : peer.domains) out += '\n' + domain;
  return out;
}

}  // namespace

IdentityTable::Place& IdentityTable::touch(const IpPrefix& prefix) {
  touched_.insert(prefix);
  return places_[prefix];
}

void IdentityTable::touch_all_in(const IpPrefix& network) {
  for (auto at = places_.lower_bound(network); at != places_.end() && network.contains(at->first); ++at)
    touched_.insert(at->first);
}

void IdentityTable::change_pod(const PodPtr& before, const PodPtr& now) {
  if (before) {
    for (const auto& address : before->addresses) std::erase(touch(address).pods, before);
  }
  if (now) {
    for (const auto& address : now->addresses) touch(address).pods.push_back(now);
  }
}

void IdentityTable::set_namespace(const std::string& name, const kube::StringMap& labels,
                                  const std::vector<PodPtr>& pods) {
  auto& known = namespaces_[name];
  if (known != labels) {
    for (const auto& pod : pods) {
      for (const auto& address : pod->addresses) touch(address);
    }
    if (name == kDnsNamespace) {
      for (const auto& address : dns_) touch(address);
    }
  }
  known = labels;
  if (labels.empty()) namespaces_.erase(name);
}

void IdentityTable::match_node(NodeFacts& node) {
  std::vector<std::string> keys;
  for (const auto& [key, matcher] : node_matchers_) {
    if (matcher.first->labels.matches(node.labels)) keys.push_back(key);
  }
  if (keys == node.matchers) return;
  node.matchers = std::move(keys);
  for (const auto& address : node.addresses) touch(address);
}

void IdentityTable::set_node(const std::string& name, const kube::StringMap& labels,
                             std::vector<IpAddr> addresses) {
  auto& node = nodes_[name];
  if (node.addresses != addresses) {
    for (const auto& address : node.addresses) std::erase(touch(address).nodes, name);
    for (const auto& address : addresses) touch(address).nodes.push_back(name);
    node.addresses = std::move(addresses);
  }
  node.labels = labels;
  match_node(node);
}

void IdentityTable::erase_node(const std::string& name) {
  auto at = nodes_.find(name);
  if (at == nodes_.end()) return;
  for (const auto& address : at->second.addresses) std::erase(touch(address).nodes, name);
  nodes_.erase(at);
}

void IdentityTable::set_dns(std::set<IpAddr> addresses) {
  for (const auto& address : dns_) touch(address).dns = false;
  for (const auto& address : addresses) touch(address).dns = true;
  dns_ = std::move(addresses);
}

void IdentityTable::change_network(const IpPrefix& network, int by) {
  auto& place = touch(network);
  bool was = place.networks > 0;
  place.networks += by;
  if (was == (place.networks > 0)) return;
  lengths_[network.addr.is_v6()][network.length] += by;
  touch_all_in(network);
  if (holds_mapped(network)) touch(kAllV4).guards += by;
}

void IdentityTable::add_network(const IpPrefix& network) { change_network(network, 1); }
void IdentityTable::remove_network(const IpPrefix& network) { change_network(network, -1); }

void IdentityTable::add_node_matcher(const MatcherPtr& matcher) {
  auto& [known, count] = node_matchers_[matcher->key];
  known = matcher;
  if (count++ > 0) return;
  for (auto& node : nodes_ | std::views::values) match_node(node);
}

void IdentityTable::remove_node_matcher(const MatcherPtr& matcher) {
  auto at = node_matchers_.find(matcher->key);
  if (at == node_matchers_.end() || --at->second.second > 0) return;
  node_matchers_.erase(at);
  for (auto& node : nodes_ | std::views::values) match_node(node);
}

void IdentityTable::touch_learned(const std::string& pattern) {
  for (const auto& [name, addresses] : learned_) {
    if (!domain_matches(pattern, name)) continue;
    for (const auto& address : addresses) touch(address);
  }
}

void IdentityTable::add_domain(const std::string& pattern) {
  if (domains_[pattern]++ == 0) touch_learned(pattern);
}

void IdentityTable::remove_domain(const std::string& pattern) {
  auto at = domains_.find(pattern);
  if (at == domains_.end() || --at->second > 0) return;
  domains_.erase(at);
  touch_learned(pattern);
}

void IdentityTable::learn(const std::string& name, const IpAddr& address) {
  if (learned_[name].insert(address).second) touch(address).names.insert(name);
}

void IdentityTable::unlearn(const std::string& name, const IpAddr& address) {
  auto at = learned_.find(name);
  if (at == learned_.end() || at->second.erase(address) == 0) return;
  if (at->second.empty()) learned_.erase(at);
  touch(address).names.erase(name);
}

std::optional<IpPrefix> IdentityTable::smallest_network(const IpPrefix& prefix) const {
  const auto& lengths = lengths_[prefix.addr.is_v6()];
  for (int length = prefix.length; length >= 0; --length) {
    if (lengths[length] == 0) continue;
    IpPrefix network{IpPrefix{prefix.addr, length}.base(), length};
    auto at = places_.find(network);
    if (at != places_.end() && at->second.networks > 0) return network;
  }
  return std::nullopt;
}

std::vector<std::string> IdentityTable::domains_of(const Place& place) const {
  std::set<std::string> out;
  for (const auto& name : place.names) {
    if (domains_.contains(name)) out.insert(name);
    for (auto dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      auto pattern = "*" + name.substr(dot);
      if (domains_.contains(pattern)) out.insert(std::move(pattern));
    }
  }
  return {out.begin(), out.end()};
}

/// When a pod ends and its address is another's, the other has it though the first is still there.
PodPtr IdentityTable::owner(const Place& place) {
  if (place.pods.empty()) return nullptr;
  return *std::ranges::max_element(place.pods, {}, [](const PodPtr& pod) {
    return std::tuple(!pod->terminating, std::string_view(pod->created), std::string_view(pod->key));
  });
}

/// Nothing: there is no need for the prefix, for a network that holds it says the same.
std::optional<Peer> IdentityTable::peer_at(const IpPrefix& prefix, const Place& place) const {
  Peer peer;
  auto labels_of = [this](const std::string& name) {
    auto labels = namespaces_.find(name);
    return labels == namespaces_.end() ? kube::StringMap{} : labels->second;
  };
  if (auto pod = owner(place))
    peer = peer_of(*pod, labels_of(pod->namespace_));
  else if (place.dns)
    peer = dns_peer(labels_of(kDnsNamespace));
  std::set<std::string> matchers;
  for (const auto& name : place.nodes) {
    const auto& keys = nodes_.at(name).matchers;
    matchers.insert(keys.begin(), keys.end());
  }
  peer.nodes = {matchers.begin(), matchers.end()};
  peer.domains = domains_of(place);
  bool special = peer.pod || peer.dns || !peer.nodes.empty() || !peer.domains.empty();
  if (!special && place.networks == 0 && place.guards == 0) return std::nullopt;
  peer.network = smallest_network(prefix);
  return peer;
}

uint32_t IdentityTable::number_of(Peer peer, IdentityChanges& changes) {
  if (peer == Peer{}) return WEFT_IDENTITY_ANY;
  if (auto at = by_peer_.find(peer); at != by_peer_.end()) return at->second;
  uint32_t number =
      stable_number(text_of(peer), kFirstNumber, [this](uint32_t n) { return identities_.contains(n); });
  by_peer_.emplace(peer, number);
  identities_.emplace(
      number,
      Identity{.number = number, .peer = std::move(peer), .prefixes = 0, .matchers = {}, .dns_matchers = {}});
  changes.made.push_back(number);
  return number;
}

IdentityChanges IdentityTable::settle() {
  IdentityChanges changes;
  std::set<uint32_t> left;
  for (const auto& prefix : touched_) {
    auto at = places_.find(prefix);
    if (at == places_.end()) continue;
    auto& place = at->second;
    auto peer = peer_at(prefix, place);
    std::optional<uint32_t> now;
    if (peer) now = number_of(std::move(*peer), changes);
    if (now != place.identity) {
      if (auto* identity = now ? find(*now) : nullptr) ++identity->prefixes;
      auto* before = place.identity ? find(*place.identity) : nullptr;
      if (before && --before->prefixes == 0) left.insert(before->number);
      if (place.identity && now) changes.moved.emplace(*place.identity, *now);
      place.identity = now;
      if (now)
        changes.put.emplace_back(prefix, *now);
      else
        changes.removed.push_back(prefix);
    }
    if (place.unknown()) places_.erase(at);
  }
  touched_.clear();
  for (uint32_t number : left) {
    if (find(number)->prefixes == 0) changes.unused.push_back(number);
  }
  return changes;
}

void IdentityTable::forget(uint32_t number) {
  auto at = identities_.find(number);
  if (at == identities_.end()) return;
  by_peer_.erase(at->second.peer);
  identities_.erase(at);
}

const Identity* IdentityTable::find(uint32_t number) const {
  auto at = identities_.find(number);
  return at == identities_.end() ? nullptr : &at->second;
}

Identity* IdentityTable::find(uint32_t number) {
  auto at = identities_.find(number);
  return at == identities_.end() ? nullptr : &at->second;
}

uint32_t IdentityTable::identity_of(const IpAddr& address) const {
  IpPrefix whole{address, address.bits()};
  if (auto at = places_.find(whole); at != places_.end() && at->second.identity) return *at->second.identity;
  auto network = smallest_network(whole);
  return network ? places_.at(*network).identity.value_or(WEFT_IDENTITY_ANY) : WEFT_IDENTITY_ANY;
}

PodPtr IdentityTable::pod_at(const IpAddr& address) const {
  auto at = places_.find({address, address.bits()});
  return at == places_.end() ? nullptr : owner(at->second);
}

std::vector<std::pair<IpPrefix, uint32_t>> IdentityTable::prefixes() const {
  std::vector<std::pair<IpPrefix, uint32_t>> out;
  for (const auto& [prefix, place] : places_) {
    if (place.identity) out.emplace_back(prefix, *place.identity);
  }
  return out;
}

}  // namespace weft::policy
