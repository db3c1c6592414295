#include "endpoints/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <map>
#include <unordered_map>

#include "endpoints/endpoint.h"

namespace weft::endpoints {

namespace {

using kube::Endpoint;
using kube::EndpointSlice;

/// Endpoints that may share slices: one family, one set of ports.
struct Group {
  std::vector<kube::EndpointPort> ports;
  std::vector<Endpoint> endpoints;  ///< by name of the pod
  std::vector<SlicePtr> slices;     ///< existing ones
};

bool owned_by(const EndpointSlice& slice, const kube::Service& service) {
  return std::ranges::any_of(slice.metadata.ownerReferences, [&](const kube::OwnerReference& owner) {
    return owner.uid == service.metadata.uid && owner.kind == "Service" && owner.apiVersion == "v1";
  });
}

/// The labels of the Service are mirrored, but for the three that have a meaning on slices.
kube::StringMap labels_for(const kube::Service& service) {
  auto out = service.metadata.labels;
  out.erase(kHeadless);
  if (service.spec.clusterIP.empty() || service.spec.clusterIP == "None") out[kHeadless] = "";
  out[kServiceName] = service.metadata.name;
  out[kManagedBy] = kController;
  return out;
}

EndpointSlice new_slice(const kube::Service& service, const std::string& family,
                        std::vector<kube::EndpointPort> ports) {
  EndpointSlice out;
  out.metadata.generateName = service.metadata.name + "-";
  out.metadata.namespace_ = service.metadata.namespace_;
  out.metadata.labels = labels_for(service);
  auto& owner = out.metadata.ownerReferences.emplace_back();
  owner.apiVersion = "v1";
  owner.kind = "Service";
  owner.name = service.metadata.name;
  owner.uid = service.metadata.uid;
  owner.controller = true;
  owner.blockOwnerDeletion = true;
  out.addressType = family;
  out.ports = std::move(ports);
  return out;
}

/// Distributes the endpoints of one group over slices and notes what that changes.
class Packing {
 public:
  Packing(const PlanInput& input, const std::string& family, Group& group)
      : input_(input), family_(family), group_(group), labels_(labels_for(input.service)) {
    for (auto& endpoint : group_.endpoints) pending_.emplace(endpoint_key(endpoint), &endpoint);
  }

  void run(Plan& plan) {
    for (const auto& slice : group_.slices) prune(slice, plan);
    for (auto& endpoint : group_.endpoints) {
      auto it = pending_.find(endpoint_key(endpoint));
      if (it != pending_.end() && it->second == &endpoint) rest_.push_back(&endpoint);
    }
    fill_written();
    place_rest(plan);
    std::ranges::move(written_, std::back_inserter(plan.update));
  }

 private:
  /// Keeps in a slice what is still wanted, in its present state; what is in an earlier slice already, or no
  /// longer wanted, goes.
  void prune(const SlicePtr& slice, Plan& plan) {
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
      plan.remove.push_back(slice);
    } else if (changed || slice->metadata.labels != labels_) {
      auto& copy = write(*slice);
      copy.endpoints = std::move(kept);
    } else {
      unchanged_.push_back(slice);
    }
  }

  EndpointSlice& write(const EndpointSlice& slice) {
    auto& copy = written_.emplace_back(slice);
    copy.metadata.labels = labels_;
    return copy;
  }

