#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/reference.h"

/// Service, Endpoints (core/v1) and EndpointSlice (discovery.k8s.io/v1).
namespace weft::kube {

/// A port that the Service listens on.
struct ServicePort : Described {
  std::string name;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> appProtocol;
  int32_t port = 0;
  IntOrString targetPort;  ///< 0: the same as port
  int32_t nodePort = 0;
  bool operator==(const ServicePort&) const = default;
};

/// How long a client stays with its pod.
struct ClientIPConfig : Described {
  std::optional<int32_t> timeoutSeconds;
  bool operator==(const ClientIPConfig&) const = default;
};

/// Settings of session affinity.
struct SessionAffinityConfig : Described {
  std::optional<ClientIPConfig> clientIP;
  bool operator==(const SessionAffinityConfig&) const = default;
};

/// What a Service shall be.
struct ServiceSpec : Described {
  std::vector<ServicePort> ports;
  StringMap selector;
  std::string clusterIP;  ///< "None" for a headless Service
  std::vector<std::string> clusterIPs;
  std::string type;  ///< ClusterIP, NodePort, LoadBalancer, ExternalName
  std::vector<std::string> externalIPs;
  std::string sessionAffinity;  ///< ClientIP, None
  std::string loadBalancerIP;
  std::vector<std::string> loadBalancerSourceRanges;
  std::string externalName;
  std::string externalTrafficPolicy;  ///< Cluster, Local
  int32_t healthCheckNodePort = 0;
  bool publishNotReadyAddresses = false;
  std::optional<SessionAffinityConfig> sessionAffinityConfig;
  std::vector<std::string> ipFamilies;        ///< IPv4, IPv6
  std::optional<std::string> ipFamilyPolicy;  ///< SingleStack, PreferDualStack, RequireDualStack
  std::optional<bool> allocateLoadBalancerNodePorts;
  std::optional<std::string> loadBalancerClass;
  std::optional<std::string> internalTrafficPolicy;  ///< Cluster, Local
  std::optional<std::string> trafficDistribution;    ///< PreferClose, PreferSameZone, PreferSameNode
  bool operator==(const ServiceSpec&) const = default;
};

/// How a load balancer fared with one port.
struct PortStatus : Described {
  int32_t port = 0;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> error;
  bool operator==(const PortStatus&) const = default;
};

/// One way in through a load balancer.
struct LoadBalancerIngress : Described {
  std::string ip;
  std::string hostname;
  std::optional<std::string> ipMode;  ///< VIP, Proxy
  std::vector<PortStatus> ports;
  bool operator==(const LoadBalancerIngress&) const = default;
};

/// The ways in through load balancers.
struct LoadBalancerStatus : Described {
  std::vector<LoadBalancerIngress> ingress;
  bool operator==(const LoadBalancerStatus&) const = default;
};

/// What is known about a Service from outside.
struct ServiceStatus : Described {
  LoadBalancerStatus loadBalancer;
  std::vector<Condition> conditions;
  bool operator==(const ServiceStatus&) const = default;
};

/// A stable name and address for a changing set of pods.
struct Service : Described {
  ObjectMeta metadata;
  ServiceSpec spec;
  ServiceStatus status;
  bool operator==(const Service&) const = default;
};

/// One address behind a Service.
struct EndpointAddress : Described {
  std::string ip;
  std::string hostname;
  std::optional<std::string> nodeName;
  std::optional<ObjectReference> targetRef;
  bool operator==(const EndpointAddress&) const = default;
};

/// One port of the addresses of a subset.
struct EndpointsPort : Described {
  std::string name;
  int32_t port = 0;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> appProtocol;
  bool operator==(const EndpointsPort&) const = default;
};

/// Addresses that share their ports.
struct EndpointSubset : Described {
  std::vector<EndpointAddress> addresses;
  std::vector<EndpointAddress> notReadyAddresses;
  std::vector<EndpointsPort> ports;
  bool operator==(const EndpointSubset&) const = default;
};

/// The addresses behind a Service in the old form; EndpointSlice takes its place.
struct Endpoints : Described {
  ObjectMeta metadata;
  std::vector<EndpointSubset> subsets;
  bool operator==(const Endpoints&) const = default;
};

/// Whether an endpoint takes traffic.
struct EndpointConditions : Described {
  std::optional<bool> ready;        ///< absent means true
  std::optional<bool> serving;      ///< absent means the same as ready
  std::optional<bool> terminating;  ///< absent means false
  bool operator==(const EndpointConditions&) const = default;
};

/// A zone that should use an endpoint.
struct ForZone : Described {
  std::string name;
  bool operator==(const ForZone&) const = default;
};

/// A node that should use an endpoint.
struct ForNode : Described {
  std::string name;
  bool operator==(const ForNode&) const = default;
};

/// For whom an endpoint is meant.
struct EndpointHints : Described {
  std::vector<ForZone> forZones;
  std::vector<ForNode> forNodes;
  bool operator==(const EndpointHints&) const = default;
};

/// One backend: mostly a pod.
struct Endpoint : Described {
  std::vector<std::string> addresses;
  EndpointConditions conditions;
  std::optional<std::string> hostname;
  std::optional<ObjectReference> targetRef;
  StringMap deprecatedTopology;
  std::optional<std::string> nodeName;
  std::optional<std::string> zone;  ///< topology.kubernetes.io/zone of the node
  std::optional<EndpointHints> hints;
  bool operator==(const Endpoint&) const = default;
};

/// A port of the endpoints of a slice.
struct EndpointPort : Described {
  std::optional<std::string> name;
  std::optional<std::string> protocol;  ///< TCP, UDP, SCTP
  std::optional<int32_t> port;
  std::optional<std::string> appProtocol;
  bool operator==(const EndpointPort&) const = default;
};

/// A part of the addresses behind a Service: one family, one set of ports.
struct EndpointSlice : Described {
  ObjectMeta metadata;
  std::string addressType;  ///< IPv4, IPv6, FQDN
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

}  // namespace weft::kube
