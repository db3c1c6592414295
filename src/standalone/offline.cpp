#include "standalone/offline.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "kube/codec.h"
#include "kube/node.h"
#include "kube/node_addresses.h"
#include "standalone/apimachinery/new_objects.h"
#include "standalone/apiserver/own_service.h"
#include "standalone/bootstrap.h"
#include "standalone/cluster_options.h"
#include "standalone/sandbox/scheduler_plan.h"

namespace weft::standalone {
namespace {

/// A node as it would register itself.
json::object node_object(const NodeLayout& layout) {
  json::object labels{{"kubernetes.io/hostname", layout.name}, {"kubernetes.io/os", "linux"}};
  if (!layout.zone.empty()) labels["topology.kubernetes.io/zone"] = layout.zone;
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", {{"name", layout.name}, {"labels", std::move(labels)}}},
          {"spec", {{"podCIDR", layout.pods4.str()}, {"podCIDRs", {layout.pods4.str(), layout.pods6.str()}}}},
          {"status",
           {{"addresses",
             {{{"type", "Hostname"}, {"address", layout.name}},
              {{"type", "InternalIP"}, {"address", layout.address4.addr.str()}},
              {{"type", "InternalIP"}, {"address", layout.address6.addr.str()}}}},
            {"conditions", {{{"type", "Ready"}, {"status", "True"}}}},
            {"allocatable", {{"cpu", "2"}, {"memory", "4Gi"}, {"pods", "1000"}}}}}};
}

/// What the manifests say of a node stays, what they leave out is as of one that `weft up` makes.
void complete_node(json::object& node, const NodeLayout& layout) {
  auto usual = node_object(layout);
  for (const char* part : {"metadata.labels", "spec", "status"}) {
    auto& have = kube::object_at(node, part);
    for (const auto& field : kube::object_at(usual, part)) {
      if (!have.contains(field.key())) have[field.key()] = field.value();
    }
  }
}

/// The layout's nodes become those of the manifests, with the addresses that these tell; without any it
/// stays.
void use_nodes(ClusterLayout& layout, const std::vector<kube::YamlDocument>& manifests) {
  std::vector<kube::Node> written;
  for (const auto& document : manifests) {
    if (kube::string_at(document.value, "kind") != "Node") continue;
    // Whoever reads the manifests says what is wrong with one that is none.
    if (auto node = kube::decode<kube::Node>(document.value)) written.push_back(std::move(*node));
  }
  if (written.empty()) return;
  ClusterOptions options;
  options.nodes = static_cast<int>(std::min<size_t>(written.size(), kMaxNodes));
  layout = layout_below("", options, 0);
  layout.nodes.resize(written.size(), layout.nodes.back());
  for (size_t i = 0; i < written.size(); ++i) {
    auto& place = layout.nodes[i];
    place.name = written[i].metadata.name;
    for (const auto& address : kube::internal_addresses(written[i]))
      (address.is_v4() ? place.address4 : place.address6).addr = address;
  }
}

std::string place(const kube::Pod& pod, const std::map<std::string, int>& pods,
                  const std::map<std::string, std::shared_ptr<const kube::Node>>& nodes) {
  std::vector<sandbox::NodeLoad> loads;
  for (const auto& [name, node] : nodes) {
    auto count = pods.find(name);
    loads.push_back({.node = node, .pods = count == pods.end() ? 0 : count->second, .ports = {}});
  }
  return sandbox::place_pod(pod, loads).node;
}

}  // namespace

trace::Machinery offline_cluster(const std::vector<kube::YamlDocument>& manifests) {
  auto layout = layout_below("", ClusterOptions{}, 0);
  use_nodes(layout, manifests);
  trace::Machinery out;
  auto add = [&](json::object object) {
    out.assumed.push_back({.value = std::move(object), .file = {}, .line = 0, .lines = {}});
  };
  for (const auto& node : layout.nodes) add(node_object(node));
  ServiceRanges ranges{.cluster_ips = {layout.services4, layout.services6}};
  add(own_service(ranges));
  for (auto& object : bootstrap_objects(layout)) add(std::move(object.object));
  auto objects = std::make_shared<NewObjects>(ranges);
  for (const auto& document : manifests) {
    if (kube::string_at(document.value, "kind") == "Service") objects->keep(document.value);
  }
  out.complete = [objects, nodes = layout.nodes](json::value& object) {
    if (kube::string_at(object, "kind") == "Node" && object.is_object()) {
      auto at = std::ranges::find(nodes, kube::string_at(object, "metadata.name"), &NodeLayout::name);
      if (at != nodes.end()) complete_node(object.get_object(), *at);
    }
    return objects->complete(object);
  };
  out.place = place;
  return out;
}

}  // namespace weft::standalone
