#include "service/pool_plan.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace weft::service {
namespace {

/// What a Service may wait for.
constexpr const char* kAnyPool = "pools";
std::string wait_addr(const IpAddr& addr) { return "a/" + addr.str(); }
std::string wait_pool(const std::string& pool, bool v6) { return fmt::format("p/{}/{}", pool, v6 ? 6 : 4); }
std::string wait_sharing(const std::string& sharing) { return "s/" + sharing; }

const char* family_name(bool v6) { return v6 ? "IPv6" : "IPv4"; }

std::set<IpAddr> shown_in(const kube::Service& service) {
  std::set<IpAddr> out;
  for (const auto& way : service.status.loadBalancer.ingress) {
    if (auto addr = IpAddr::parse(way.ip)) out.insert(*addr);
  }
  return out;
}

/// Of anything but status, as far as decisions depend on it.
bool differs(const kube::Service& a, const kube::Service& b) {
  return a.spec != b.spec || a.metadata.annotations != b.metadata.annotations ||
         a.metadata.labels != b.metadata.labels;
}

}  // namespace

struct PoolPlanner::Turn {
  Record& record;
  PoolRequest request;
  const kube::StringMap& labels;  ///< of its namespace
  PoolDecision next;

  const kube::Service& service() const { return *record.service; }
};

// What is known.

void PoolPlanner::begin_use(const IpAddr& addr, std::set<Age> Use::* as, const Age& who) {
  auto [at, is_new] = uses_.try_emplace(addr);
  (at->second.*as).insert(who);
  if (!is_new) return;
  if (const auto* pool = pools_.take(addr)) changes_.pools.insert(pool->name());
}

void PoolPlanner::end_use(const IpAddr& addr, std::set<Age> Use::* as, const Age& who) {
  auto at = uses_.find(addr);
  if (at == uses_.end() || (at->second.*as).erase(who) == 0) return;
  wake_at(addr);
  if (!at->second.holders.empty() || !at->second.shown.empty()) return;
  uses_.erase(at);
  if (const auto* pool = pools_.give(addr)) changes_.pools.insert(pool->name());
  freed_.insert(addr);
}

void PoolPlanner::remember(const std::string& key, ServicePtr service) {
  auto& record = records_[key];
  if (!record.service) {
    record.age = {service->metadata.creationTimestamp, key};
    by_namespace_[service->metadata.namespace_].insert(key);
  } else if (differs(*record.service, *service)) {
    // Whoever could not share an address with it may be able to now.
    for (const auto& [addr, pool] : record.decision.addresses) wake_at(addr);
    for (const auto& addr : record.shown) wake_at(addr);
    auto sharing = sharing_of(*record.service);
    if (!sharing.empty()) {
      wake(wait_sharing(sharing));
      if (auto at = sharers_.find(sharing); at != sharers_.end() && at->second.erase(record.age) > 0) {
        if (at->second.empty()) sharers_.erase(at);
      }
    }
  }
  record.service = std::move(service);
  if (auto sharing = sharing_of(*record.service); !sharing.empty()) {
    sharers_[sharing].insert(record.age);
    wake(wait_sharing(sharing));
  }
  auto before = std::exchange(record.shown, shown_in(*record.service));
  for (const auto& addr : record.shown) begin_use(addr, &Use::shown, record.age);
  for (const auto& addr : before) {
    if (!record.shown.contains(addr)) end_use(addr, &Use::shown, record.age);
  }
  todo_.insert(record.age);
}

void PoolPlanner::forget(const std::string& key) {
  auto at = records_.find(key);
  if (at == records_.end()) return;
  auto& record = at->second;
  if (record.decision != PoolDecision{}) changes_.services.insert(key);
  for (const auto& what : std::exchange(record.waits, {})) {
    waiting_[what].erase(record.age);
    if (waiting_[what].empty()) waiting_.erase(what);
  }
  todo_.erase(record.age);
  auto ns = by_namespace_.find(record.service->metadata.namespace_);
  ns->second.erase(key);
  if (ns->second.empty()) by_namespace_.erase(ns);
  if (auto sharing = sharers_.find(sharing_of(*record.service)); sharing != sharers_.end()) {
    sharing->second.erase(record.age);
    if (sharing->second.empty()) sharers_.erase(sharing);
  }
  auto gone = std::move(record);
  records_.erase(at);
  for (const auto& [addr, pool] : gone.decision.addresses) end_use(addr, &Use::holders, gone.age);
  for (const auto& addr : gone.shown) end_use(addr, &Use::shown, gone.age);
}

// Events.

PoolPlanner::Changes PoolPlanner::begin() {
  begun_ = true;
  for (const auto& [key, record] : records_) todo_.insert(record.age);
  for (const auto& [name, pool] : pools_.all()) changes_.pools.insert(name);
  return settle();
}