  void fill(EndpointSlice& slice) {
    while (!rest_.empty() && slice.endpoints.size() < input_.most_per_slice) {
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
  void place_rest(Plan& plan) {
    while (!rest_.empty()) {
      if (auto slice = closest_to_full()) {
        std::erase(unchanged_, slice);
        fill(write(*slice));
        continue;
      }
      auto slice = new_slice(input_.service, family_, group_.ports);
      fill(slice);
      plan.create.push_back(std::move(slice));
    }
  }

  SlicePtr closest_to_full() const {
    SlicePtr best;
    for (const auto& slice : unchanged_) {
      if (slice->endpoints.size() + rest_.size() > input_.most_per_slice) continue;
      if (!best || slice->endpoints.size() > best->endpoints.size()) best = slice;
    }
    return best;
  }

  const PlanInput& input_;
  const std::string& family_;
  Group& group_;
  kube::StringMap labels_;
  std::unordered_map<std::string, const Endpoint*> pending_;  ///< wanted and not yet in a slice
  std::deque<const Endpoint*> rest_;
  std::vector<EndpointSlice> written_;
  std::vector<SlicePtr> unchanged_;
};

/// A create and a delete of the same family become one update: consumers see less, names stay.
void recycle(const kube::Service& service, Plan& plan) {
  std::erase_if(plan.remove, [&](const SlicePtr& old) {
    auto match = [&](const EndpointSlice& slice) { return slice.addressType == old->addressType; };
    auto at = owned_by(*old, service) ? std::ranges::find_if(plan.create, match) : plan.create.end();
    if (at == plan.create.end()) return false;
    auto slice = std::move(*at);
    plan.create.erase(at);
    auto labels = std::move(slice.metadata.labels);
    slice.metadata = old->metadata;
    slice.metadata.labels = std::move(labels);
    plan.update.push_back(std::move(slice));
    return true;
  });
}

class FamilyPlan {
 public:
  FamilyPlan(const PlanInput& input, const std::vector<PodPtr>& pods, std::string family)
      : input_(input), pods_(pods), family_(std::move(family)) {}

  void run(Plan& out) {
    group_slices();
    group_pods();
    for (auto& [key, group] : groups_) {
      if (group.endpoints.empty()) {
        std::ranges::copy(group.slices, std::back_inserter(plan_.remove));
      } else {
        Packing(input_, family_, group).run(plan_);
      }
    }
    keep_one();
    recycle(input_.service, plan_);
    std::ranges::move(plan_.create, std::back_inserter(out.create));
    std::ranges::move(plan_.update, std::back_inserter(out.update));
    std::ranges::move(plan_.remove, std::back_inserter(out.remove));
  }

 private:
  void group_slices() {
    auto slices = input_.slices;
    std::ranges::sort(slices, {},
                      [](const SlicePtr& slice) -> const std::string& { return slice->metadata.name; });
    for (const auto& slice : slices) {
      if (slice->addressType != family_) continue;
      ++existing_;
      // Of an earlier Service of this name: the garbage collector is after it.
      if (owned_by(*slice, input_.service)) {
        groups_[ports_key(slice->ports)].slices.push_back(slice);
      } else {
        plan_.remove.push_back(slice);
      }
    }
  }

  void group_pods() {
    for (const auto& pod : pods_) {
      const auto* node = input_.node(pod->spec.nodeName);
      auto endpoint = to_endpoint(input_.service, *pod, node, family_);
      if (endpoint.addresses.empty()) continue;
      auto ports = resolve_ports(input_.service, *pod);
      auto& group = groups_[ports_key(ports)];
      group.ports = std::move(ports);
      group.endpoints.push_back(std::move(endpoint));
    }
  }

  /// A Service always has a slice a family; without endpoints it is an empty one, without ports.
  void keep_one() {
    if (plan_.remove.size() < existing_ || !plan_.create.empty()) return;
    auto placeholder = new_slice(input_.service, family_, {});
    auto is_placeholder = [&](const SlicePtr& slice) {
      return owned_by(*slice, input_.service) && slice->endpoints.empty() && slice->ports.empty() &&
             slice->metadata.labels == placeholder.metadata.labels;
    };
    auto at = std::ranges::find_if(plan_.remove, is_placeholder);
    if (at != plan_.remove.end()) {
      plan_.remove.erase(at);
    } else {
      plan_.create.push_back(std::move(placeholder));
    }
  }

  const PlanInput& input_;
  const std::vector<PodPtr>& pods_;
  std::string family_;
  std::map<std::string, Group> groups_;
  size_t existing_ = 0;
  Plan plan_;
};

/// The pods that belong in slices, by name; the others are noted with the reason.
std::vector<PodPtr> choose_pods(const PlanInput& input, Plan& plan) {
  auto sorted = input.pods;
  std::ranges::sort(sorted, {}, [](const PodPtr& pod) -> const std::string& { return pod->metadata.name; });
  std::vector<PodPtr> out;
  for (const auto& pod : sorted) {
    if (pod->status.phase == "Succeeded" || pod->status.phase == "Failed") {
      plan.left_out.push_back({pod, fmt::format("its phase is {}", pod->status.phase)});
    } else if (!takes_part(*pod)) {
      plan.left_out.push_back({pod, "it has no address yet"});
    } else if (!input.node(pod->spec.nodeName) && !input.service.spec.publishNotReadyAddresses) {
      plan.left_out.push_back({pod, fmt::format("its node \"{}\" does not exist", pod->spec.nodeName)});
    } else {
      out.push_back(pod);
    }
  }
  return out;
}

void set_trigger_time(EndpointSlice& slice, const kube::Time& time) {
  if (time.empty()) {
    slice.metadata.annotations.erase(kTriggerTime);
  } else {
    slice.metadata.annotations[kTriggerTime] = time;
  }
}

}  // namespace

bool has_slices(const kube::Service& service) {
  return !service.spec.selector.empty() && service.spec.type != "ExternalName";
}

Plan plan_slices(const PlanInput& input) {
  Plan plan;
  if (!has_slices(input.service)) return plan;
  auto pods = choose_pods(input, plan);
  auto families = families_of(input.service);
  for (const auto& family : families) FamilyPlan(input, pods, family).run(plan);
  for (const auto& slice : input.slices) {
    if (std::ranges::find(families, slice->addressType) == families.end()) plan.remove.push_back(slice);
  }
  // While the Service goes, new slices would only race with the garbage collector.
  if (input.service.metadata.deletionTimestamp) plan.create.clear();
  for (auto& slice : plan.create) set_trigger_time(slice, input.trigger_time);
  for (auto& slice : plan.update) set_trigger_time(slice, input.trigger_time);
  return plan;
}

}  // namespace weft::endpoints
