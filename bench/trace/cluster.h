#pragma once

#include <filesystem>

namespace weft::bench {

/// Writes the manifests of a cluster: 10,000 pods of 1,000 Deployments in 100 namespaces on 100 nodes, 2,000
/// Services, 2,000 NetworkPolicies and 1,000 HTTPRoutes; a file for each namespace.
void write_manifests(const std::filesystem::path& folder);

}  // namespace weft::bench
