#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/node.h"
#include "kube/pod.h"
#include "kube/service.h"

/// What one pod is behind one Service. Pure functions.
namespace weft::endpoints {

/// Terminal pods and those without an address are behind no Service; terminating ones still are.
bool takes_part(const kube::Pod& pod);
/// Its condition Ready is True.
bool is_ready(const kube::Pod& pod);

/// The ports of the Service as this pod has them: a named targetPort is looked up among the pod's containers,
/// and among the init containers that stay (KEP-753). Ports that the pod does not have are left out. Sorted,
/// with name and protocol always set.
std::vector<kube::EndpointPort> resolve_ports(const kube::Service& service, const kube::Pod& pod);
/// Names one set of ports; equal for sets that differ only in order or in what the API server defaults.
std::string ports_key(const std::vector<kube::EndpointPort>& ports);

/// The pod as an endpoint for one family ("IPv4" or "IPv6"); without `addresses` when it has none of it.
/// `node` may be null. Hints follow spec.trafficDistribution, ready endpoints only.
kube::Endpoint to_endpoint(const kube::Service& service, const kube::Pod& pod, const kube::Node* node,
                           std::string_view family);
/// The Service asks for hints by the old annotation, `topology-mode: Auto` (topology.h). It wins over
/// spec.trafficDistribution.
bool wants_zone_hints(const kube::Service& service);
/// What makes two endpoints the same one: addresses, host name and target.
std::string endpoint_key(const kube::Endpoint& endpoint);
/// Two endpoints with the same key do not differ in the rest either.
bool same_state(const kube::Endpoint& a, const kube::Endpoint& b);

/// The change between two versions of a pod can be seen in EndpointSlices.
bool differs_for_endpoints(const kube::Pod& before, const kube::Pod& after);

/// The families a Service's slices are for. Without spec.ipFamilies (an old API server): that of the
/// clusterIP, or both for a headless Service.
std::vector<std::string> families_of(const kube::Service& service);

/// Its topology.kubernetes.io/zone, or "".
std::string zone_of(const kube::Node& node);

}  // namespace weft::endpoints
