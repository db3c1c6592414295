#include "service/health_plan.h"

#include <algorithm>
#include <set>

namespace weft::service {
namespace {

/// One without ports has nothing that a load balancer could use.
bool offers_ports(const kube::EndpointSlice& slice) {
  return std::ranges::any_of(slice.ports, [](const auto& port) { return port.port.value_or(0) != 0; });
}

/// Of one family, each address once, in however many slices it is.
size_t count_local(std::span<const SlicePtr> slices, std::string_view type, std::string_view node) {
  std::set<std::string_view> addresses;
  for (const auto& slice : slices) {
    if (slice->addressType != type || !offers_ports(*slice)) continue;
    for (const auto& endpoint : slice->endpoints) {
      bool counts = endpoint.conditions.ready.value_or(true) && endpoint.nodeName == node;
      if (counts && !endpoint.addresses.empty()) addresses.insert(endpoint.addresses[0]);
    }
  }
  return addresses.size();
}

}  // namespace

std::optional<HealthPort> plan_health(const kube::Service& service, std::span<const SlicePtr> slices,
                                      std::string_view node) {
  const auto& spec = service.spec;
  if (spec.type != "LoadBalancer" || spec.externalTrafficPolicy != "Local") return std::nullopt;
  if (spec.healthCheckNodePort <= 0 || spec.healthCheckNodePort > 65'535) return std::nullopt;
  if (ignored(service) != Ignored::no) return std::nullopt;
  auto count = std::max(count_local(slices, "IPv4", node), count_local(slices, "IPv6", node));
  return HealthPort{static_cast<uint16_t>(spec.healthCheckNodePort), static_cast<uint32_t>(count)};
}

}  // namespace weft::service
