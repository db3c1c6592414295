#include "endpoints/topology.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include "endpoints/endpoint.h"

namespace weft::endpoints {
namespace {

/// How far above its share an endpoint's load may be.
constexpr double kOverload = 0.2;

using Counts = std::map<std::string, int>;
using Slices = std::vector<std::reference_wrapper<kube::EndpointSlice>>;

/// How many endpoints a zone is to have.
struct Allocation {
  int minimum = 0;
  int maximum = 0;
  double desired = 0;
};
using Allocations = std::map<std::string, Allocation>;

/// Of a quantity of processors; 0 for what is none.
double processors(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc()) return 0;
  if (rest == end) return value;
  return std::string_view(rest, end) == "m" ? value / 1000 : 0;
}

bool is_ready_node(const kube::Node& node) {
  auto ready = std::ranges::find(node.status.conditions, "Ready", &kube::NodeCondition::type);
  return ready != node.status.conditions.end() && ready->status == "True";
}

bool is_ready(const kube::Endpoint& endpoint) { return endpoint.conditions.ready.value_or(false); }

int count_ready(const std::vector<kube::Endpoint>& endpoints) {
  return static_cast<int>(std::ranges::count_if(endpoints, is_ready));
}

/// Nothing, with the reason in `why`, when endpoints cannot be shared out within the overload that is
/// allowed.
Allocations allocate(const ZoneShares& shares, int endpoints, std::string& why) {
  auto numbers = fmt::format(" ({} endpoints, {} zones)", endpoints, shares.size());
  if (shares.empty()) {
    why = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes";
    return {};
  }
  if (static_cast<int>(shares.size()) > endpoints) {
    why = "Insufficient number of endpoints" + numbers;
    return {};
  }
  Allocations out;
  int least = 0;
  for (const auto& [zone, share] : shares) {
    double desired = share * endpoints;
    int minimum = static_cast<int>(std::ceil(desired * (1 / (1 + kOverload))));
    out[zone] = {.minimum = minimum, .desired = std::max<double>(desired, minimum)};
    least += minimum;
  }
  if (least > endpoints) {
    why = "Minimum allocation of required endpoints exceeds number of available endpoints" + numbers;
    return {};
  }
  for (auto& [zone, allocation] : out) allocation.maximum = allocation.minimum + endpoints - least;
  return out;
}

/// The hints that a slice has by zone; nothing when they do not fit: one is missing, is for a node, is for a
/// zone that gets none, or is one too many for others to get their minimum.
std::optional<Counts> fitting_hints(const kube::EndpointSlice& slice, const Counts& given,
                                    const Allocations& allocations) {
  Counts out;
  for (const auto& endpoint : slice.endpoints) {
    if (!is_ready(endpoint)) continue;
    if (!endpoint.hints || endpoint.hints->forZones.empty() || !endpoint.hints->forNodes.empty())
      return std::nullopt;
    for (const auto& zone : endpoint.hints->forZones) {
      if (!allocations.contains(zone.name)) return std::nullopt;
      ++out[zone.name];
    }
  }
  for (const auto& [zone, count] : out) {
    auto before = given.find(zone);
    if (count + (before == given.end() ? 0 : before->second) > allocations.at(zone).maximum)
      return std::nullopt;
  }
  return out;
}

void hint(kube::Endpoint& endpoint, const std::string& zone) {
  endpoint.hints.emplace().forZones.emplace_back().name = zone;
}

/// The zone that has most, and how much.
std::map<std::string, double>::iterator most(std::map<std::string, double>& zones) {
  return std::ranges::max_element(zones, {}, [](const auto& entry) { return entry.second; });
}

/// How many endpoints zones give to others, and get, to come near to what is desired.
void balance(const Allocations& allocations, Counts& given, Counts& giving, Counts& receiving) {
  std::map<std::string, double> over, under;
  for (const auto& [zone, allocation] : allocations) {
    double difference = given[zone] - allocation.desired;
    if (difference > 0) over[zone] = difference;
    if (difference < 0) under[zone] = -difference;
  }
  while (!over.empty() && !under.empty()) {
    auto from = most(over), to = most(under);
    if (from->second < 0.5 || to->second < 0.5 || (from->second < 1 && to->second < 1)) return;
    ++giving[from->first];
    --from->second;
    ++receiving[to->first];
    --to->second;
  }
}

void move_hints(const Slices& slices, Counts giving, Counts receiving) {
  for (kube::EndpointSlice& slice : slices) {
    for (auto& endpoint : slice.endpoints) {
      if (receiving.empty()) return;
      if (!is_ready(endpoint) || giving[*endpoint.zone] == 0) continue;
      auto to = receiving.begin();
      hint(endpoint, to->first);
      --giving[*endpoint.zone];
      if (--to->second == 0) receiving.erase(to);
    }
  }
}

Slices written(SliceChanges& changes) {
  Slices out(changes.create.begin(), changes.create.end());
  out.insert(out.end(), changes.update.begin(), changes.update.end());
  return out;
}

void remove_hints(SliceChanges& changes, const std::vector<SlicePtr>& unchanged) {
  for (const auto& slice : unchanged) {
    bool hinted =
        std::ranges::any_of(slice->endpoints, [](const auto& each) { return each.hints.has_value(); });
    bool taken = std::ranges::any_of(
        changes.update, [&](const auto& update) { return update.metadata.name == slice->metadata.name; });
    if (hinted && !taken) changes.update.push_back(*slice);
  }
  for (kube::EndpointSlice& slice : written(changes)) {
    for (auto& endpoint : slice.endpoints) endpoint.hints.reset();
  }
}

}  // namespace

