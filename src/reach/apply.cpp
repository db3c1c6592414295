#include "reach/apply.h"

#include <fmt/core.h>

#include <map>
#include <set>
#include <string>

#include "kube/registry.h"

namespace weft::reach {
namespace {

constexpr std::string_view kDefaultNamespace = "default";

bool is_namespaced(std::string_view kind) {
  for (const auto& known : kube::builtin_kinds()) {
    if (known.resource.kind == kind) return known.resource.namespaced;
  }
  return true;
}

/// "Kind/namespace/name".
std::string key_of(std::string_view kind, std::string_view ns, std::string_view name) {
  if (!is_namespaced(kind)) ns = {};
  if (is_namespaced(kind) && ns.empty()) ns = kDefaultNamespace;
  return fmt::format("{}/{}/{}", kind, ns, name);
}

std::string key_of(const json::value& object) {
  return key_of(kube::string_at(object, "kind"), kube::string_at(object, "metadata.namespace"),
                kube::string_at(object, "metadata.name"));
}

/// Of the controller that made it; empty: none did.
std::string owner_of(const json::value& object) {
  const auto* owners = kube::at_path(object, "metadata.ownerReferences");
  if (!owners || !owners->is_array()) return {};
  for (const auto& owner : owners->get_array()) {
    const auto* controls = kube::member(owner, "controller");
    if (controls && controls->is_bool() && controls->get_bool())
      return key_of(kube::string_at(owner, "kind"), kube::string_at(object, "metadata.namespace"),
                    kube::string_at(owner, "name"));
  }
  return {};
}

/// What the cluster has given to an object, unless the manifest says it itself.
void keep(json::value& object, const json::value& was) {
  auto keep_field = [&](std::string_view path) {
    const auto* value = kube::at_path(was, path);
    if (!value || kube::at_path(object, path)) return;
    auto dot = path.rfind('.');
    auto& parent =
        dot == path.npos ? object.get_object() : kube::object_at(object.get_object(), path.substr(0, dot));
    parent[path.substr(dot == path.npos ? 0 : dot + 1)] = *value;
  };
  keep_field("metadata.uid");
  keep_field("metadata.creationTimestamp");
  keep_field("status");
  auto kind = kube::string_at(object, "kind");
  if (kind == "Pod") keep_field("spec.nodeName");
  // A Service that had addresses and is to have some keeps them.
  bool external = kube::string_at(object, "spec.type") == "ExternalName" ||
                  kube::string_at(object, "spec.clusterIP") == "None" ||
                  kube::string_at(was, "spec.clusterIP") == "None";
  if (kind == "Service" && !external) {
    keep_field("spec.clusterIP");
    keep_field("spec.clusterIPs");
    keep_field("spec.ipFamilies");
    keep_field("spec.ipFamilyPolicy");
  }
}

/// Whether a workload's pods would be others.
bool makes_others(json::value was, json::value is,
                  const std::function<Expected<void>(json::value& object)>& complete) {
  if (!complete(was) || !complete(is)) return true;
  for (const char* path : {"spec.template", "spec.replicas", "spec.parallelism"}) {
    const auto *a = kube::at_path(was, path), *b = kube::at_path(is, path);
    if ((a == nullptr) != (b == nullptr) || (a && *a != *b)) return true;
  }
  return false;
}

}  // namespace

Expected<std::vector<kube::YamlDocument>> apply(
    const std::vector<kube::YamlDocument>& cluster, const std::vector<kube::YamlDocument>& manifests,
    const std::function<Expected<void>(json::value& object)>& complete) {
  std::map<std::string, const kube::YamlDocument*> known;
  for (const auto& document : cluster) known.emplace(key_of(document.value), &document);
  std::vector<kube::YamlDocument> out;
  std::set<std::string> replaced, gone;
  for (const auto& document : manifests) {
    auto key = key_of(document.value);
    replaced.insert(key);
    auto& object = out.emplace_back(document);
    auto at = known.find(key);
    if (at == known.end() || !object.value.is_object()) continue;
    if (kube::at_path(object.value, "spec.template") &&
        makes_others(at->second->value, object.value, complete))
      gone.insert(key);
    keep(object.value, at->second->value);
  }
  // ReplicaSets of Deployments first, so that their pods follow.
  for (const auto& [key, document] : known) {
    if (key.starts_with("ReplicaSet/") && gone.contains(owner_of(document->value))) gone.insert(key);
  }
  for (const auto& document : cluster) {
    auto key = key_of(document.value);
    bool of_gone =
        key.starts_with("ReplicaSet/") ? gone.contains(key) : gone.contains(owner_of(document.value));
    if (!replaced.contains(key) && !of_gone) out.push_back(document);
  }
  return out;
}

}  // namespace weft::reach
