#include "standalone/manifests.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>

namespace weft::standalone {

namespace {

using kube::ResourceInfo;
using kube::string_at;
using kube::YamlDocument;

/// Finds a kind's resource by asking the server, once a group and version.
class Mapper {
 public:
  explicit Mapper(kube::Client& client) : client_(client) {}

  asio::awaitable<Expected<ResourceInfo>> find(std::string api_version, std::string kind) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      auto& list = lists_[api_version];
      if (list.is_null() || attempt > 0) {
        bool core = api_version.find('/') == std::string::npos;
        auto found = co_await client_.request("GET", (core ? "/api/" : "/apis/") + api_version);
        if (!found && found.error().code != ErrorCode::not_found) co_return std::unexpected(found.error());
        if (found) list = std::move(*found);
      }
      if (auto resource = search(list, api_version, kind)) co_return *resource;
    }
    co_return fail(ErrorCode::not_found,
                   fmt::format("kind {} of {} is not served: apply its CustomResourceDefinition first", kind,
                               api_version));
  }

 private:
  static std::optional<ResourceInfo> search(const json::value& list, const std::string& api_version,
                                            const std::string& kind) {
    const auto* resources = kube::member(list, "resources");
    if (!resources || !resources->is_array()) return std::nullopt;
    for (const auto& entry : resources->get_array()) {
      auto name = string_at(entry, "name");
      if (string_at(entry, "kind") != kind || name.find('/') != std::string_view::npos) continue;
      ResourceInfo info;
      auto slash = api_version.find('/');
      info.group = slash == std::string::npos ? "" : api_version.substr(0, slash);
      info.version = slash == std::string::npos ? api_version : api_version.substr(slash + 1);
      info.kind = kind;
      info.plural = name;
      const auto* namespaced = kube::member(entry, "namespaced");
      info.namespaced = namespaced && namespaced->is_bool() && namespaced->get_bool();
      return info;
    }
    return std::nullopt;
  }

  kube::Client& client_;
  std::map<std::string, json::value> lists_;
};

std::string namespace_of(const json::value& object, const ResourceInfo& resource) {
  if (!resource.namespaced) return {};
  auto ns = string_at(object, "metadata.namespace");
  return ns.empty() ? "default" : std::string(ns);
}

std::string describe(const json::value& object) {
  auto ns = string_at(object, "metadata.namespace");
  return fmt::format("{} {}{}{}", string_at(object, "kind"), ns, ns.empty() ? "" : "/",
                     string_at(object, "metadata.name"));
}

int apply_order(const YamlDocument& document) {
  auto kind = string_at(document.value, "kind");
  if (kind == "CustomResourceDefinition") return 0;
  if (kind == "Namespace") return 1;
  return 2;
}

int64_t int_at(const json::value& object, std::string_view path, int64_t absent) {
  const auto* value = kube::at_path(object, path);
  return value && value->is_int64() ? value->get_int64() : absent;
}

bool has_true_condition(const json::value& object, std::string_view type) {
  const auto* conditions = kube::at_path(object, "status.conditions");
  if (!conditions || !conditions->is_array()) return false;
  return std::ranges::any_of(conditions->get_array(), [&](const json::value& condition) {
    return string_at(condition, "type") == type && string_at(condition, "status") == "True";
  });
}

/// A pod whose manifest has a status of its own that is not Ready is meant not to be.
bool is_meant_unready(const json::value& manifest) {
  return string_at(manifest, "kind") == "Pod" && kube::at_path(manifest, "status.conditions") &&
         !has_true_condition(manifest, "Ready");
}

/// How many replicas are wanted and ready; nullopt for kinds that are not waited for.
std::optional<std::pair<int64_t, int64_t>> readiness(const json::value& object) {
  auto kind = string_at(object, "kind");
  if (kind == "Pod") {
    bool done = string_at(object, "status.phase") == "Succeeded" || has_true_condition(object, "Ready");
    return {{1, done ? 1 : 0}};
  }
  if (kind == "DaemonSet") {
    return {{std::max<int64_t>(1, int_at(object, "status.desiredNumberScheduled", 1)),
             int_at(object, "status.numberReady", 0)}};
  }
  if (kind != "Deployment" && kind != "StatefulSet") return std::nullopt;
  bool observed = int_at(object, "status.observedGeneration", 0) >= int_at(object, "metadata.generation", 1);
  return {{int_at(object, "spec.replicas", 1), observed ? int_at(object, "status.readyReplicas", 0) : 0}};
}

}  // namespace

asio::awaitable<Expected<void>> apply_manifests(kube::Client& client, std::vector<YamlDocument> documents,
                                                AppliedHandler on_applied) {
  std::ranges::stable_sort(documents, {}, apply_order);
  Mapper mapper(client);
  for (const auto& document : documents) {
    auto where = fmt::format("{}:{}", document.file, document.line);
    auto resource = co_await mapper.find(std::string(string_at(document.value, "apiVersion")),
                                         std::string(string_at(document.value, "kind")));
    if (!resource) co_return in_context(where, resource.error());
    auto name = std::string(string_at(document.value, "metadata.name"));
    if (name.empty()) co_return fail(ErrorCode::invalid, where + ": metadata.name: Required value");
    auto applied = co_await client.apply(*resource, namespace_of(document.value, *resource), name,
                                         document.value, "weft-up");
    if (!applied) co_return in_context(where, applied.error());
    on_applied(describe(*applied));
  }
  co_return Expected<void>{};
}

asio::awaitable<Expected<std::vector<std::string>>> not_ready(kube::Client& client,
                                                              const std::vector<YamlDocument>& documents) {
  Mapper mapper(client);
  std::vector<std::string> missing;
  for (const auto& document : documents) {
    if (!readiness(document.value) || is_meant_unready(document.value)) continue;
    WEFT_CO_TRY(auto resource, co_await mapper.find(std::string(string_at(document.value, "apiVersion")),
                                                    std::string(string_at(document.value, "kind"))));
    WEFT_CO_TRY(auto object, co_await client.get(resource, namespace_of(document.value, resource),
                                                 std::string(string_at(document.value, "metadata.name"))));
    auto [wanted, ready] = *readiness(object);
    if (ready < wanted) missing.push_back(fmt::format("{}: {} of {} ready", describe(object), ready, wanted));
  }
  co_return missing;
}

}  // namespace weft::standalone
