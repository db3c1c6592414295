#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "gateway/infrastructure.h"
#include "gateway/listeners.h"
#include "kube/gateway.h"

/// Statuses of classes, Gateways and ListenerSets, without lastTransitionTime.
namespace weft::gateway {

/// Sorted; what GatewayClass.status.supportedFeatures says.
const std::vector<std::string>& supported_features();
/// The same of XMesh.status.supportedFeatures.
const std::vector<std::string>& supported_mesh_features();

kube::GatewayClassStatus class_status(const kube::GatewayClass& class_);
kube::GatewayClassStatus mesh_status(const kube::XMesh& mesh);

struct GatewayStatuses {
  kube::GatewayStatus gateway;
  std::map<std::string, kube::ListenerSetStatus> sets;  ///< by key
};

/// `attached`: how many routes a listener has, by its id. `infrastructure`: nullptr while there is none.
GatewayStatuses gateway_statuses(const GatewayView& view, const Infrastructure* infrastructure,
                                 const std::function<size_t(const std::string& listener)>& attached);

}  // namespace weft::gateway
