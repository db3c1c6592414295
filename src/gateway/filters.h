#pragma once

#include <string>

#include "gateway/http_rules.h"

namespace weft::gateway {

/// What the compilation of one route is at.
struct Compiling {
  Lookup& look;
  Referrer from;
  Use use = Use::http;
  const std::string& gateway;  ///< as in BackendId
  RouteRules& out;
};

/// The key of the backend that a reference leads to; empty when it is wrong, which `out.unresolved` tells.
std::string compile_backend(Compiling& at, const kube::BackendObjectReference& ref);

/// Adds a filter; what about it cannot be done, or "".
std::string add_filter(Compiling& at, const kube::HTTPRouteFilter& filter, Filters& out);
std::string add_filter(Compiling& at, const kube::GRPCRouteFilter& filter, Filters& out);

}  // namespace weft::gateway
