#include "gateway/mesh_slices.h"

#include <fmt/core.h>

#include <algorithm>

#include "gateway/names.h"
#include "kube/codec.h"

namespace weft::gateway {

std::vector<json::object> mesh_slices(const Entrance& entrance, const BindPorts& ports,
                                      const std::map<std::string, const kube::Node*>& nodes) {
  std::vector<json::object> out;
  for (bool v6 : {false, true}) {
    const auto endpoints = endpoints_of(nodes, v6);
    for (const auto& [key, name] : entrance.service_ports) {
      auto bind = ports.find(key);
      if (bind == ports.end()) continue;
      for (size_t from = 0; from < endpoints.size(); from += kEndpointsInASlice) {
        auto to = std::min(from + kEndpointsInASlice, endpoints.size());
        json::object owner{{"apiVersion", "v1"},
                           {"kind", "Service"},
                           {"name", entrance.gateway},
                           {"uid", entrance.uid},
                           {"controller", true}};
        // A Service's name has no dot: this is no other Service's.
        auto slice = fmt::format("{}.mesh-{}-v{}-{}", entrance.gateway, key.port, v6 ? 6 : 4,
                                 from / kEndpointsInASlice);
        out.push_back({{"apiVersion", "discovery.k8s.io/v1"},
                       {"kind", "EndpointSlice"},
                       {"metadata",
                        {{"name", slice},
                         {"namespace", entrance.namespace_},
                         {"labels",
                          {{kMeshOf, entrance.gateway},
                           {"endpointslice.kubernetes.io/managed-by", kInfrastructureManager}}},
                         {"annotations", {{kMeshPort, std::to_string(key.port)}}},
                         {"ownerReferences", json::array{std::move(owner)}}}},
                       {"addressType", v6 ? "IPv6" : "IPv4"},
                       {"endpoints", json::array(endpoints.begin() + static_cast<std::ptrdiff_t>(from),
                                                 endpoints.begin() + static_cast<std::ptrdiff_t>(to))},
                       {"ports", {{{"name", name}, {"protocol", "TCP"}, {"port", int{bind->second}}}}}});
      }
    }
  }
  return out;
}

json::object emptied(const kube::EndpointSlice& slice) {
  auto all = kube::encode(slice);
  json::object out;
  for (const auto* field : {"apiVersion", "kind", "addressType", "ports"}) {
    if (const auto* value = all.if_contains(field)) out[field] = *value;
  }
  json::object meta;
  for (const auto* field : {"name", "namespace", "labels", "annotations", "ownerReferences"}) {
    if (const auto* value = all.at("metadata").as_object().if_contains(field)) meta[field] = *value;
  }
  out["metadata"] = std::move(meta);
  out["endpoints"] = json::array();
  return out;
}

}  // namespace weft::gateway
