#pragma once

#include <string_view>

namespace weft::gateway {

inline constexpr std::string_view kGroup = "gateway.networking.k8s.io";
/// spec.controllerName of the GatewayClasses that are ours.
inline constexpr std::string_view kController = "weft.dev/gateway-controller";
/// spec.controller of the IngressClasses that are ours.
inline constexpr std::string_view kIngressController = "weft.dev/ingress-controller";
inline constexpr std::string_view kDefaultIngressClass = "ingressclass.kubernetes.io/is-default-class";
/// The annotation of an Ingress from before spec.ingressClassName.
inline constexpr std::string_view kIngressClass = "kubernetes.io/ingress.class";
/// Of an EndpointSlice: the Service it is of.
inline constexpr std::string_view kServiceName = "kubernetes.io/service-name";
/// Of an EndpointSlice: the Service whose connections the endpoints take, which are proxies.
inline constexpr std::string_view kMeshOf = "weft.dev/mesh-of";

}  // namespace weft::gateway
