#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "service/plan.h"

namespace weft::service {

/// What a Service asks of a node for the sake of its load balancers: a port of the node's where they learn
/// whether it has endpoints of the Service.
struct HealthPort {
  uint16_t port = 0;             ///< spec.healthCheckNodePort
  uint32_t local_endpoints = 0;  ///< ready ones on this node; a pod with two addresses is one
  bool operator==(const HealthPort&) const = default;
};

/// Pure. Nothing unless the Service is of type LoadBalancer with externalTrafficPolicy Local and has a health
/// check port. Endpoints count as with kube-proxy: ready, on this node, by address; those that terminate and
/// still serve do not, so that load balancers turn away before the last one is gone.
std::optional<HealthPort> plan_health(const kube::Service& service, std::span<const SlicePtr> slices,
                                      std::string_view node);

}  // namespace weft::service
