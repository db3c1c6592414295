#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/client/client.h"
#include "kube/yaml.h"

namespace weft::standalone {

/// One object that was applied: "Service shop/backend".
using AppliedHandler = std::function<void(const std::string& what)>;

/// Applies manifests to an API server by server-side apply, Namespaces and CustomResourceDefinitions first.
/// Kinds are looked up by discovery, so custom ones work as soon as they are served. Stops at the first
/// object the server refuses; the error starts with its file:line.
asio::awaitable<Expected<void>> apply_manifests(kube::Client& client,
                                                std::vector<kube::YamlDocument> documents,
                                                AppliedHandler on_applied);

/// What of `documents` is not ready yet, in words ("Deployment shop/backend: 1 of 2 ready"); empty when all
/// is. Deployments, StatefulSets, DaemonSets and Pods are waited for.
asio::awaitable<Expected<std::vector<std::string>>> not_ready(
    kube::Client& client, const std::vector<kube::YamlDocument>& documents);

}  // namespace weft::standalone
