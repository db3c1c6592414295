#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kube/gateway_routes.h"

/// The other kinds of gateway.networking.k8s.io/v1 (Gateway API v1.6): ReferenceGrant, BackendTLSPolicy.
namespace weft::kube {

struct ReferenceGrantFrom : Described {
  std::string group;
  std::string kind;
  std::string namespace_;
  bool operator==(const ReferenceGrantFrom&) const = default;
};

struct ReferenceGrantTo : Described {
  std::string group;
  std::string kind;
  std::optional<std::string> name;  ///< absent: all
  bool operator==(const ReferenceGrantTo&) const = default;
};

struct ReferenceGrantSpec : Described {
  std::vector<ReferenceGrantFrom> from;
  std::vector<ReferenceGrantTo> to;
  bool operator==(const ReferenceGrantSpec&) const = default;
};

/// Lets objects of other namespaces refer to some of its own.
struct ReferenceGrant : Described {
  ObjectMeta metadata;
  ReferenceGrantSpec spec;
  bool operator==(const ReferenceGrant&) const = default;
};

struct PolicyTargetReference : Described {
  std::string group;
  std::string kind;
  std::string name;
  std::optional<std::string> sectionName;  ///< the name of a Service's port
  bool operator==(const PolicyTargetReference&) const = default;
};

struct SubjectAltName : Described {
  std::string type;  ///< Hostname, URI
  std::string hostname;
  std::string uri;
  bool operator==(const SubjectAltName&) const = default;
};

struct BackendTLSPolicyValidation : Described {
  std::vector<GatewayLocalObjectReference> caCertificateRefs;
  std::optional<std::string> wellKnownCACertificates;  ///< System
  std::string hostname;
  std::vector<SubjectAltName> subjectAltNames;
  bool operator==(const BackendTLSPolicyValidation&) const = default;
};

struct BackendTLSPolicySpec : Described {
  std::vector<PolicyTargetReference> targetRefs;
  BackendTLSPolicyValidation validation;
  StringMap options;
  bool operator==(const BackendTLSPolicySpec&) const = default;
};

/// What one controller says of a policy at one Gateway.
struct PolicyAncestorStatus : Described {
  RouteParentReference ancestorRef;
  std::string controllerName;
  std::vector<Condition> conditions;
  bool operator==(const PolicyAncestorStatus&) const = default;
};

struct PolicyStatus : Described {
  std::vector<PolicyAncestorStatus> ancestors;
  bool operator==(const PolicyStatus&) const = default;
};

/// TLS from Gateways to a Service.
struct BackendTLSPolicy : Described {
  ObjectMeta metadata;
  BackendTLSPolicySpec spec;
  PolicyStatus status;
  bool operator==(const BackendTLSPolicy&) const = default;
};

}  // namespace weft::kube
