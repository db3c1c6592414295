#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/reference.h"

/// The kinds of networking.k8s.io/v1: NetworkPolicy, Ingress, IngressClass, IPAddress, ServiceCIDR.
namespace weft::kube {

/// A network without some of its parts.
struct IPBlock : Described {
  std::string cidr;
  std::vector<std::string> except;
  bool operator==(const IPBlock&) const = default;
};

/// Whom a rule is about.
struct NetworkPolicyPeer : Described {
  std::optional<LabelSelector> podSelector;  ///< absent and empty differ
  std::optional<LabelSelector> namespaceSelector;
  std::optional<IPBlock> ipBlock;
  bool operator==(const NetworkPolicyPeer&) const = default;
};

/// A port, or a range of ports.
struct NetworkPolicyPort : Described {
  std::optional<std::string> protocol;  ///< TCP, UDP, SCTP
  std::optional<IntOrString> port;
  std::optional<int32_t> endPort;  ///< the last of a range that starts at port
  bool operator==(const NetworkPolicyPort&) const = default;
};

/// Connections that may come in: from any of the peers to any of the ports.
struct NetworkPolicyIngressRule : Described {
  std::vector<NetworkPolicyPort> ports;
  std::vector<NetworkPolicyPeer> from;
  bool operator==(const NetworkPolicyIngressRule&) const = default;
};

/// Connections that may go out: to any of the peers at any of the ports.
struct NetworkPolicyEgressRule : Described {
  std::vector<NetworkPolicyPort> ports;
  std::vector<NetworkPolicyPeer> to;
  bool operator==(const NetworkPolicyEgressRule&) const = default;
};

/// The rules of a NetworkPolicy.
struct NetworkPolicySpec : Described {
  LabelSelector podSelector;
  std::vector<NetworkPolicyIngressRule> ingress;
  std::vector<NetworkPolicyEgressRule> egress;
  std::vector<std::string> policyTypes;  ///< Ingress, Egress
  bool operator==(const NetworkPolicySpec&) const = default;
};

/// Which connections the pods it selects accept and make; a pod selected by none is open.
struct NetworkPolicy : Described {
  ObjectMeta metadata;
  NetworkPolicySpec spec;
  bool operator==(const NetworkPolicy&) const = default;
};

/// A port by name or by number.
struct ServiceBackendPort : Described {
  std::string name;
  int32_t number = 0;
  bool operator==(const ServiceBackendPort&) const = default;
};

/// A port of a Service.
struct IngressServiceBackend : Described {
  std::string name;
  ServiceBackendPort port;
  bool operator==(const IngressServiceBackend&) const = default;
};

/// Where requests go: a Service, or another object.
struct IngressBackend : Described {
  std::optional<IngressServiceBackend> service;
  std::optional<TypedLocalObjectReference> resource;
  bool operator==(const IngressBackend&) const = default;
};

/// A path and where it leads.
struct HTTPIngressPath : Described {
  std::string path;
  std::optional<std::string> pathType;  ///< Exact, Prefix, ImplementationSpecific
  IngressBackend backend;
  bool operator==(const HTTPIngressPath&) const = default;
};

/// Routes by path.
struct HTTPIngressRuleValue : Described {
  std::vector<HTTPIngressPath> paths;
  bool operator==(const HTTPIngressRuleValue&) const = default;
};

/// The routes of one host.
struct IngressRule : Described {
  std::string host;
  std::optional<HTTPIngressRuleValue> http;
  bool operator==(const IngressRule&) const = default;
};

/// A certificate and its hosts.
struct IngressTLS : Described {
  std::vector<std::string> hosts;
  std::string secretName;
  bool operator==(const IngressTLS&) const = default;
};

/// The rules of an Ingress.
struct IngressSpec : Described {
  std::optional<std::string> ingressClassName;
  std::optional<IngressBackend> defaultBackend;
  std::vector<IngressTLS> tls;
  std::vector<IngressRule> rules;
  bool operator==(const IngressSpec&) const = default;
};

struct IngressPortStatus : Described {
  int32_t port = 0;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> error;
  bool operator==(const IngressPortStatus&) const = default;
};

struct IngressLoadBalancerIngress : Described {
  std::string ip;
  std::string hostname;
  std::vector<IngressPortStatus> ports;
  bool operator==(const IngressLoadBalancerIngress&) const = default;
};

struct IngressLoadBalancerStatus : Described {
  std::vector<IngressLoadBalancerIngress> ingress;
  bool operator==(const IngressLoadBalancerStatus&) const = default;
};

struct IngressStatus : Described {
  IngressLoadBalancerStatus loadBalancer;
  bool operator==(const IngressStatus&) const = default;
};

/// Routes HTTP from outside to Services by host and path.
struct Ingress : Described {
  ObjectMeta metadata;
  IngressSpec spec;
  IngressStatus status;
  bool operator==(const Ingress&) const = default;
};

struct IngressClassParametersReference : Described {
  std::optional<std::string> apiGroup;
  std::string kind;
  std::string name;
  std::optional<std::string> scope;
  std::optional<std::string> namespace_;
  bool operator==(const IngressClassParametersReference&) const = default;
};

struct IngressClassSpec : Described {
  std::string controller;
  std::optional<IngressClassParametersReference> parameters;
  bool operator==(const IngressClassSpec&) const = default;
};

/// Which controller serves the Ingresses that name it.
struct IngressClass : Described {
  ObjectMeta metadata;
  IngressClassSpec spec;
  bool operator==(const IngressClass&) const = default;
};

struct ParentReference : Described {
  std::string group;
  std::string resource;
  std::string namespace_;
  std::string name;
  bool operator==(const ParentReference&) const = default;
};

struct IPAddressSpec : Described {
  std::optional<ParentReference> parentRef;
  bool operator==(const IPAddressSpec&) const = default;
};

/// An address that a Service has taken; made by the API server.
struct IPAddress : Described {
  ObjectMeta metadata;
  IPAddressSpec spec;
  bool operator==(const IPAddress&) const = default;
};

struct ServiceCIDRSpec : Described {
  std::vector<std::string> cidrs;
  bool operator==(const ServiceCIDRSpec&) const = default;
};

struct ServiceCIDRStatus : Described {
  std::vector<Condition> conditions;
  bool operator==(const ServiceCIDRStatus&) const = default;
};

/// A network that addresses of Services come from.
struct ServiceCIDR : Described {
  ObjectMeta metadata;
  ServiceCIDRSpec spec;
  ServiceCIDRStatus status;
  bool operator==(const ServiceCIDR&) const = default;
};

}  // namespace weft::kube