PoolPlanner::Changes PoolPlanner::service_changed(const std::string& key, ServicePtr service) {
  auto at = records_.find(key);
  const bool known = at != records_.end();
  if (known && (!service || service->metadata.uid != at->second.service->metadata.uid)) forget(key);
  if (service &&
      (known || service->spec.type == "LoadBalancer" || !service->status.loadBalancer.ingress.empty()))
    remember(key, std::move(service));
  return settle();
}

PoolPlanner::Changes PoolPlanner::pool_changed(const std::string& name, AddressPoolPtr pool) {
  const auto* before = pools_.find(name);
  if (!before && !pool) return settle();
  if (before && pool && before->object().spec == pool->spec &&
      before->object().metadata.creationTimestamp == pool->metadata.creationTimestamp)
    return settle();
  auto change = pools_.set(name, std::move(pool));
  changes_.pools.merge(change.pools);
  for (const auto& range : change.ranges) {
    for (auto at = uses_.lower_bound(range.first); at != uses_.end() && at->first <= range.last; ++at) {
      pools_.take(at->first);
      todo_.insert(at->second.holders.begin(), at->second.holders.end());
      todo_.insert(at->second.shown.begin(), at->second.shown.end());
    }
  }
  wake(kAnyPool);
  return settle();
}

PoolPlanner::Changes PoolPlanner::namespace_changed(const std::string& name, const kube::StringMap& labels) {
  auto [at, is_new] = namespaces_.try_emplace(name);
  if (is_new || at->second != labels) {
    at->second = labels;
    if (auto services = by_namespace_.find(name); services != by_namespace_.end()) {
      for (const auto& key : services->second) todo_.insert(records_.at(key).age);
    }
  }
  return settle();
}

PoolPlanner::Changes PoolPlanner::namespace_gone(const std::string& name) {
  namespaces_.erase(name);
  return settle();
}

// What is to be done about it.

PoolPlanner::Changes PoolPlanner::settle() {
  if (!begun_) return {};
  while (!todo_.empty() || !freed_.empty()) {
    if (!todo_.empty()) {
      auto key = todo_.extract(todo_.begin()).value().key;
      decide(key);
    } else {
      offer(freed_.extract(freed_.begin()).value());
    }
  }
  return std::exchange(changes_, {});
}

void PoolPlanner::wait_for(Record& record, const std::string& what) {
  waiting_[what].insert(record.age);
  record.waits.insert(what);
}

void PoolPlanner::wake(const std::string& what) {
  if (auto at = waiting_.find(what); at != waiting_.end()) todo_.insert(at->second.begin(), at->second.end());
}

/// Those who may be able to share an address now: who asks for it, and who has the sharing key of its
/// holders.
void PoolPlanner::wake_at(const IpAddr& addr) {
  wake(wait_addr(addr));
  auto use = uses_.find(addr);
  if (use == uses_.end() || use->second.holders.empty()) return;
  auto holder = records_.find(use->second.holders.begin()->key);
  if (holder == records_.end()) return;
  if (auto sharing = sharing_of(*holder->second.service); !sharing.empty()) wake(wait_sharing(sharing));
}

void PoolPlanner::offer(const IpAddr& addr) {
  const auto* pool = pools_.pool_of(addr);
  if (!pool) return;
  const auto what = wait_pool(pool->name(), addr.is_v6());
  Age last;
  while (!uses_.contains(addr)) {
    auto at = waiting_.find(what);
    if (at == waiting_.end()) return;
    auto next = at->second.upper_bound(last);
    if (next == at->second.end()) return;
    last = *next;
    decide(last.key);
  }
}

void PoolPlanner::decide(const std::string& key) {
  auto at = records_.find(key);
  if (at == records_.end()) return;
  auto& record = at->second;
  for (const auto& what : std::exchange(record.waits, {})) {
    auto waiting = waiting_.find(what);
    waiting->second.erase(record.age);
    if (waiting->second.empty()) waiting_.erase(waiting);
  }
  if (!is_ours(*record.service)) {
    conclude(record, decide_foreign(record));
    if (record.service->spec.type != "LoadBalancer" && record.shown.empty()) forget(key);
    return;
  }
  auto labels = namespaces_.find(record.service->metadata.namespace_);
  if (labels == namespaces_.end()) return;
  conclude(record, decide_ours(record, labels->second));
}

/// Makes it known and gives up what is no longer held.
void PoolPlanner::conclude(Record& record, PoolDecision next) {
  if (next == record.decision) return;
  changes_.services.insert(record.age.key);
  auto before = std::exchange(record.decision, std::move(next));
  const auto& now = record.decision.addresses;
  bool moved = before.addresses != now;
  for (const auto& old : before.addresses) {
    auto same = [&](const PoolDecision::Address& one) { return one.addr == old.addr; };
    if (std::ranges::none_of(now, same)) end_use(old.addr, &Use::holders, record.age);
  }
  if (auto sharing = sharing_of(*record.service); moved && !sharing.empty()) wake(wait_sharing(sharing));
}

