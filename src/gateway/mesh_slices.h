#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/infrastructure.h"
#include "kube/json.h"
#include "kube/node.h"
#include "kube/service.h"

/// The EndpointSlices that lead connections to a Service's cluster addresses to the proxies, one for each
/// port, family and thousand nodes. They are the only record of the ports at which proxies listen for the
/// Service. A new one is empty at first, and one that is to go is emptied before, so that proxies listen for
/// as long as anybody is sent to them.
namespace weft::gateway {

/// Of such a slice: the Service's port, in its annotation.
inline constexpr std::string_view kMeshPort = "weft.dev/mesh-port";

/// Of a Service's entrance. Those of families without nodes are not there.
std::vector<json::object> mesh_slices(const Entrance& entrance, const BindPorts& ports,
                                      const std::map<std::string, const kube::Node*>& nodes);

/// As it is, but that nobody is sent to a proxy by it.
json::object emptied(const kube::EndpointSlice& slice);

}  // namespace weft::gateway
