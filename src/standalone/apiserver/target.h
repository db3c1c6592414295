#pragma once

#include <optional>
#include <string>
#include <vector>

#include "standalone/apiserver/kind_table.h"
#include "standalone/apiserver/request.h"

namespace weft::standalone {

/// What the path of a request names: a collection, an object in it, or a part of that.
struct Target {
  ServedKindPtr kind;
  std::string ns;           ///< "": all namespaces, or a kind without
  std::string name;         ///< "": the collection
  std::string subresource;  ///< "status", "scale", "log" …
};

/// Nothing for a path that names no served kind.
std::optional<Target> find_target(const KindTable& kinds, const std::vector<std::string>& path);

/// get, list, watch, create, update, patch, delete or deletecollection; "" for a method that has no meaning
/// there.
std::string verb_of(const ApiRequest& request, const Target& target);

}  // namespace weft::standalone
