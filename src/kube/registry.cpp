#include "kube/registry.h"

#include <algorithm>

#include "kube/apps.h"
#include "kube/cluster_network_policy.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/gateway.h"
#include "kube/gateway_policy.h"
#include "kube/gateway_routes.h"
#include "kube/networking.h"
#include "kube/node.h"
#include "kube/pod.h"
#include "kube/service.h"
#include "kube/weft_types.h"

namespace weft::kube {
namespace {

template <class T>
KindInfo kind() {
  auto schema = schema_of<T>();
  bool has_status = schema->find("status") != nullptr;
  return {.resource = resource_of<T>(),
          .schema = std::move(schema),
          .has_status = has_status,
          .has_scale = false};
}

template <class T>
KindInfo scalable() {
  auto info = kind<T>();
  info.has_scale = true;
  return info;
}

}  // namespace

const std::vector<KindInfo>& builtin_kinds() {
  static const std::vector<KindInfo> all = {
      kind<ConfigMap>(),
      kind<Endpoints>(),
      kind<Event>(),
      kind<Namespace>(),
      kind<Node>(),
      kind<Pod>(),
      kind<Secret>(),
      kind<Service>(),
      kind<ServiceAccount>(),
      kind<ControllerRevision>(),
      kind<DaemonSet>(),
      scalable<Deployment>(),
      scalable<ReplicaSet>(),
      scalable<StatefulSet>(),
      kind<Job>(),
      kind<Lease>(),
      kind<EndpointSlice>(),
      kind<Ingress>(),
      kind<IngressClass>(),
      kind<IPAddress>(),
      kind<NetworkPolicy>(),
      kind<ServiceCIDR>(),
      kind<ClusterNetworkPolicy>(),
      kind<AddressPool>(),
      kind<BackendTLSPolicy>(),
      kind<Gateway>(),
      kind<GatewayClass>(),
      kind<GRPCRoute>(),
      kind<HTTPRoute>(),
      kind<ListenerSet>(),
      kind<ReferenceGrant>(),
      kind<TCPRoute>(),
      kind<TLSRoute>(),
      kind<UDPRoute>(),
  };
  return all;
}

const KindInfo* find_builtin(std::string_view group, std::string_view plural) {
  const auto& all = builtin_kinds();
  auto at = std::ranges::find_if(all, [&](const KindInfo& info) {
    return info.resource.group == group && info.resource.plural == plural;
  });
  return at == all.end() ? nullptr : &*at;
}

}  // namespace weft::kube
