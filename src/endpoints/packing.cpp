#include "endpoints/packing.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "endpoints/endpoint.h"

namespace weft::endpoints {

namespace {

using kube::Endpoint;
using kube::EndpointSlice;

bool owned_by(const EndpointSlice& slice, const kube::OwnerReference& wanted) {
  return std::ranges::any_of(slice.metadata.ownerReferences, [&](const kube::OwnerReference& owner) {
    return owner.uid == wanted.uid && owner.kind == wanted.kind && owner.apiVersion == wanted.apiVersion;
  });
}

void dress(kube::ObjectMeta& meta, const SliceShape& shape) {
  meta.labels = shape.labels;
  if (shape.annotations) meta.annotations = *shape.annotations;
}

bool is_dressed(const kube::ObjectMeta& meta, const SliceShape& shape) {
  return meta.labels == shape.labels && (!shape.annotations || meta.annotations == *shape.annotations);
}

EndpointSlice new_slice(const SliceShape& shape, const std::string& family,
                        std::vector<kube::EndpointPort> ports) {
  EndpointSlice out;
  out.metadata.generateName = shape.owner.name + "-";
  out.metadata.namespace_ = shape.namespace_;
  out.metadata.ownerReferences = {shape.owner};
  dress(out.metadata, shape);
  out.addressType = family;
  out.ports = std::move(ports);
  return out;
}

/// Distributes the endpoints of one group over slices and notes what that changes.
class GroupPacking {
 public:
  GroupPacking(const SliceShape& shape, const std::string& family, const Group& group)
      : shape_(shape), family_(family), group_(group) {
    for (const auto& endpoint : group_.endpoints) pending_.emplace(endpoint_key(endpoint), &endpoint);
  }

  void run(const std::vector<SlicePtr>& slices, SliceChanges& out) {
    for (const auto& slice : slices) prune(slice, out);
    for (const auto& endpoint : group_.endpoints) {
      auto it = pending_.find(endpoint_key(endpoint));
      if (it != pending_.end() && it->second == &endpoint) rest_.push_back(&endpoint);
    }
    fill_written();
    place_rest(out);
    std::ranges::move(written_, std::back_inserter(out.update));
  }

 private:
  /// Keeps in a slice what is still wanted, in its present state; what is in an earlier slice already, or no
  /// longer wanted, goes.
  void prune(const SlicePtr& slice, SliceChanges& out) {
    std::vector<Endpoint> kept;
    bool changed = false;
    for (const auto& endpoint : slice->endpoints) {
      auto it = pending_.find(endpoint_key(endpoint));
      if (it == pending_.end()) {
        changed = true;
        continue;
      }
      changed |= !same_state(endpoint, *it->second);
      kept.push_back(*it->second);
      pending_.erase(it);
    }
    if (changed && kept.empty()) {
      out.remove.push_back(slice);
    } else if (changed || !is_dressed(slice->metadata, shape_)) {
      auto& copy = write(*slice);
      copy.endpoints = std::move(kept);
    } else {
      unchanged_.push_back(slice);
    }
  }

  EndpointSlice& write(const EndpointSlice& slice) {
    auto& copy = written_.emplace_back(slice);
    dress(copy.metadata, shape_);
    return copy;
  }

  void fill(EndpointSlice& slice) {
    while (!rest_.empty() && slice.endpoints.size() < shape_.most_per_slice) {
      slice.endpoints.push_back(*rest_.front());
      rest_.pop_front();
    }
  }

  /// What is written anyhow takes as much as it can, the fullest first.
  void fill_written() {
    std::ranges::sort(written_, [](const EndpointSlice& a, const EndpointSlice& b) {
      return a.endpoints.size() != b.endpoints.size() ? a.endpoints.size() > b.endpoints.size()
                                                      : a.metadata.name < b.metadata.name;
    });
    for (auto& slice : written_) fill(slice);
  }

