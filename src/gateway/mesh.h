#pragma once

#include <map>
#include <optional>
#include <string>

#include "gateway/attachment.h"
#include "gateway/infrastructure.h"
#include "gateway/listeners.h"
#include "gateway/routes.h"

/// Services as parents of HTTPRoutes and GRPCRoutes: the mesh (GEP-1294, GEP-1426). To the plan such a
/// Service is like a Gateway whose listeners are those of the Service's ports that have routes. Routes of the
/// Service's own namespace (producers) concern all its clients; those of another (consumers) concern the pods
/// of that namespace alone, and they instead of the producers'. What has no route goes on to the Service's
/// endpoints as it is. Clients see none of it when the last route goes: the proxies serve a port for as long
/// as a slice leads to them.
namespace weft::gateway {

/// Under which a Service ("namespace/name") stands among Gateways: "Service/namespace/name".
std::string mesh_key(const std::string& service);
/// The other way round; nothing: it is a Gateway's.
std::optional<std::string> meshed_service(const std::string& key);

/// The mesh_key() of the Service whose connections a slice leads to proxies; "": it does not.
std::string mesh_of(const kube::EndpointSlice& slice);
/// The Service's port that it is of and where proxies listen for it; nothing: it does not say.
std::optional<std::pair<PortKey, uint16_t>> mesh_port(const kube::EndpointSlice& slice);

/// Whether the parent is a Service.
bool is_service(const kube::RouteParentReference& ref);
/// None of ours unless there is a GatewayClass of ours: somebody else's mesh. Without a port (or sectionName,
/// its name) all are meant that do not say that they speak something else than HTTP (appProtocol, or the
/// beginning of their name).
ParentResult resolve_service(Lookup& look, const RouteFacts& route, const kube::RouteParentReference& ref);

/// Routes of a Service, by the name of the listener that they are attached to, which is "80" for producers
/// and "80/namespace" for consumers.
using MeshUsers = std::map<std::string, int>;

struct MeshView {
  GatewayView view;
  Infrastructure infrastructure;  ///< as slices say
};

/// Nothing: it has no routes and no slices, or is not there.
std::optional<MeshView> view_mesh(Lookup& look, const std::string& key, const MeshUsers& users);

/// What a listener for all clients has when there are no routes for it: the Service's endpoints. `port`: of
/// the view's listeners, as text.
std::optional<RouteBuild> build_unrouted(const GatewayView& view, const std::string& port);

}  // namespace weft::gateway
