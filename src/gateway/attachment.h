#pragma once

#include <string>
#include <vector>

#include "gateway/routes.h"

/// Which listeners a route's parentRefs lead to.
namespace weft::gateway {

/// A route as far as attachment goes.
struct RouteFacts {
  std::string kind;
  std::string namespace_;
  const std::vector<kube::RouteParentReference>& parents;
  std::vector<std::string> hostnames;
  bool by_hostname = false;  ///< the kind has hostnames
};

/// What one parentRef comes to.
struct ParentResult {
  bool ours = false;  ///< else nothing is said of it
  Problem unaccepted;
  std::vector<Attachment> attachments;
};

ParentResult resolve_parent(Lookup& look, const Views& views, const RouteFacts& route,
                            const kube::RouteParentReference& ref);

}  // namespace weft::gateway
