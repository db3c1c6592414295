#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/reference.h"

/// Service, Endpoints (core/v1) and EndpointSlice (discovery.k8s.io/v1).
namespace weft::kube {

struct ServicePort : Described {
  std::string name;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> appProtocol;
  int32_t port = 0;
  IntOrString targetPort;
  int32_t nodePort = 0;
  bool operator==(const ServicePort&) const = default;
};

struct ClientIPConfig : Described {
  std::optional<int32_t> timeoutSeconds;
  bool operator==(const ClientIPConfig&) const = default;
};

struct SessionAffinityConfig : Described {
  std::optional<ClientIPConfig> clientIP;
  bool operator==(const SessionAffinityConfig&) const = default;
};

struct ServiceSpec : Described {
  std::vector<ServicePort> ports;
  StringMap selector;
  std::string clusterIP;
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
  std::vector<std::string> ipFamilies;        ///< IPv4, IPv6, ""
  std::optional<std::string> ipFamilyPolicy;  ///< SingleStack, PreferDualStack, RequireDualStack
  std::optional<bool> allocateLoadBalancerNodePorts;
  std::optional<std::string> loadBalancerClass;
  std::optional<std::string> internalTrafficPolicy;  ///< Cluster, Local
  std::optional<std::string> trafficDistribution;
  bool operator==(const ServiceSpec&) const = default;
};

struct PortStatus : Described {
  int32_t port = 0;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> error;
  bool operator==(const PortStatus&) const = default;
};

struct LoadBalancerIngress : Described {
  std::string ip;
  std::string hostname;
  std::optional<std::string> ipMode;
  std::vector<PortStatus> ports;
  bool operator==(const LoadBalancerIngress&) const = default;
};

struct LoadBalancerStatus : Described {
  std::vector<LoadBalancerIngress> ingress;
  bool operator==(const LoadBalancerStatus&) const = default;
};

struct ServiceStatus : Described {
  LoadBalancerStatus loadBalancer;
  std::vector<Condition> conditions;
  bool operator==(const ServiceStatus&) const = default;
};

struct Service : Described {
  ObjectMeta metadata;
  ServiceSpec spec;
  ServiceStatus status;
  bool operator==(const Service&) const = default;
};

struct EndpointAddress : Described {
  std::string ip;
  std::string hostname;
  std::optional<std::string> nodeName;
  std::optional<ObjectReference> targetRef;
  bool operator==(const EndpointAddress&) const = default;
};

struct EndpointsPort : Described {
  std::string name;
  int32_t port = 0;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::optional<std::string> appProtocol;
  bool operator==(const EndpointsPort&) const = default;
};

struct EndpointSubset : Described {
  std::vector<EndpointAddress> addresses;
  std::vector<EndpointAddress> notReadyAddresses;
  std::vector<EndpointsPort> ports;
  bool operator==(const EndpointSubset&) const = default;
};

struct Endpoints : Described {
  ObjectMeta metadata;
  std::vector<EndpointSubset> subsets;
  bool operator==(const Endpoints&) const = default;
};

struct EndpointConditions : Described {
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;
  bool operator==(const EndpointConditions&) const = default;
};

struct ForZone : Described {
  std::string name;
  bool operator==(const ForZone&) const = default;
};

struct ForNode : Described {
  std::string name;
  bool operator==(const ForNode&) const = default;
};

struct EndpointHints : Described {
  std::vector<ForZone> forZones;
  std::vector<ForNode> forNodes;
  bool operator==(const EndpointHints&) const = default;
};

struct Endpoint : Described {
  std::vector<std::string> addresses;
  EndpointConditions conditions;
  std::optional<std::string> hostname;
  std::optional<ObjectReference> targetRef;
  StringMap deprecatedTopology;
  std::optional<std::string> nodeName;
  std::optional<std::string> zone;
  std::optional<EndpointHints> hints;
  bool operator==(const Endpoint&) const = default;
};

struct EndpointPort : Described {
  std::optional<std::string> name;
  std::optional<std::string> protocol;  ///< TCP, UDP, SCTP
  std::optional<int32_t> port;
  std::optional<std::string> appProtocol;
  bool operator==(const EndpointPort&) const = default;
};

struct EndpointSlice : Described {
  ObjectMeta metadata;
  std::string addressType;
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

}  // namespace weft::kube
