#pragma once

#include <map>
#include <string>
#include <vector>

#include "gateway/backends.h"
#include "gateway/config/config.h"
#include "gateway/objects.h"

/// From the rules of routes to those of a proxy.
namespace weft::gateway {

struct RouteRules {
  std::vector<Ptr<Rule>> rules;               ///< of HTTP and gRPC
  Ptr<StreamRoute> stream;                    ///< of the others
  std::map<std::string, BackendId> backends;  ///< by key; those it names
  Problem unresolved;                         ///< the first reference that is wrong
  Problem unsupported;                        ///< what of a rule cannot be done: it answers with an error
  size_t unsupported_rules = 0;
};

/// `gateway`: as in BackendId; `parent_service`: as in Referrer. What a rule asks for and cannot be done
/// makes it answer with 500.
RouteRules compile(Lookup& look, const kube::HTTPRoute& route, const std::string& gateway,
                   const std::string& parent_service);
RouteRules compile(Lookup& look, const kube::GRPCRoute& route, const std::string& gateway,
                   const std::string& parent_service);
/// `terminate`: TLS ends here.
RouteRules compile(Lookup& look, const kube::TLSRoute& route, const std::string& gateway, bool terminate);
RouteRules compile(Lookup& look, const kube::TCPRoute& route);
RouteRules compile(Lookup& look, const kube::UDPRoute& route);

}  // namespace weft::gateway
