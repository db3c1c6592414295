#include "endpoints/slice_cache.h"

#include <algorithm>
#include <charconv>

namespace weft::endpoints {

using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* kByService = "service";
/// The watch is that late only when it missed something altogether.
constexpr auto kLongest = std::chrono::seconds(30);

/// Versions of one kind are numbers that grow (KEP-5504).
uint64_t version_of(const kube::EndpointSlice& slice) {
  const auto& text = slice.metadata.resourceVersion;
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

kube::Reflector::Options managed_by(const std::string& manager) {
  kube::Reflector::Options out;
  out.label_selector = std::string(kManagedBy) + "=" + manager;
  return out;
}

}  // namespace

std::string service_key_of(const kube::EndpointSlice& slice) {
  auto it = slice.metadata.labels.find(kServiceName);
  if (it == slice.metadata.labels.end()) return {};
  return kube::object_key(slice.metadata.namespace_, it->second);
}

SliceCache::SliceCache(kube::Client& client, const std::string& manager)
    : informer_(client, managed_by(manager)) {
  informer_.add_index(kByService,
                      [](const kube::EndpointSlice& slice) { return std::vector{service_key_of(slice)}; });
}

/// Our write is newer than what the watch has shown.
bool SliceCache::counts(const Ours& ours, const SlicePtr& seen) const {
  if (Clock::now() - ours.at > kLongest) return false;
  if (ours.removed) return seen && seen->metadata.uid == ours.slice->metadata.uid;
  return !seen || version_of(*seen) < version_of(*ours.slice);
}

std::vector<SlicePtr> SliceCache::of_service(const std::string& service_key) const {
  std::vector<SlicePtr> out;
  auto take = [&](const SlicePtr& slice) {
    if (!slice->metadata.deletionTimestamp) out.push_back(slice);
  };
  for (const auto& seen : informer_.by_index(kByService, service_key)) {
    auto it = ours_.find(kube::object_key(seen->metadata));
    if (it == ours_.end() || !counts(it->second, seen)) take(seen);
  }
  auto written = ours_by_service_.find(service_key);
  if (written == ours_by_service_.end()) return out;
  for (const auto& key : written->second) {
    const auto& ours = ours_.at(key);
    if (!ours.removed && counts(ours, informer_.get(key))) take(ours.slice);
  }
  return out;
}

void SliceCache::wrote(SlicePtr slice) {
  auto key = kube::object_key(slice->metadata);
  forget(key);
  if (auto seen = informer_.get(key); seen && version_of(*seen) >= version_of(*slice)) return;
  ours_by_service_[service_key_of(*slice)].push_back(key);
  ours_[key] = {std::move(slice), false, Clock::now()};
}

void SliceCache::removed(const SlicePtr& slice) {
  auto key = kube::object_key(slice->metadata);
  forget(key);
  ours_by_service_[service_key_of(*slice)].push_back(key);
  ours_[key] = {slice, true, Clock::now()};
}

void SliceCache::forget(const std::string& slice_key) {
  auto it = ours_.find(slice_key);
  if (it == ours_.end()) return;
  auto by_service = ours_by_service_.find(service_key_of(*it->second.slice));
  std::erase(by_service->second, slice_key);
  if (by_service->second.empty()) ours_by_service_.erase(by_service);
  ours_.erase(it);
}

std::vector<std::string> SliceCache::on_change(const SlicePtr& before, const SlicePtr& after) {
  const auto& some = after ? after : before;
  const auto key = kube::object_key(some->metadata);
  if (auto it = ours_.find(key); it != ours_.end()) {
    const auto& ours = it->second;
    // An older state on its way to ours is no news, and neither is ours.
    const bool same = some->metadata.uid == ours.slice->metadata.uid;
    const bool older = after && (ours.removed || version_of(*after) < version_of(*ours.slice));
    const bool reached = after ? version_of(*after) == version_of(*ours.slice) : ours.removed;
    if (!(same && older)) forget(key);
    if (same && (older || reached)) return {};
  }
  std::vector<std::string> out;
  for (const auto& slice : {before, after}) {
    if (!slice) continue;
    auto service = service_key_of(*slice);
    if (!service.empty() && std::ranges::find(out, service) == out.end()) out.push_back(std::move(service));
  }
  return out;
}

}  // namespace weft::endpoints
