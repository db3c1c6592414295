#include "standalone/apiserver/discovery.h"

#include <algorithm>
#include <array>
#include <map>

namespace weft::standalone {
namespace {

constexpr auto kVerbs = std::to_array<const char*>(
    {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"});

struct Subresource {
  std::string name;
  std::string group, version, kind;  ///< of what is sent and received
  std::vector<const char*> verbs;
};

/// Groups whose objects cannot be stored: they are questions.
struct Review {
  const char *group, *version, *plural, *kind;
};
constexpr auto kReviews = std::to_array<Review>({
    {"authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview"},
    {"authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"},
});

std::vector<Subresource> subresources_of(const ServedKind& kind) {
  const auto& info = kind.info;
  std::vector<Subresource> out;
  if (kind.has_status)
    out.push_back({"status", info.group, info.version, info.kind, {"get", "patch", "update"}});
  if (kind.scale) out.push_back({"scale", "autoscaling", "v1", "Scale", {"get", "patch", "update"}});
  if (info.group.empty() && info.plural == "pods") {
    out.push_back({"binding", "", "v1", "Binding", {"create"}});
    out.push_back({"eviction", "policy", "v1", "Eviction", {"create"}});
    out.push_back({"exec", "", "v1", "PodExecOptions", {"create", "get"}});
    out.push_back({"log", "", "v1", "Pod", {"get"}});
  }
  if (info.group.empty() && info.plural == "namespaces") {
    out.push_back({"finalize", "", "v1", "Namespace", {"update"}});
  }
  std::ranges::sort(out, {}, &Subresource::name);
  return out;
}

template <class Strings>
json::array strings(const Strings& from) {
  json::array out;
  for (const auto& one : from) out.emplace_back(one);
  return out;
}

/// v1 before v1beta1 before v1alpha1; the number decides first.
int version_rank(std::string_view version) {
  int number = version.size() > 1 ? version[1] - '0' : 0;
  if (version.find("alpha") != std::string_view::npos) return number;
  if (version.find("beta") != std::string_view::npos) return 100 + number;
  return 200 + number;
}

/// Groups with their versions, the preferred one first, in the order they are offered.
std::vector<std::pair<std::string, std::vector<std::string>>> groups_of(const KindTable& kinds) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  auto add = [&](const std::string& group, const std::string& version) {
    auto at = std::ranges::find(groups, group, [](const auto& one) { return one.first; });
    if (at == groups.end()) at = groups.insert(groups.end(), {group, {}});
    if (std::ranges::find(at->second, version) == at->second.end()) at->second.push_back(version);
  };
  for (const auto& kind : kinds.all()) add(kind->info.group, kind->info.version);
  for (const auto& review : kReviews) add(review.group, review.version);
  for (auto& [group, versions] : groups) std::ranges::sort(versions, std::greater<>(), version_rank);
  return groups;
}

json::object describe_group(const std::string& group, const std::vector<std::string>& versions) {
  json::array list;
  for (const auto& version : versions) {
    list.push_back({{"groupVersion", group + "/" + version}, {"version", version}});
  }
  auto preferred = list[0];
  return {{"name", group}, {"versions", std::move(list)}, {"preferredVersion", std::move(preferred)}};
}

json::object resource_entry(const ServedKind& kind) {
  json::object entry{{"name", kind.info.plural},           {"singularName", kind.info.singular},
                     {"namespaced", kind.info.namespaced}, {"kind", kind.info.kind},
                     {"verbs", strings(kVerbs)},           {"storageVersionHash", ""}};
  if (!kind.info.short_names.empty()) entry["shortNames"] = strings(kind.info.short_names);
  if (!kind.info.categories.empty()) entry["categories"] = strings(kind.info.categories);
  return entry;
}

json::object gvk(const std::string& group, const std::string& version, const std::string& kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

json::object aggregated_resource(const ServedKind& kind) {
  json::object entry{{"resource", kind.info.plural},
                     {"responseKind", gvk(kind.info.group, kind.info.version, kind.info.kind)},
                     {"scope", kind.info.namespaced ? "Namespaced" : "Cluster"},
                     {"singularResource", kind.info.singular},
                     {"verbs", strings(kVerbs)}};
  if (!kind.info.short_names.empty()) entry["shortNames"] = strings(kind.info.short_names);
  if (!kind.info.categories.empty()) entry["categories"] = strings(kind.info.categories);
  json::array subresources;
  for (const auto& sub : subresources_of(kind)) {
    subresources.push_back({{"subresource", sub.name},
                            {"responseKind", gvk(sub.group, sub.version, sub.kind)},
                            {"verbs", strings(sub.verbs)}});
  }
  if (!subresources.empty()) entry["subresources"] = std::move(subresources);
  return entry;
}

json::array aggregated_resources(const KindTable& kinds, const std::string& group,
                                 const std::string& version) {
  json::array out;
  for (const auto& kind : kinds.all()) {
    if (kind->info.group == group && kind->info.version == version) out.push_back(aggregated_resource(*kind));
  }
  for (const auto& review : kReviews) {
    if (review.group != group || review.version != version) continue;
    out.push_back({{"resource", review.plural},
                   {"responseKind", gvk(group, version, review.kind)},
                   {"scope", "Cluster"},
                   {"singularResource", ""},
                   {"verbs", {"create"}}});
  }
  return out;
}

}  // namespace

json::object core_versions() {
  return {{"kind", "APIVersions"},
          {"versions", {"v1"}},
          {"serverAddressByClientCIDRs", json::array{{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", ""}}}}};
}

json::object api_groups(const KindTable& kinds) {
  json::array list;
  for (const auto& [group, versions] : groups_of(kinds)) {
    if (!group.empty()) list.push_back(describe_group(group, versions));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(list)}};
}

json::value api_group(const KindTable& kinds, std::string_view name) {
  for (const auto& [group, versions] : groups_of(kinds)) {
    if (group.empty() || group != name) continue;
    auto out = describe_group(group, versions);
    out["kind"] = "APIGroup";
    out["apiVersion"] = "v1";
    return out;
  }
  return nullptr;
}

json::value api_resources(const KindTable& kinds, std::string_view group, std::string_view version) {
  json::array resources;
  for (const auto& kind : kinds.all()) {
    if (kind->info.group != group || kind->info.version != version) continue;
    resources.push_back(resource_entry(*kind));
    for (const auto& sub : subresources_of(*kind)) {
      json::object entry{{"name", kind->info.plural + "/" + sub.name},
                         {"singularName", ""},
                         {"namespaced", kind->info.namespaced},
                         {"kind", sub.kind},
                         {"verbs", strings(sub.verbs)}};
      if (sub.group != group || sub.version != version) {
        entry["group"] = sub.group;
        entry["version"] = sub.version;
      }
      resources.push_back(std::move(entry));
    }
  }
  for (const auto& review : kReviews) {
    if (review.group != group || review.version != version) continue;
    resources.push_back({{"name", review.plural},
                         {"singularName", ""},
                         {"namespaced", false},
                         {"kind", review.kind},
                         {"verbs", {"create"}}});
  }
  if (resources.empty()) return nullptr;
  std::string group_version =
      group.empty() ? std::string(version) : std::string(group) + "/" + std::string(version);
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group_version},
          {"resources", std::move(resources)}};
}

json::object aggregated_discovery(const KindTable& kinds, bool core) {
  json::array items;
  for (const auto& [group, versions] : groups_of(kinds)) {
    if (group.empty() != core) continue;
    json::array list;
    for (const auto& version : versions) {
      list.push_back({{"version", version},
                      {"resources", aggregated_resources(kinds, group, version)},
                      {"freshness", "Current"}});
    }
    json::object metadata;
    if (!group.empty()) metadata["name"] = group;
    items.push_back({{"metadata", std::move(metadata)}, {"versions", std::move(list)}});
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/v2"},
          {"metadata", json::object()},
          {"items", std::move(items)}};
}

json::object root_paths(const KindTable& kinds) {
  json::array paths{"/api", "/api/v1", "/apis"};
  for (const auto& [group, versions] : groups_of(kinds)) {
    if (group.empty()) continue;
    paths.emplace_back("/apis/" + group);
    for (const auto& version : versions) paths.emplace_back("/apis/" + group + "/" + version);
  }
  for (const char* path : {"/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"}) {
    paths.emplace_back(path);
  }
  return {{"paths", std::move(paths)}};
}

json::object version_info() {
  // The release whose behaviour the server follows; clients compare it with their own.
  return {{"major", "1"},    {"minor", "36"},       {"gitVersion", "v1.36.0+weft"},
          {"gitCommit", ""}, {"gitTreeState", ""},  {"buildDate", ""},
          {"goVersion", ""}, {"compiler", "clang"}, {"platform", "linux/amd64"}};
}

}  // namespace weft::standalone