/// Whether its status still shows what we gave it.
bool PoolPlanner::is_leaving(Record& record) {
  for (const auto& [addr, pool] : record.decision.addresses) record.leaving.insert(addr);
  std::erase_if(record.leaving, [&](const IpAddr& addr) { return !record.shown.contains(addr); });
  return !record.leaving.empty();
}

/// Of a Service that another load balancer has, or none: what we gave it goes, nothing else.
PoolDecision PoolPlanner::decide_foreign(Record& record) {
  if (record.service->spec.type != "LoadBalancer") {
    for (const auto& addr : record.shown) {
      if (pools_.pool_of(addr)) record.leaving.insert(addr);
    }
  }
  PoolDecision next;
  next.ours = is_leaving(record);
  return next;
}

PoolDecision PoolPlanner::decide_ours(Record& record, const kube::StringMap& labels) {
  Turn turn{record, request_of(*record.service), labels, {}};
  // Whoever has no pools has another load balancer, and what that gave is none of our business.
  if (pools_.empty() && !record.service->spec.loadBalancerClass &&
      !record.service->status.loadBalancer.ingress.empty() && !is_leaving(record)) {
    wait_for(record, kAnyPool);
    return {};
  }
  turn.next.ours = true;
  if (!pools_.empty()) record.leaving.clear();
  turn.next.problem = turn.request.problem;
  const bool going = record.service->metadata.deletionTimestamp.has_value();
  bool complete = true;
  for (bool v6 : turn.request.v6) {
    if (keep(turn, v6)) continue;
    complete = false;
    if (going || !turn.request.problem.empty()) continue;
    auto why = find_address(turn, v6);
    if (why.empty()) continue;
    if (!turn.next.problem.empty()) turn.next.problem += "; ";
    turn.next.problem += why;
  }
  if (!complete) wait_for(record, kAnyPool);
  return std::move(turn.next);
}

/// What it has, or what its status says that it had.
bool PoolPlanner::keep(Turn& turn, bool v6) {
  auto try_one = [&](const IpAddr& addr) {
    if (addr.is_v6() != v6 || !may_keep(turn, addr)) return false;
    hold(turn, addr, *pools_.pool_of(addr));
    return true;
  };
  for (const auto& [addr, pool] : turn.record.decision.addresses) {
    if (try_one(addr)) return true;
  }
  return std::ranges::any_of(turn.record.shown, try_one);
}

bool PoolPlanner::may_keep(const Turn& turn, const IpAddr& addr) const {
  const auto& request = turn.request;
  const auto* pool = pools_.pool_of(addr);
  if (!pool) return false;
  // A request that nobody can understand takes nothing away.
  if (request.problem.empty()) {
    auto wanted = request.wanted.find(addr.is_v6());
    if (wanted != request.wanted.end() && wanted->second != addr) return false;
  }
  if (!request.pool.empty() && request.pool != pool->name()) return false;
  if (!pool->selects_nobody() && !pool->selects(turn.service(), turn.labels)) return false;
  auto use = uses_.find(addr);
  if (use == uses_.end()) return true;
  return std::ranges::all_of(use->second.holders, [&](const Age& holder) {
    return holder == turn.record.age || turn.record.age < holder ||
           why_not_shared(turn.service(), *records_.at(holder.key).service).empty();
  });
}

void PoolPlanner::hold(Turn& turn, const IpAddr& addr, const Pool& pool) {
  turn.next.addresses.push_back({addr, pool.name()});
  begin_use(addr, &Use::holders, turn.record.age);
  for (const auto& other : uses_.at(addr).holders) {
    if (other == turn.record.age) continue;
    // It is younger, and has to look for another address.
    if (!why_not_shared(turn.service(), *records_.at(other.key).service).empty()) todo_.insert(other);
  }
}

const PoolPlanner::Record* PoolPlanner::rival(const Record& record, const IpAddr& addr) const {
  auto use = uses_.find(addr);
  if (use == uses_.end()) return nullptr;
  for (auto as : {&Use::holders, &Use::shown}) {
    for (const auto& age : use->second.*as) {
      const auto& other = records_.at(age.key);
      if (&other != &record && !why_not_shared(*record.service, *other.service).empty()) return &other;
    }
  }
  return nullptr;
}

std::string PoolPlanner::find_address(Turn& turn, bool v6) {
  auto wanted = turn.request.wanted.find(v6);
  return wanted == turn.request.wanted.end() ? give_any(turn, v6) : give_requested(turn, wanted->second);
}

