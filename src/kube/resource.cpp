#include "kube/resource.h"

namespace weft::kube {

std::string ResourceInfo::collection_path(std::string_view ns) const {
  std::string path = (group.empty() ? "/api/" : "/apis/") + api_version();
  if (namespaced && !ns.empty()) path.append("/namespaces/").append(ns);
  return path + "/" + plural;
}

std::string ResourceInfo::object_path(std::string_view ns, std::string_view name) const {
  return collection_path(ns).append("/").append(name);
}

}  // namespace weft::kube
