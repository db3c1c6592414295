#include "policy/domain_table.h"

#include <algorithm>

namespace weft::policy {
namespace {

/// RFC 8767, 4 asks for a bound of days; whoever believes a record for longer asks again too late.
constexpr std::chrono::seconds kLongest = std::chrono::days(7);

}  // namespace

std::optional<DomainTable::Time> DomainTable::until(const std::string& name, const IpAddr& address) const {
  auto known = by_name_.find(name);
  if (known == by_name_.end()) return std::nullopt;
  auto at = known->second.find(address);
  return at == known->second.end() ? std::nullopt : std::optional(at->second);
}

bool DomainTable::has_room(const std::string& name) const {
  auto at = by_name_.find(name);
  return by_time_.size() < limits_.addresses &&
         (at == by_name_.end() || at->second.size() < limits_.of_one_name);
}

/// Whether it is new.
bool DomainTable::set(const std::string& name, const IpAddr& address, Time until) {
  auto [at, added] = by_name_[name].emplace(address, until);
  if (!added) by_time_.erase({at->second, name, address});
  at->second = until;
  by_time_.emplace(until, name, address);
  return added;
}

DomainTable::Learned DomainTable::learn(const std::string& name,
                                        const std::vector<domain_feed::TimedAddress>& addresses, Time now) {
  Learned out;
  for (const auto& [address, ttl] : addresses) {
    auto now_until = now + std::min(std::chrono::seconds(ttl), kLongest) + domain_feed::kGrace;
    auto was_until = until(name, address);
    if (was_until >= now_until) continue;
    if (!was_until && !has_room(name)) {
      ++out.no_room;
      continue;
    }
    out.changed.push_back({name, address, now_until});
    if (set(name, address, now_until)) out.added.push_back(out.changed.back());
  }
  return out;
}

void DomainTable::restore(const KnownDomain& known) {
  if (known.until == Time()) return remove(known);
  set(known.name, known.address, known.until);
}

std::vector<KnownDomain> DomainTable::expired(Time now) const {
  std::vector<KnownDomain> out;
  for (const auto& [until, name, address] : by_time_) {
    if (until > now) break;
    out.push_back({name, address, until});
  }
  return out;
}

void DomainTable::remove(const KnownDomain& known) {
  auto was_until = until(known.name, known.address);
  if (!was_until) return;
  by_time_.erase({*was_until, known.name, known.address});
  auto at = by_name_.find(known.name);
  at->second.erase(known.address);
  if (at->second.empty()) by_name_.erase(at);
}

std::optional<DomainTable::Time> DomainTable::next_expiry() const {
  if (by_time_.empty()) return std::nullopt;
  return std::get<Time>(*by_time_.begin());
}

std::vector<KnownDomain> DomainTable::all() const {
  std::vector<KnownDomain> out;
  for (const auto& [name, addresses] : by_name_) {
    for (const auto& [address, until] : addresses) out.push_back({name, address, until});
  }
  return out;
}

}  // namespace weft::policy
