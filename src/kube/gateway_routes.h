#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/gateway.h"

/// The routes of gateway.networking.k8s.io/v1 (Gateway API v1.6): HTTPRoute, GRPCRoute, TLSRoute, TCPRoute,
/// UDPRoute.
namespace weft::kube {

/// What one controller says of a route at one parent.
struct RouteParentStatus : Described {
  RouteParentReference parentRef;
  std::string controllerName;
  std::vector<Condition> conditions;
  bool operator==(const RouteParentStatus&) const = default;
};

struct RouteStatus : Described {
  std::vector<RouteParentStatus> parents;
  bool operator==(const RouteStatus&) const = default;
};

/// A Service's port by default.
struct BackendObjectReference : Described {
  std::optional<std::string> group;
  std::optional<std::string> kind;
  std::string name;
  std::string namespace_;
  int32_t port = 0;
  bool operator==(const BackendObjectReference&) const = default;
};

struct RouteBackendRef : BackendObjectReference {
  std::optional<int32_t> weight;  ///< absent: 1
  bool operator==(const RouteBackendRef&) const = default;
};

struct HTTPPathMatch : Described {
  std::optional<std::string> type;   ///< Exact, PathPrefix, RegularExpression
  std::optional<std::string> value;  ///< absent: "/"
  bool operator==(const HTTPPathMatch&) const = default;
};

/// A header or a query parameter.
struct HTTPValueMatch : Described {
  std::optional<std::string> type;  ///< Exact, RegularExpression
  std::string name;
  std::string value;
  bool operator==(const HTTPValueMatch&) const = default;
};

struct HTTPRouteMatch : Described {
  std::optional<HTTPPathMatch> path;
  std::vector<HTTPValueMatch> headers;
  std::vector<HTTPValueMatch> queryParams;
  std::string method;
  bool operator==(const HTTPRouteMatch&) const = default;
};

struct HTTPFilterHeader : Described {
  std::string name;
  std::string value;
  bool operator==(const HTTPFilterHeader&) const = default;
};

struct HTTPHeaderFilter : Described {
  std::vector<HTTPFilterHeader> set;
  std::vector<HTTPFilterHeader> add;
  std::vector<std::string> remove;
  bool operator==(const HTTPHeaderFilter&) const = default;
};

struct HTTPPathModifier : Described {
  std::string type;  ///< ReplaceFullPath, ReplacePrefixMatch
  std::optional<std::string> replaceFullPath;
  std::optional<std::string> replacePrefixMatch;
  bool operator==(const HTTPPathModifier&) const = default;
};

struct HTTPRequestRedirectFilter : Described {
  std::optional<std::string> scheme;
  std::optional<std::string> hostname;
  std::optional<HTTPPathModifier> path;
  std::optional<int32_t> port;
  std::optional<int32_t> statusCode;
  bool operator==(const HTTPRequestRedirectFilter&) const = default;
};

struct HTTPURLRewriteFilter : Described {
  std::optional<std::string> hostname;
  std::optional<HTTPPathModifier> path;
  bool operator==(const HTTPURLRewriteFilter&) const = default;
};

struct GatewayFraction : Described {
  int32_t numerator = 0;
  std::optional<int32_t> denominator;  ///< absent: 100
  bool operator==(const GatewayFraction&) const = default;
};

struct HTTPRequestMirrorFilter : Described {
  BackendObjectReference backendRef;
  std::optional<int32_t> percent;
  std::optional<GatewayFraction> fraction;
  bool operator==(const HTTPRequestMirrorFilter&) const = default;
};

struct HTTPCORSFilter : Described {
  std::vector<std::string> allowOrigins;
  std::optional<bool> allowCredentials;
  std::vector<std::string> allowMethods;
  std::vector<std::string> allowHeaders;
  std::vector<std::string> exposeHeaders;
  std::optional<int32_t> maxAge;  ///< seconds; absent: 5
  bool operator==(const HTTPCORSFilter&) const = default;
};

/// An object of the route's namespace, of a kind of the controller's own.
struct GatewayLocalObjectReference : Described {
  std::string group;
  std::string kind;
  std::string name;
  bool operator==(const GatewayLocalObjectReference&) const = default;
};

struct HTTPRouteFilter : Described {
  std::string type;  ///< which of the others is set
  std::optional<HTTPHeaderFilter> requestHeaderModifier;
  std::optional<HTTPHeaderFilter> responseHeaderModifier;
  std::optional<HTTPRequestMirrorFilter> requestMirror;
  std::optional<HTTPRequestRedirectFilter> requestRedirect;
  std::optional<HTTPURLRewriteFilter> urlRewrite;
  std::optional<HTTPCORSFilter> cors;
  std::optional<GatewayLocalObjectReference> extensionRef;
  bool operator==(const HTTPRouteFilter&) const = default;
};

struct HTTPBackendRef : RouteBackendRef {
  std::vector<HTTPRouteFilter> filters;
  bool operator==(const HTTPBackendRef&) const = default;
};

/// Durations are written as in GEP-2257, "1h30m" or "250ms".
struct HTTPRouteTimeouts : Described {
  std::optional<std::string> request;
  std::optional<std::string> backendRequest;
  bool operator==(const HTTPRouteTimeouts&) const = default;
};

/// Of the experimental channel.
struct HTTPRouteRetry : Described {
  std::vector<int32_t> codes;
  std::optional<int32_t> attempts;
  std::optional<std::string> backoff;
  bool operator==(const HTTPRouteRetry&) const = default;
};

struct HTTPRouteRule : Described {
  std::string name;
  std::vector<HTTPRouteMatch> matches;
  std::vector<HTTPRouteFilter> filters;
  std::vector<HTTPBackendRef> backendRefs;
  std::optional<HTTPRouteTimeouts> timeouts;
  std::optional<HTTPRouteRetry> retry;
  bool operator==(const HTTPRouteRule&) const = default;
};

struct HTTPRouteSpec : Described {
  std::vector<RouteParentReference> parentRefs;
  std::vector<std::string> hostnames;
  std::vector<HTTPRouteRule> rules;
  bool operator==(const HTTPRouteSpec&) const = default;
};

/// Leads HTTP requests to backends by host, path, headers, query and method.
struct HTTPRoute : Described {
  ObjectMeta metadata;
  HTTPRouteSpec spec;
  RouteStatus status;
  bool operator==(const HTTPRoute&) const = default;
};

struct GRPCMethodMatch : Described {
  std::optional<std::string> type;  ///< Exact, RegularExpression
  std::optional<std::string> service;
  std::optional<std::string> method;
  bool operator==(const GRPCMethodMatch&) const = default;
};

struct GRPCRouteMatch : Described {
  std::optional<GRPCMethodMatch> method;
  std::vector<HTTPValueMatch> headers;
  bool operator==(const GRPCRouteMatch&) const = default;
};

struct GRPCRouteFilter : Described {
  std::string type;  ///< which of the others is set
  std::optional<HTTPHeaderFilter> requestHeaderModifier;
  std::optional<HTTPHeaderFilter> responseHeaderModifier;
  std::optional<HTTPRequestMirrorFilter> requestMirror;
  std::optional<GatewayLocalObjectReference> extensionRef;
  bool operator==(const GRPCRouteFilter&) const = default;
};

struct GRPCBackendRef : RouteBackendRef {
  std::vector<GRPCRouteFilter> filters;
  bool operator==(const GRPCBackendRef&) const = default;
};

struct GRPCRouteRule : Described {
  std::string name;
  std::vector<GRPCRouteMatch> matches;
  std::vector<GRPCRouteFilter> filters;
  std::vector<GRPCBackendRef> backendRefs;
  bool operator==(const GRPCRouteRule&) const = default;
};

struct GRPCRouteSpec : Described {
  std::vector<RouteParentReference> parentRefs;
  std::vector<std::string> hostnames;
  std::vector<GRPCRouteRule> rules;
  bool operator==(const GRPCRouteSpec&) const = default;
};

/// Leads gRPC calls to backends by host, service, method and headers.
struct GRPCRoute : Described {
  ObjectMeta metadata;
  GRPCRouteSpec spec;
  RouteStatus status;
  bool operator==(const GRPCRoute&) const = default;
};

/// Of a TLSRoute, TCPRoute or UDPRoute.
struct StreamRouteRule : Described {
  std::string name;
  std::vector<RouteBackendRef> backendRefs;
  bool operator==(const StreamRouteRule&) const = default;
};

struct TLSRouteSpec : Described {
  std::vector<RouteParentReference> parentRefs;
  std::vector<std::string> hostnames;
  std::vector<StreamRouteRule> rules;
  bool operator==(const TLSRouteSpec&) const = default;
};

/// Leads TLS connections to backends by server name.
struct TLSRoute : Described {
  ObjectMeta metadata;
  TLSRouteSpec spec;
  RouteStatus status;
  bool operator==(const TLSRoute&) const = default;
};

/// Of a TCPRoute or UDPRoute.
struct PortRouteSpec : Described {
  std::vector<RouteParentReference> parentRefs;
  std::vector<StreamRouteRule> rules;
  bool operator==(const PortRouteSpec&) const = default;
};

/// Leads TCP connections to backends.
struct TCPRoute : Described {
  ObjectMeta metadata;
  PortRouteSpec spec;
  RouteStatus status;
  bool operator==(const TCPRoute&) const = default;
};

/// Leads UDP datagrams to backends.
struct UDPRoute : Described {
  ObjectMeta metadata;
  PortRouteSpec spec;
  RouteStatus status;
  bool operator==(const UDPRoute&) const = default;
};

}  // namespace weft::kube
