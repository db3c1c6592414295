#include "endpoints/plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "endpoints/endpoint.h"

namespace weft::endpoints {

namespace {

/// The labels of the Service are mirrored, but for the three that have a meaning on slices.
kube::StringMap labels_for(const kube::Service& service) {
  auto out = service.metadata.labels;
  out.erase(kHeadless);
  if (service.spec.clusterIP.empty() || service.spec.clusterIP == "None") out[kHeadless] = "";
  out[kServiceName] = service.metadata.name;
  out[kManagedBy] = kController;
  return out;
}

/// A Service always has a slice a family, so that consumers can tell "no endpoints" from "not known yet".
SliceShape shape_for(const PlanInput& input) {
  return {.namespace_ = input.service.metadata.namespace_,
          .owner = controller_reference("Service", input.service.metadata),
          .labels = labels_for(input.service),
          .annotations = {},
          .most_per_slice = input.most_per_slice,
          .always_one = true};
}

/// The pods' endpoints of one family, by their ports.
std::map<std::string, Group> group_pods(const PlanInput& input, const std::vector<PodPtr>& pods,
                                        const std::string& family) {
  std::map<std::string, Group> out;
  for (const auto& pod : pods) {
    const auto* node = input.node(pod->spec.nodeName);
    auto endpoint = to_endpoint(input.service, *pod, node, family);
    if (endpoint.addresses.empty()) continue;
    auto ports = resolve_ports(input.service, *pod);
    auto& group = out[ports_key(ports)];
    group.ports = std::move(ports);
    group.endpoints.push_back(std::move(endpoint));
  }
  return out;
}

/// Endpoints keep the zone hints that they have, so that these alone are no reason to write.
void keep_hints(std::map<std::string, Group>& groups, const std::vector<SlicePtr>& slices,
                const std::string& family) {
  std::unordered_map<std::string, const kube::Endpoint*> known;
  for (const auto& slice : slices) {
    if (slice->addressType != family) continue;
    for (const auto& endpoint : slice->endpoints) known.emplace(endpoint_key(endpoint), &endpoint);
  }
  for (auto& [ports, group] : groups) {
    for (auto& endpoint : group.endpoints) {
      auto at = known.find(endpoint_key(endpoint));
      if (at != known.end()) endpoint.hints = at->second->hints;
    }
  }
}

/// The slices of a family that the changes do not touch.
std::vector<SlicePtr> untouched(const SliceChanges& changes, const std::vector<SlicePtr>& slices,
                                const std::string& family) {
  std::vector<SlicePtr> out;
  for (const auto& slice : slices) {
    bool updated = std::ranges::any_of(
        changes.update, [&](const auto& update) { return update.metadata.name == slice->metadata.name; });
    bool removed = std::ranges::find(changes.remove, slice) != changes.remove.end();
    if (slice->addressType == family && !updated && !removed) out.push_back(slice);
  }
  return out;
}

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

void set_trigger_time(kube::EndpointSlice& slice, const kube::Time& time) {
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
  const auto shape = shape_for(input);
  const bool zone_hints = wants_zone_hints(input.service);
  for (const auto& family : families) {
    auto groups = group_pods(input, pods, family);
    if (zone_hints) keep_hints(groups, input.slices, family);
    auto changes = pack(shape, family, std::move(groups), input.slices);
    if (zone_hints) {
      auto why = add_zone_hints(changes, untouched(changes, input.slices, family), input.zone_shares);
      if (!why.empty()) plan.without_hints[family] = std::move(why);
    }
    plan.append(std::move(changes));
  }
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
