#pragma once

#include <chrono>
#include <string>
#include <unordered_map>
#include <vector>

#include "endpoints/packing.h"
#include "kube/client/informer.h"

namespace weft::endpoints {

/// The EndpointSlices as they are once our own writes have come back through the watch: what the watch has
/// shown, with the answers to our writes laid over it. So the next look at a Service need not wait for the
/// watch, never plans on what we know to be old, and our own writes cause no look at all.
class SliceCache {
 public:
  /// Of those that are labelled to be managed by `manager`.
  SliceCache(kube::Client& client, const std::string& manager);

  kube::Informer<kube::EndpointSlice>& informer() { return informer_; }
  /// Those of one Service ("namespace/name") that are not being deleted.
  std::vector<SlicePtr> of_service(const std::string& service_key) const;

  /// The server has answered a create or an update with this.
  void wrote(SlicePtr slice);
  void removed(const SlicePtr& slice);
  /// A write met something else than expected: believe the watch again.
  void forget(const std::string& slice_key);

  /// Call for each change that the watch reports. The Services that must be looked at again because of it:
  /// none when it is only our own write coming back.
  std::vector<std::string> on_change(const SlicePtr& before, const SlicePtr& after);

 private:
  struct Ours {
    SlicePtr slice;  ///< what was written, or what was there before it was removed
    bool removed = false;
    std::chrono::steady_clock::time_point at;
  };
  bool counts(const Ours& ours, const SlicePtr& seen) const;

  kube::Informer<kube::EndpointSlice> informer_;
  std::unordered_map<std::string, Ours> ours_;  ///< by key of the slice, until the watch has caught up
  std::unordered_map<std::string, std::vector<std::string>> ours_by_service_;
};

/// "namespace/name" of the Service that the slice is labelled for, or "".
std::string service_key_of(const kube::EndpointSlice& slice);

}  // namespace weft::endpoints