ZoneShares zone_shares(const std::vector<std::shared_ptr<const kube::Node>>& nodes) {
  ZoneShares out;
  double total = 0;
  for (const auto& node : nodes) {
    const auto& labels = node->metadata.labels;
    bool control_plane = labels.contains("node-role.kubernetes.io/control-plane") ||
                         labels.contains("node-role.kubernetes.io/master");
    if (control_plane || !is_ready_node(*node)) continue;
    auto cpu = node->status.allocatable.find("cpu");
    double count = cpu == node->status.allocatable.end() ? 0 : processors(cpu->second);
    auto zone = zone_of(*node);
    if (zone.empty() || count <= 0) return {};
    out[zone] += count;
    total += count;
  }
  if (out.size() < 2) return {};
  for (auto& [zone, share] : out) share /= total;
  return out;
}

std::string add_zone_hints(SliceChanges& changes, const std::vector<SlicePtr>& unchanged,
                           const ZoneShares& shares) {
  int total = 0;
  for (kube::EndpointSlice& slice : written(changes)) total += count_ready(slice.endpoints);
  for (const auto& slice : unchanged) total += count_ready(slice->endpoints);
  std::string why;
  auto allocations = allocate(shares, total, why);
  Counts given;
  if (why.empty()) {
    for (const auto& slice : unchanged) {
      auto hints = fitting_hints(*slice, given, allocations);
      if (!hints)
        changes.update.push_back(*slice);
      else
        for (const auto& [zone, count] : *hints) given[zone] += count;
    }
  }
  auto slices = written(changes);
  for (kube::EndpointSlice& slice : slices) {
    for (auto& endpoint : slice.endpoints) {
      endpoint.hints.reset();
      if (!why.empty() || !is_ready(endpoint)) continue;
      if (endpoint.zone.value_or("").empty()) {
        why = "One or more endpoints do not have a zone specified";
      } else {
        hint(endpoint, *endpoint.zone);
        ++given[*endpoint.zone];
      }
    }
  }
  if (!why.empty()) {
    remove_hints(changes, unchanged);
    return why;
  }
  Counts giving, receiving;
  balance(allocations, given, giving, receiving);
  move_hints(slices, std::move(giving), std::move(receiving));
  return {};
}

}  // namespace weft::endpoints
