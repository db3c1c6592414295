#include "standalone/bootstrap.h"

#include "kube/gateway.h"
#include "kube/networking.h"
#include "kube/service.h"
#include "kube/weft_types.h"

namespace weft::standalone {

namespace {

json::object dns_service(const ClusterLayout& layout) {
  auto dns4 = layout.dns4.str();
  auto port = [](const char* name, const char* protocol) {
    return json::object{{"name", name}, {"port", 53}, {"protocol", protocol}, {"targetPort", 53}};
  };
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata",
           {{"name", "kube-dns"},
            {"namespace", "kube-system"},
            {"labels", {{"k8s-app", "kube-dns"}, {"kubernetes.io/name", "weft-dns"}}},
            // Each node's pods ask their own node's server, and others' while that is down.
            {"annotations", {{"weft.dev/local-check", "dns"}}}}},
          {"spec",
           {{"clusterIP", dns4},
            {"clusterIPs", {dns4, layout.dns6.str()}},
            {"ipFamilies", {"IPv4", "IPv6"}},
            {"ipFamilyPolicy", "RequireDualStack"},
            {"trafficDistribution", "PreferSameNode"},
            {"ports", {port("dns", "UDP"), port("dns-tcp", "TCP")}}}}};
}

json::object dns_slice(const ClusterLayout& layout, const char* family, bool v4) {
  json::array endpoints;
  for (const auto& node : layout.nodes) {
    endpoints.push_back({{"addresses", {(v4 ? node.address4 : node.address6).addr.str()}},
                         {"conditions", {{"ready", true}, {"serving", true}, {"terminating", false}}},
                         {"nodeName", node.name},
                         {"hints", {{"forNodes", {{{"name", node.name}}}}}}});
  }
  auto port = [](const char* name, const char* protocol) {
    return json::object{{"name", name}, {"port", 53}, {"protocol", protocol}};
  };
  return {{"apiVersion", "discovery.k8s.io/v1"},
          {"kind", "EndpointSlice"},
          {"metadata",
           {{"name", v4 ? "kube-dns-v4" : "kube-dns-v6"},
            {"namespace", "kube-system"},
            {"labels",
             {{"kubernetes.io/service-name", "kube-dns"},
              {"endpointslice.kubernetes.io/managed-by", "weft-up"}}}}},
          {"addressType", family},
          {"endpoints", endpoints},
          {"ports", {port("dns", "UDP"), port("dns-tcp", "TCP")}}};
}

json::object address_pool(const ClusterLayout& layout) {
  auto range = [](const AddressSpan& span) { return span.first.str() + "-" + span.last.str(); };
  return {{"apiVersion", "weft.dev/v1alpha1"},
          {"kind", "AddressPool"},
          {"metadata", {{"name", "weft-up"}}},
          {"spec", {{"addresses", {range(layout.balancers4), range(layout.balancers6)}}}}};
}

json::object gateway_class() {
  return {{"apiVersion", "gateway.networking.k8s.io/v1"},
          {"kind", "GatewayClass"},
          {"metadata", {{"name", "weft"}}},
          {"spec", {{"controllerName", "weft.dev/gateway-controller"}}}};
}

json::object ingress_class() {
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "IngressClass"},
          {"metadata",
           {{"name", "weft"}, {"annotations", {{"ingressclass.kubernetes.io/is-default-class", "true"}}}}},
          {"spec", {{"controller", "weft.dev/ingress-controller"}}}};
}

}  // namespace

std::vector<BootstrapObject> bootstrap_objects(const ClusterLayout& layout) {
  const auto& slices = kube::resource_of<kube::EndpointSlice>();
  return {{kube::resource_of<kube::Service>(), dns_service(layout)},
          {slices, dns_slice(layout, "IPv4", true)},
          {slices, dns_slice(layout, "IPv6", false)},
          {kube::resource_of<kube::AddressPool>(), address_pool(layout)},
          {kube::resource_of<kube::GatewayClass>(), gateway_class()},
          {kube::resource_of<kube::IngressClass>(), ingress_class()}};
}

}  // namespace weft::standalone