  /// The rest goes into the one unchanged slice that ends closest to full, if it fits there; else into new
  /// ones.
  void place_rest(SliceChanges& out) {
    while (!rest_.empty()) {
      if (auto slice = closest_to_full()) {
        std::erase(unchanged_, slice);
        fill(write(*slice));
        continue;
      }
      auto slice = new_slice(shape_, family_, group_.ports);
      fill(slice);
      out.create.push_back(std::move(slice));
    }
  }

  SlicePtr closest_to_full() const {
    SlicePtr best;
    for (const auto& slice : unchanged_) {
      if (slice->endpoints.size() + rest_.size() > shape_.most_per_slice) continue;
      if (!best || slice->endpoints.size() > best->endpoints.size()) best = slice;
    }
    return best;
  }

  const SliceShape& shape_;
  const std::string& family_;
  const Group& group_;
  std::unordered_map<std::string, const Endpoint*> pending_;  ///< wanted and not yet in a slice
  std::deque<const Endpoint*> rest_;
  std::vector<EndpointSlice> written_;
  std::vector<SlicePtr> unchanged_;
};

/// A create and a delete of the same family become one update: consumers see less, names stay.
void recycle(const SliceShape& shape, SliceChanges& changes) {
  std::erase_if(changes.remove, [&](const SlicePtr& old) {
    if (changes.create.empty() || !owned_by(*old, shape.owner)) return false;
    auto slice = std::move(changes.create.front());
    changes.create.erase(changes.create.begin());
    slice.metadata = old->metadata;
    dress(slice.metadata, shape);
    changes.update.push_back(std::move(slice));
    return true;
  });
}

/// Called when every slice is about to go, or there is none.
void keep_one(const SliceShape& shape, const std::string& family, SliceChanges& changes) {
  auto is_placeholder = [&](const SlicePtr& slice) {
    return owned_by(*slice, shape.owner) && slice->endpoints.empty() && slice->ports.empty() &&
           is_dressed(slice->metadata, shape);
  };
  auto at = std::ranges::find_if(changes.remove, is_placeholder);
  if (at != changes.remove.end()) {
    changes.remove.erase(at);
  } else {
    changes.create.push_back(new_slice(shape, family, {}));
  }
}

}  // namespace

void SliceChanges::append(SliceChanges more) {
  std::ranges::move(more.create, std::back_inserter(create));
  std::ranges::move(more.update, std::back_inserter(update));
  std::ranges::move(more.remove, std::back_inserter(remove));
}

kube::OwnerReference controller_reference(const std::string& kind, const kube::ObjectMeta& owner) {
  kube::OwnerReference out;
  out.apiVersion = "v1";
  out.kind = kind;
  out.name = owner.name;
  out.uid = owner.uid;
  out.controller = true;
  out.blockOwnerDeletion = true;
  return out;
}

SliceChanges pack(const SliceShape& shape, const std::string& family, std::map<std::string, Group> groups,
                  std::vector<SlicePtr> slices) {
  SliceChanges out;
  std::erase_if(slices, [&](const SlicePtr& slice) { return slice->addressType != family; });
  std::ranges::sort(slices, {},
                    [](const SlicePtr& slice) -> const std::string& { return slice->metadata.name; });
  std::map<std::string, std::vector<SlicePtr>> existing;
  for (const auto& slice : slices) {
    // Of an earlier owner of this name: the garbage collector is after it.
    if (!owned_by(*slice, shape.owner)) {
      out.remove.push_back(slice);
      continue;
    }
    auto key = ports_key(slice->ports);
    groups.try_emplace(key);
    existing[key].push_back(slice);
  }
  for (const auto& [key, group] : groups) {
    if (group.endpoints.empty()) {
      std::ranges::copy(existing[key], std::back_inserter(out.remove));
    } else {
      GroupPacking(shape, family, group).run(existing[key], out);
    }
  }
  if (shape.always_one && out.remove.size() == slices.size() && out.create.empty())
    keep_one(shape, family, out);
  recycle(shape, out);
  return out;
}

}  // namespace weft::endpoints