std::string PoolPlanner::give_requested(Turn& turn, const IpAddr& addr) {
  const auto& field = turn.request.wanted_by;
  const auto* pool = pools_.pool_of(addr);
  if (!pool) return fmt::format("{}: {} is in no AddressPool", field, addr.str());
  if (!turn.request.pool.empty() && turn.request.pool != pool->name()) {
    return fmt::format("{}: {} is in AddressPool {}, and annotation {} asks for {}", field, addr.str(),
                       pool->name(), kAddressPoolAnnotation, turn.request.pool);
  }
  if (!pool->selects(turn.service(), turn.labels)) {
    return fmt::format("{}: {} is in AddressPool {}, whose selectors do not match", field, addr.str(),
                       pool->name());
  }
  if (const auto* other = rival(turn.record, addr)) {
    wait_for(turn.record, wait_addr(addr));
    return fmt::format("{}: {} is in use by Service {}, and cannot be shared: {}", field, addr.str(),
                       other->age.key, why_not_shared(turn.service(), *other->service));
  }
  hold(turn, addr, *pool);
  return {};
}

std::vector<const Pool*> PoolPlanner::candidates(const Turn& turn, std::string& why_none) const {
  std::vector<const Pool*> out;
  if (const auto& name = turn.request.pool; !name.empty()) {
    const auto* pool = pools_.find(name);
    if (pool && pool->selects(turn.service(), turn.labels)) return {pool};
    why_none = fmt::format("metadata.annotations[{}]: AddressPool {} {}", kAddressPoolAnnotation, name,
                           pool ? "has selectors that do not match" : "does not exist");
    return out;
  }
  for (const auto& [name, pool] : pools_.all()) {
    if (pool.auto_assign() && pool.selects(turn.service(), turn.labels)) out.push_back(&pool);
  }
  std::ranges::sort(out, {}, [](const Pool* pool) { return std::pair(-pool->selectors(), pool->name()); });
  if (pools_.empty()) {
    why_none = "there is no AddressPool";
  }
  if (!pools_.empty() && out.empty())
    why_none = "no AddressPool that gives addresses by itself matches the Service";
  return out;
}

std::string PoolPlanner::give_any(Turn& turn, bool v6) {
  std::string why_none;
  auto pools = candidates(turn, why_none);
  if (pools.empty()) return why_none;
  if (!turn.request.sharing.empty() && give_shared(turn, v6, pools)) return {};
  std::vector<std::string> names;
  for (const auto* pool : pools) {
    if (auto addr = pool->lowest_free(v6)) {
      hold(turn, *addr, *pool);
      return {};
    }
    names.push_back(pool->name());
  }
  for (const auto& name : names) wait_for(turn.record, wait_pool(name, v6));
  if (!turn.request.sharing.empty()) wait_for(turn.record, wait_sharing(turn.request.sharing));
  return fmt::format("no {} address is free in AddressPool {}", family_name(v6), fmt::join(names, ", "));
}

/// An address that others with its sharing key have already.
bool PoolPlanner::give_shared(Turn& turn, bool v6, const std::vector<const Pool*>& pools) {
  auto sharers = sharers_.find(turn.request.sharing);
  if (sharers == sharers_.end()) return false;
  for (const auto& age : sharers->second) {
    if (age == turn.record.age) continue;
    for (const auto& [addr, name] : records_.at(age.key).decision.addresses) {
      const auto* pool = pools_.pool_of(addr);
      if (addr.is_v6() != v6 || std::ranges::find(pools, pool) == pools.end() || rival(turn.record, addr))
        continue;
      hold(turn, addr, *pool);
      return true;
    }
  }
  return false;
}

// Answers.

const PoolDecision& PoolPlanner::decision(const std::string& key) const {
  static const PoolDecision none;
  auto at = records_.find(key);
  return at == records_.end() ? none : at->second.decision;
}

std::optional<kube::AddressPoolStatus> PoolPlanner::report(const std::string& name) const {
  const auto* pool = pools_.find(name);
  if (!pool) return std::nullopt;
  kube::AddressPoolStatus out;
  out.assigned = pool->assigned();
  out.available = pool->available();
  auto& ready = out.conditions.emplace_back();
  const auto total = pool->object().spec.addresses.size();
  ready.type = "Ready";
  ready.status = pool->problems().empty() ? "True" : "False";
  ready.reason = pool->problems().empty() ? "InEffect" : "InvalidSpec";
  ready.message = pool->problems().empty()
                      ? fmt::format("{} of {} entries are in effect", total, total)
                      : fmt::format("{}; {} of {} entries are in effect", fmt::join(pool->problems(), "; "),
                                    pool->ranges().size(), total);
  return out;
}

}  // namespace weft::service
