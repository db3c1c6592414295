#include "dns/hosts.h"

#include <fmt/format.h>

#include <algorithm>

#include "dns/config_values.h"

namespace weft::dns {
namespace {

/// Lives as long as `lower`.
std::string_view key_of(const Name& lower) {
  return {reinterpret_cast<const char*>(lower.wire().data()), lower.size()};
}

Name lowered(Name name) {
  name.lower();
  return name;
}

}  // namespace

HostsTable::HostsTable(const Hosts& hosts)
    : ttl_(hosts.ttl), fall_through_(hosts.fall_through), zones_(hosts.zones) {
  for (const HostsEntry& entry : hosts.entries) {
    for (const Name& name : entry.names) {
      auto& addresses = addresses_[std::string(key_of(lowered(name)))];
      if (std::ranges::find(addresses, entry.address) == addresses.end()) addresses.push_back(entry.address);
    }
    if (!hosts.reverse || entry.names.empty()) continue;
    // All of an address's bits are a prefix whose length ends with a label.
    const auto prefix = fmt::format("{}/{}", entry.address.str(), entry.address.bits());
    auto& names = names_[std::string(key_of(*parse_domain(prefix)))];
    if (std::ranges::find(names, entry.names[0]) == names.end()) names.push_back(entry.names[0]);
  }
}

bool HostsTable::is_ours(const Name& name) const {
  return zones_.empty() ||
         std::ranges::any_of(zones_, [&](const Name& zone) { return is_under(name, zone); });
}

bool HostsTable::resolve(const Name& name, Type type, Answer& answer) const {
  if (addresses_.empty() && names_.empty() && fall_through_) return false;
  const Name lower = lowered(name);
  const auto key = key_of(lower);
  const auto addresses = addresses_.find(key);
  const auto names = names_.find(key);
  const bool found = addresses != addresses_.end() || (names != names_.end() && type == Type::ptr);
  if (!found && (fall_through_ || !is_ours(name))) return false;
  answer.clear();
  if (answer.explain)
    answer.why.push_back(found ? "hosts: " + name.str() : "hosts: no such name, and no fallthrough");
  if (!found) answer.rcode = Rcode::nxdomain;
  const auto owner = answer.keep(name.wire());
  if (addresses != addresses_.end()) {
    for (const IpAddr& ip : addresses->second) {
      if (type == (ip.is_v4() ? Type::a : Type::aaaa))
        answer.answer.push_back({owner, ip.is_v4() ? Type::a : Type::aaaa, ttl_, ip, {}});
    }
  }
  if (names != names_.end() && type == Type::ptr) {
    for (const Name& target : names->second)
      answer.answer.push_back({owner, Type::ptr, ttl_, {}, answer.keep(target.wire())});
  }
  return true;
}

}  // namespace weft::dns
