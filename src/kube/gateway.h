#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"

/// The kinds of gateway.networking.k8s.io/v1 (Gateway API v1.6) that say where traffic comes in:
/// GatewayClass, Gateway, ListenerSet; and the references that all kinds of that group use. Routes:
/// gateway_routes.h; policies: gateway_policy.h. A string, list or number that is absent is empty or 0,
/// except where both mean something.
namespace weft::kube {

/// A Gateway or ListenerSet (or a Service, of a mesh) that a route wants to be attached to.
struct RouteParentReference : Described {
  std::optional<std::string> group;  ///< absent: gateway.networking.k8s.io; "": core
  std::optional<std::string> kind;   ///< absent: Gateway
  std::string namespace_;            ///< "": the route's
  std::string name;
  std::string sectionName;  ///< a listener; "": all
  int32_t port = 0;         ///< of listeners; 0: all
  bool operator==(const RouteParentReference&) const = default;
};

/// A Secret by default.
struct SecretObjectReference : Described {
  std::optional<std::string> group;
  std::optional<std::string> kind;
  std::string name;
  std::string namespace_;
  bool operator==(const SecretObjectReference&) const = default;
};

/// An object of any kind, of another namespace if one is given.
struct GatewayObjectReference : Described {
  std::string group;
  std::string kind;
  std::string name;
  std::string namespace_;
  bool operator==(const GatewayObjectReference&) const = default;
};

struct GatewayClassSpec : Described {
  std::string controllerName;
  std::optional<GatewayObjectReference> parametersRef;
  std::optional<std::string> description;
  bool operator==(const GatewayClassSpec&) const = default;
};

struct SupportedFeature : Described {
  std::string name;
  bool operator==(const SupportedFeature&) const = default;
};

struct GatewayClassStatus : Described {
  std::vector<Condition> conditions;
  std::vector<SupportedFeature> supportedFeatures;
  bool operator==(const GatewayClassStatus&) const = default;
};

/// Which controller serves the Gateways that name it.
struct GatewayClass : Described {
  ObjectMeta metadata;
  GatewayClassSpec spec;
  GatewayClassStatus status;
  bool operator==(const GatewayClass&) const = default;
};

/// Which controller serves routes whose parent is a Service (gateway.networking.x-k8s.io, experimental).
struct XMesh : Described {
  ObjectMeta metadata;
  GatewayClassSpec spec;
  GatewayClassStatus status;
  bool operator==(const XMesh&) const = default;
};

struct ListenerTLSConfig : Described {
  std::optional<std::string> mode;  ///< Terminate, Passthrough
  std::vector<SecretObjectReference> certificateRefs;
  StringMap options;
  bool operator==(const ListenerTLSConfig&) const = default;
};

struct RouteGroupKind : Described {
  std::optional<std::string> group;  ///< absent: gateway.networking.k8s.io
  std::string kind;
  bool operator==(const RouteGroupKind&) const = default;
};

/// Namespaces that something is open to: of routes at a listener, of ListenerSets at a Gateway.
struct FromNamespaces : Described {
  std::optional<std::string> from;  ///< All, Selector, Same, None
  std::optional<LabelSelector> selector;
  bool operator==(const FromNamespaces&) const = default;
};

struct AllowedRoutes : Described {
  std::optional<FromNamespaces> namespaces;  ///< absent: Same
  std::vector<RouteGroupKind> kinds;         ///< empty: all that fit the protocol
  bool operator==(const AllowedRoutes&) const = default;
};

/// Of a Gateway or of a ListenerSet.
struct GatewayListener : Described {
  std::string name;
  std::string hostname;
  int32_t port = 0;
  std::string protocol;  ///< HTTP, HTTPS, TLS, TCP, UDP, or a domain-prefixed one
  std::optional<ListenerTLSConfig> tls;
  std::optional<AllowedRoutes> allowedRoutes;
  bool operator==(const GatewayListener&) const = default;
};

struct GatewayAddress : Described {
  std::optional<std::string> type;  ///< IPAddress, Hostname, NamedAddress
  std::string value;
  bool operator==(const GatewayAddress&) const = default;
};

struct GatewayInfrastructure : Described {
  StringMap labels;
  StringMap annotations;
  std::optional<GatewayObjectReference> parametersRef;
  bool operator==(const GatewayInfrastructure&) const = default;
};

struct AllowedListeners : Described {
  std::optional<FromNamespaces> namespaces;  ///< absent: None
  bool operator==(const AllowedListeners&) const = default;
};

struct FrontendTLSValidation : Described {
  std::vector<GatewayObjectReference> caCertificateRefs;
  std::string mode;  ///< AllowValidOnly (also ""), AllowInsecureFallback
  bool operator==(const FrontendTLSValidation&) const = default;
};

struct FrontendTLS : Described {
  std::optional<FrontendTLSValidation> validation;
  bool operator==(const FrontendTLS&) const = default;
};

struct TLSPortConfig : Described {
  int32_t port = 0;
  FrontendTLS tls;
  bool operator==(const TLSPortConfig&) const = default;
};

struct FrontendTLSConfig : Described {
  FrontendTLS default_;
  std::vector<TLSPortConfig> perPort;
  bool operator==(const FrontendTLSConfig&) const = default;
};

struct GatewayBackendTLS : Described {
  std::optional<SecretObjectReference> clientCertificateRef;
  bool operator==(const GatewayBackendTLS&) const = default;
};

struct GatewayTLSConfig : Described {
  std::optional<GatewayBackendTLS> backend;
  std::optional<FrontendTLSConfig> frontend;
  bool operator==(const GatewayTLSConfig&) const = default;
};

struct GatewaySpec : Described {
  std::string gatewayClassName;
  std::vector<GatewayListener> listeners;
  std::vector<GatewayAddress> addresses;
  std::optional<GatewayInfrastructure> infrastructure;
  std::optional<AllowedListeners> allowedListeners;
  std::optional<GatewayTLSConfig> tls;
  bool operator==(const GatewaySpec&) const = default;
};

struct ListenerStatus : Described {
  std::string name;
  std::vector<RouteGroupKind> supportedKinds;
  int32_t attachedRoutes = 0;
  std::vector<Condition> conditions;
  bool operator==(const ListenerStatus&) const = default;
};

struct GatewayStatus : Described {
  std::vector<GatewayAddress> addresses;
  std::vector<Condition> conditions;
  std::vector<ListenerStatus> listeners;
  std::optional<int32_t> attachedListenerSets;
  bool operator==(const GatewayStatus&) const = default;
};

/// An address with listeners, for routes to be attached to.
struct Gateway : Described {
  ObjectMeta metadata;
  GatewaySpec spec;
  GatewayStatus status;
  bool operator==(const Gateway&) const = default;
};

struct ParentGatewayReference : Described {
  std::optional<std::string> group;
  std::optional<std::string> kind;
  std::string name;
  std::string namespace_;
  bool operator==(const ParentGatewayReference&) const = default;
};

struct ListenerSetSpec : Described {
  ParentGatewayReference parentRef;
  std::vector<GatewayListener> listeners;
  bool operator==(const ListenerSetSpec&) const = default;
};

struct ListenerSetStatus : Described {
  std::vector<Condition> conditions;
  std::vector<ListenerStatus> listeners;
  bool operator==(const ListenerSetStatus&) const = default;
};

/// More listeners for a Gateway, by somebody else.
struct ListenerSet : Described {
  ObjectMeta metadata;
  ListenerSetSpec spec;
  ListenerSetStatus status;
  bool operator==(const ListenerSet&) const = default;
};

}  // namespace weft::kube
