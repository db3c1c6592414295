#include "service/announce_plan.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/fnv.h"
#include "kube/node_addresses.h"

namespace weft::service {
namespace {

constexpr const char* kExcluded = "node.kubernetes.io/exclude-from-external-load-balancers";
constexpr std::string_view kOurClass = "weft.dev/weft";
constexpr size_t kNamedNodes = 8;  ///< in a line for people

uint64_t mix(uint64_t hash) {
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ULL;
  return hash ^ (hash >> 33);
}

/// The same everywhere, or nodes would disagree.
template <class Bytes>
uint64_t hash_of(const Bytes& bytes) {
  return mix(fnv1a(bytes));
}

/// As for backends: what is ready, or what serves until it ends.
bool is_usable(const kube::EndpointConditions& conditions) {
  bool ready = conditions.ready.value_or(true);
  return ready || (conditions.serving.value_or(ready) && conditions.terminating.value_or(false));
}

bool offers(const kube::EndpointSlice& slice, const kube::Service& service) {
  return std::ranges::any_of(slice.ports, [&](const kube::EndpointPort& offered) {
    return offered.port && std::ranges::any_of(service.spec.ports, [&](const kube::ServicePort& port) {
             return port.name == offered.name.value_or("") &&
                    port.protocol == offered.protocol.value_or("TCP");
           });
  });
}

}  // namespace

AnnounceNode announce_node(const kube::Node& node) {
  AnnounceNode out;
  out.addresses = kube::internal_addresses(node);
  std::ranges::stable_partition(out.addresses, &IpAddr::is_v4);
  out.excluded = node.metadata.labels.contains(kExcluded);
  out.ready = std::ranges::any_of(node.status.conditions,
                                  [](const auto& c) { return c.type == "Ready" && c.status == "True"; });
  return out;
}

std::vector<IpAddr> announced_addresses(const kube::Service& service) {
  std::vector<IpAddr> out;
  if (service.spec.type != "LoadBalancer") return out;
  if (service.spec.loadBalancerClass.value_or(std::string(kOurClass)) != kOurClass) return out;
  for (const auto& ingress : service.status.loadBalancer.ingress) {
    auto addr = ingress.ipMode.value_or("VIP") == "VIP" ? IpAddr::parse(ingress.ip) : std::nullopt;
    if (!addr || addr->is_multicast() || addr->is_loopback() || addr->is_unspecified()) continue;
    if (std::ranges::find(out, *addr) == out.end()) out.push_back(*addr);
  }
  return out;
}

std::set<std::string> nodes_with_endpoints(const kube::Service& service,
                                           const std::map<std::string, SlicePtr>& slices, bool v6) {
  std::set<std::string> out;
  for (const auto& [name, slice] : slices) {
    if (slice->addressType != (v6 ? "IPv6" : "IPv4") || !offers(*slice, service)) continue;
    for (const auto& endpoint : slice->endpoints) {
      if (endpoint.nodeName && is_usable(endpoint.conditions)) out.insert(*endpoint.nodeName);
    }
  }
  return out;
}

AnnouncePlanner::Changes AnnouncePlanner::begin(std::set<std::string> alive) {
  begun_ = true;
  alive_ = std::move(alive);
  Changes changes;
  for (const auto& [addr, record] : addresses_) decide(addr, changes);
  return changes;
}

AnnouncePlanner::Changes AnnouncePlanner::end() {
  Changes changes;
  begun_ = false;
  alive_.clear();
  claims_.clear();
  orphans_.clear();
  for (auto& [addr, record] : addresses_) {
    record.claimants.clear();
    if (record.announcement == Announcement{}) continue;
    record.announcement = {};
    changes.insert(addr);
  }
  return changes;
}

AnnouncePlanner::Changes AnnouncePlanner::service_changed(const std::string& key, ServicePtr service) {
  Changes changes;
  auto addresses = service ? announced_addresses(*service) : std::vector<IpAddr>();
  auto before = services_.find(key);
  if (before != services_.end()) {
    detach(key, before->second, changes);
    services_.erase(before);
  }
  if (!addresses.empty()) {
    auto& record = services_[key];
    record.service = std::move(service);
    record.addresses = std::move(addresses);
    restrict(record, key);
    attach(key, record, changes);
  }
  Changes touched;
  for (const auto& addr : changes) rescope(addr, touched);
  // Its Services may be others though its owner is the same.
  touched.insert(changes.begin(), changes.end());
  return touched;
}

AnnouncePlanner::Changes AnnouncePlanner::slice_changed(const std::string& service, const std::string& slice,
                                                        SlicePtr after) {
  Changes changes;
  auto& slices = slices_[service];
  if (after) {
    slices[slice] = std::move(after);
  } else {
    slices.erase(slice);
  }
  auto it = services_.find(service);
  if (it != services_.end()) {
    auto before4 = it->second.nodes4, before6 = it->second.nodes6;
    restrict(it->second, service);
    if (it->second.nodes4 != before4 || it->second.nodes6 != before6) {
      for (const auto& addr : it->second.addresses) rescope(addr, changes);
    }
  }
  if (slices.empty()) slices_.erase(service);
  return changes;
}

AnnouncePlanner::Changes AnnouncePlanner::node_changed(const std::string& name,
                                                       std::optional<AnnounceNode> node) {
  Changes changes;
  auto it = nodes_.find(name);
  std::set<IpAddr> taken;  // addresses that begin or cease to be a node's
  const bool is_new = it == nodes_.end();
  const bool could = !is_new && !it->second.facts.excluded;
  if (it != nodes_.end()) {
    for (const auto& addr : it->second.facts.addresses) {
      taken.insert(addr);
      auto& users = node_addresses_[addr];
      users.erase(name);
      if (users.empty()) node_addresses_.erase(addr);
    }
  }
  const bool can = node && !node->excluded;
  if (!node) {
    nodes_.erase(name);
    alive_.erase(name);
  } else {
    for (const auto& addr : node->addresses) {
      taken.insert(addr);
      node_addresses_[addr].insert(name);
    }
    auto& record = nodes_[name];
    record = {.facts = std::move(*node), .hash = hash_of(name)};
    if (can && !could) welcome(name, record, changes);
  }
  if (!can) decide_claims_of(name, changes);
  if (is_new) decide_orphans(changes);
  for (const auto& addr : taken) {
    if (addresses_.contains(addr)) decide(addr, changes);
  }
  return changes;
}

AnnouncePlanner::Changes AnnouncePlanner::alive_changed(const std::string& name, bool alive) {
  Changes changes;
  if (!begun_ || !(alive ? alive_.insert(name).second : alive_.erase(name) > 0)) return changes;
  decide_claims_of(name, changes);
  if (alive) decide_orphans(changes);
  return changes;
}

/// Somebody else may have to speak of them now.
void AnnouncePlanner::decide_orphans(Changes& changes) {
  for (const auto& addr : std::set<IpAddr>(orphans_)) decide(addr, changes);
}

void AnnouncePlanner::decide_claims_of(const std::string& node, Changes& changes) {
  auto claims = claims_.find(node);
  if (claims == claims_.end()) return;
  for (const auto& addr : std::set<IpAddr>(claims->second)) decide(addr, changes);
}

/// A node that comes is asked about each address, and only those it would have are decided anew.
void AnnouncePlanner::welcome(const std::string& name, const NodeRecord& node, Changes& changes) {
  if (!begun_) return;
  std::vector<IpAddr> wanted;
  for (const auto& [addr, record] : addresses_) {
    if (!may_announce(node, name, record)) continue;
    auto owner = nodes_.find(record.announcement.owner);
    if (owner == nodes_.end() || claim_of(owner->second, owner->first, record) < claim_of(node, name, record))
      wanted.push_back(addr);
  }
  for (const auto& addr : wanted) decide(addr, changes);
}

void AnnouncePlanner::restrict(ServiceRecord& record, const std::string& key) const {
  record.nodes4.reset();
  record.nodes6.reset();
  auto slices = slices_.find(key);
  if (record.service->spec.externalTrafficPolicy != "Local" || slices == slices_.end()) return;
  for (bool v6 : {false, true}) {
    auto nodes = nodes_with_endpoints(*record.service, slices->second, v6);
    if (!nodes.empty()) (v6 ? record.nodes6 : record.nodes4) = std::move(nodes);
  }
}

void AnnouncePlanner::attach(const std::string& key, const ServiceRecord& record, Changes& changes) {
  for (const auto& addr : record.addresses) {
    auto& address = addresses_[addr];
    address.hash = hash_of(addr.mapped());
    address.services.insert(key);
    changes.insert(addr);
  }
}

void AnnouncePlanner::detach(const std::string& key, const ServiceRecord& record, Changes& changes) {
  for (const auto& addr : record.addresses) {
    addresses_[addr].services.erase(key);
    changes.insert(addr);
  }
}

/// After its Services, or their endpoints, have changed.
void AnnouncePlanner::rescope(const IpAddr& addr, Changes& changes) {
  auto it = addresses_.find(addr);
  if (it == addresses_.end()) return;
  if (it->second.services.empty()) {
    forget_claims(it->second, addr);
    orphans_.erase(addr);
    addresses_.erase(it);
    changes.insert(addr);
    return;
  }
  scope(addr, it->second);
  decide(addr, changes);
}

void AnnouncePlanner::scope(const IpAddr& addr, AddressRecord& record) const {
  bool all = false;
  record.better.reset();
  Names may;
  for (const auto& key : record.services) {
    const auto& service = services_.at(key);
    const auto& nodes = addr.is_v6() ? service.nodes6 : service.nodes4;
    all = all || !nodes;
    if (!nodes) continue;
    may.insert(nodes->begin(), nodes->end());
    if (!record.better) {
      record.better = nodes;
    } else {
      std::erase_if(*record.better, [&](const auto& name) { return !nodes->contains(name); });
    }
  }
  record.may = all ? std::nullopt : std::optional(std::move(may));
}

AnnouncePlanner::Claim AnnouncePlanner::claim_of(const NodeRecord& node, const std::string& name,
                                                 const AddressRecord& address) {
  return {.better = !address.better || address.better->contains(name), .hash = mix(address.hash ^ node.hash)};
}

bool AnnouncePlanner::may_announce(const NodeRecord& node, const std::string& name,
                                   const AddressRecord& address) const {
  return !node.facts.excluded && (!address.may || address.may->contains(name));
}

void AnnouncePlanner::decide(const IpAddr& addr, Changes& changes) {
  auto& record = addresses_.at(addr);
  if (!begun_) return;
  auto before = record.announcement;
  forget_claims(record, addr);
  settle(record, addr);
  for (const auto& name : record.claimants) claims_[name].insert(addr);
  if (record.announcement.owner.empty()) {
    orphans_.insert(addr);
  } else {
    orphans_.erase(addr);
  }
  if (record.announcement != before) changes.insert(addr);
}

void AnnouncePlanner::settle(AddressRecord& record, const IpAddr& addr) {
  record.announcement = {};
  std::vector<std::pair<Claim, std::string>> claims;
  if (!node_addresses_.contains(addr)) {
    auto add = [&](const std::string& name, const NodeRecord& node) {
      if (may_announce(node, name, record)) claims.emplace_back(claim_of(node, name, record), name);
    };
    if (record.may) {
      for (const auto& name : *record.may) {
        if (auto node = nodes_.find(name); node != nodes_.end()) add(name, node->second);
      }
    } else {
      for (const auto& [name, node] : nodes_) add(name, node);
    }
  }
  std::pair<Claim, std::string>* best = nullptr;
  for (auto& claim : claims) {
    if (alive_.contains(claim.second) && (!best || *best < claim)) best = &claim;
  }
  for (const auto& claim : claims) {
    if (!best || *best < claim || &claim == best) record.claimants.push_back(claim.second);
  }
  if (best) {
    record.announcement.owner = best->second;
    return;
  }
  record.announcement.speaker = speaker_for(record);
  if (!record.announcement.speaker.empty()) record.claimants.push_back(record.announcement.speaker);
}

std::string AnnouncePlanner::speaker_for(const AddressRecord& record) const {
  std::pair<uint64_t, std::string> best;
  for (const auto& name : alive_) {
    auto node = nodes_.find(name);
    if (node != nodes_.end()) best = std::max(best, {mix(record.hash ^ node->second.hash), name});
  }
  return best.second;
}

void AnnouncePlanner::forget_claims(AddressRecord& record, const IpAddr& addr) {
  for (const auto& name : record.claimants) {
    auto claims = claims_.find(name);
    if (claims == claims_.end()) continue;
    claims->second.erase(addr);
    if (claims->second.empty()) claims_.erase(claims);
  }
  record.claimants.clear();
}

const Announcement& AnnouncePlanner::announcement(const IpAddr& addr) const {
  static const Announcement kNone;
  auto it = addresses_.find(addr);
  return it == addresses_.end() ? kNone : it->second.announcement;
}

std::vector<ServicePtr> AnnouncePlanner::services_of(const IpAddr& addr) const {
  std::vector<ServicePtr> out;
  auto it = addresses_.find(addr);
  if (it == addresses_.end()) return out;
  for (const auto& key : it->second.services) out.push_back(services_.at(key).service);
  return out;
}

std::vector<IpAddr> AnnouncePlanner::addresses() const {
  std::vector<IpAddr> out;
  for (const auto& [addr, record] : addresses_) out.push_back(addr);
  return out;
}

std::string AnnouncePlanner::first_choice(const IpAddr& addr) const {
  auto it = addresses_.find(addr);
  if (it == addresses_.end()) return {};
  std::pair<Claim, std::string> best;
  for (const auto& [name, node] : nodes_) {
    if (may_announce(node, name, it->second)) best = std::max(best, {claim_of(node, name, it->second), name});
  }
  return best.second;
}

/// Why a node does not announce an address; empty if it could.
std::string AnnouncePlanner::objection(const std::string& name, const NodeRecord& node,
                                       const AddressRecord& record) const {
  if (node.facts.excluded) return fmt::format("{} has the label {}", name, kExcluded);
  if (record.may && !record.may->contains(name)) return name + " has no endpoint of it";
  if (!alive_.contains(name)) return name + " is not heard";
  return {};
}

std::string AnnouncePlanner::why(const IpAddr& addr) const {
  auto it = addresses_.find(addr);
  if (it == addresses_.end()) return {};
  const auto& record = it->second;
  if (auto users = node_addresses_.find(addr); users != node_addresses_.end())
    return fmt::format("it is the address of node {}", *users->second.begin());
  if (!record.announcement.owner.empty()) {
    for (const auto& key : record.services) {
      const auto& service = services_.at(key);
      bool local = service.service->spec.externalTrafficPolicy == "Local";
      if (local && !(addr.is_v6() ? service.nodes6 : service.nodes4))
        return "externalTrafficPolicy is Local, but no node has an endpoint";
    }
    return {};
  }
  std::vector<std::string> reasons;
  for (const auto& [name, node] : nodes_) {
    if (auto reason = objection(name, node, record); !reason.empty()) reasons.push_back(std::move(reason));
  }
  const size_t all = reasons.size();
  if (all > kNamedNodes) reasons.resize(kNamedNodes);
  return fmt::format("{}{}", fmt::join(reasons, "; "),
                     all > kNamedNodes ? fmt::format("; and {} more", all - kNamedNodes) : "");
}

}  // namespace weft::service
