#include "standalone/apiserver/target.h"

#include <span>

namespace weft::standalone {

std::optional<Target> find_target(const KindTable& kinds, const std::vector<std::string>& path) {
  std::span<const std::string> rest(path);
  std::string group, version;
  if (rest.size() >= 3 && rest[0] == "api") {
    version = rest[1];
    rest = rest.subspan(2);
  } else if (rest.size() >= 4 && rest[0] == "apis") {
    group = rest[1];
    version = rest[2];
    rest = rest.subspan(3);
  } else {
    return std::nullopt;
  }
  Target out;
  // namespaces/NS/RESOURCE, but namespaces/NAME/status is a part of the namespace itself.
  bool of_namespace = rest.size() == 3 && (rest[2] == "status" || rest[2] == "finalize") && group.empty();
  if (rest[0] == "namespaces" && rest.size() >= 3 && !of_namespace) {
    out.ns = rest[1];
    rest = rest.subspan(2);
  }
  out.kind = kinds.find(group, version, rest[0]);
  if (!out.kind || rest.size() > 3 || (!out.ns.empty() && !out.kind->info.namespaced)) return std::nullopt;
  if (rest.size() > 1) out.name = rest[1];
  if (rest.size() > 2) out.subresource = rest[2];
  if (out.kind->info.namespaced && out.ns.empty() && !out.name.empty()) return std::nullopt;
  return out;
}

std::string verb_of(const ApiRequest& request, const Target& target) {
  bool collection = target.name.empty();
  const auto& method = request.method;
  if (method == "GET" || method == "HEAD") {
    if (request.flag("watch") && target.subresource.empty()) return "watch";
    return collection ? "list" : "get";
  }
  if (method == "POST") return collection || !target.subresource.empty() ? "create" : "";
  if (method == "PUT") return collection ? "" : "update";
  if (method == "PATCH") return collection ? "" : "patch";
  if (method == "DELETE") return collection ? "deletecollection" : target.subresource.empty() ? "delete" : "";
  return "";
}

}  // namespace weft::standalone
