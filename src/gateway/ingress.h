#pragma once

#include <optional>
#include <string>

#include "gateway/listeners.h"
#include "gateway/routes.h"

/// Ingresses: all that are ours share one Gateway of their own (kIngressGateway), with listeners for HTTP at
/// 80 and, when there are certificates, HTTPS at 443. An Ingress is a route that is attached to both.
namespace weft::gateway {

/// Of IngressClasses that are the default the newest holds, then the first by name (KEP-1453); "": none.
std::string default_ingress_class(Lookup& look);

/// It names a class of ours, or none while a class of ours is the default one.
bool is_our_ingress(Lookup& look, const kube::Ingress& ingress);

/// Nothing while no IngressClass is ours.
std::optional<GatewayView> view_ingresses(Lookup& look, CertificateStore& store);

/// Without attachments when it is not ours.
RouteBuild build_ingress(Lookup& look, const kube::Ingress& ingress);

kube::IngressStatus ingress_status(const Infrastructure* infrastructure);

}  // namespace weft::gateway
