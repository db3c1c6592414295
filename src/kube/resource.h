#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::kube {

/// How a kind is named and addressed in the API.
struct ResourceInfo {
  std::string group;  ///< "" for the core group
  std::string version;
  std::string kind;
  std::string plural;
  std::string singular;
  std::vector<std::string> short_names;
  bool namespaced = true;
  std::vector<std::string> categories;

  /// "v1" or "apps/v1".
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  /// "/api/v1/namespaces/NS/services" or "/apis/apps/v1/deployments"; `ns` empty means all namespaces (or a
  /// cluster-scoped kind).
  std::string collection_path(std::string_view ns = {}) const;
  std::string object_path(std::string_view ns, std::string_view name) const;
};

/// The names of a typed kind; defined beside its description.
template <class T>
const ResourceInfo& resource_of();

}  // namespace weft::kube
