#include "service/pool_set.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace weft::service {

Pool::Pool(AddressPoolPtr object) : object_(std::move(object)) { read_selectors(); }

void Pool::read_selectors() {
  auto read = [this](const char* field, const std::optional<kube::LabelSelector>& from,
                     kube::Selector& into) {
    if (!from) return;
    auto selector = kube::Selector::from(*from);
    if (selector) {
      into = std::move(*selector);
    } else {
      problems_.push_back(fmt::format("spec.{}: {}", field, selector.error().message));
      broken_selector_ = true;
    }
  };
  read("namespaceSelector", object_->spec.namespaceSelector, namespaces_);
  read("serviceSelector", object_->spec.serviceSelector, services_);
}

bool Pool::selects(const kube::Service& service, const kube::StringMap& namespace_labels) const {
  return !broken_selector_ && namespaces_.matches(namespace_labels) &&
         services_.matches(service.metadata.labels);
}

int Pool::selectors() const { return (namespaces_.empty() ? 0 : 1) + (services_.empty() ? 0 : 1); }

int64_t Pool::available() const {
  return size_ == std::numeric_limits<int64_t>::max() ? size_ : size_ - assigned_;
}

const Pool* PoolSet::find(std::string_view name) const {
  auto at = pools_.find(std::string(name));
  return at == pools_.end() ? nullptr : &at->second;
}

const Pool* PoolSet::pool_of(const IpAddr& addr) const {
  auto next = parts_.upper_bound(addr);
  if (next == parts_.begin()) return nullptr;
  const auto& part = std::prev(next)->second;
  return addr <= part.last ? find(part.pool) : nullptr;
}

const Pool* PoolSet::mark(const IpAddr& addr, bool used) {
  const auto* found = pool_of(addr);
  if (!found) return nullptr;
  auto& pool = pools_.at(found->name());
  if (used ? pool.free_.erase(addr) : pool.free_.insert(addr)) pool.assigned_ += used ? 1 : -1;
  return found;
}

PoolSet::Change PoolSet::set(const std::string& name, AddressPoolPtr object) {
  Change change;
  change.pools.insert(name);
  if (auto at = pools_.find(name); at != pools_.end()) {
    change.ranges = at->second.ranges();
    pools_.erase(at);
  }
  if (object) pools_.emplace(name, Pool(std::move(object)));
  lay_out(change);
  return change;
}

/// The part that a range has addresses in common with; nullptr if there is none.
const PoolSet::Parts::value_type* PoolSet::overlapped(const Parts& parts, const AddressRange& range) {
  auto next = parts.upper_bound(range.last);
  if (next == parts.begin()) return nullptr;
  const auto& part = *std::prev(next);
  return range.first <= part.second.last ? &part : nullptr;
}

void PoolSet::read_ranges(Pool& pool, Parts& parts) const {
  const auto& entries = pool.object().spec.addresses;
  for (size_t i = 0; i < entries.size(); ++i) {
    auto range = AddressRange::parse(entries[i]);
    if (!range) {
      pool.problems_.push_back(fmt::format("spec.addresses[{}]: {}", i, range.error().message));
      continue;
    }
    if (const auto* other = overlapped(parts, *range)) {
      const auto& [last, owner, entry] = other->second;
      auto whose = owner == pool.name() ? std::string() : fmt::format(" of AddressPool {}", owner);
      pool.problems_.push_back(fmt::format("spec.addresses[{}]: \"{}\" overlaps {} in spec.addresses[{}]{}",
                                           i, entries[i], AddressRange{other->first, last}.str(), entry,
                                           whose));
      continue;
    }
    parts[range->first] = {range->last, pool.name(), i};
    pool.ranges_.push_back(*range);
  }
}

void PoolSet::lay_out(Change& change) {
  std::vector<Pool*> by_age;
  for (auto& [name, pool] : pools_) by_age.push_back(&pool);
  std::ranges::sort(by_age, {}, [](const Pool* pool) {
    const auto& meta = pool->object().metadata;
    return std::tie(meta.creationTimestamp, meta.name);
  });
  Parts parts;
  for (auto* pool : by_age) {
    Pool fresh(pool->object_);
    read_ranges(fresh, parts);
    const bool same = !change.pools.contains(pool->name()) && fresh.ranges_ == pool->ranges_;
    if (same) {
      if (std::exchange(pool->problems_, fresh.problems_) != fresh.problems_)
        change.pools.insert(pool->name());
      continue;
    }
    change.pools.insert(pool->name());
    change.ranges.insert(change.ranges.end(), pool->ranges_.begin(), pool->ranges_.end());
    change.ranges.insert(change.ranges.end(), fresh.ranges_.begin(), fresh.ranges_.end());
    for (const auto& range : fresh.ranges_) {
      fresh.free_.insert(range);
      auto size = range.size();
      fresh.size_ = size > std::numeric_limits<int64_t>::max() - fresh.size_
                        ? std::numeric_limits<int64_t>::max()
                        : fresh.size_ + size;
    }
    *pool = std::move(fresh);
  }
  parts_ = std::move(parts);
}

}  // namespace weft::service
