#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"

/// ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2 (network-policy-api v0.2.0). Our API server has
/// it built in; another cluster serves it once its CustomResourceDefinition has been applied.
namespace weft::kube {

/// Pods with these labels in namespaces with those; an empty selector matches all.
struct NamespacedPod : Described {
  LabelSelector namespaceSelector;
  LabelSelector podSelector;
  bool operator==(const NamespacedPod&) const = default;
};

/// The pods that a policy is about; exactly one field is set. Pods on the host's network are never among
/// them.
struct ClusterNetworkPolicySubject : Described {
  std::optional<LabelSelector> namespaces;
  std::optional<NamespacedPod> pods;
  bool operator==(const ClusterNetworkPolicySubject&) const = default;
};

/// Inclusive.
struct PortRange : Described {
  int32_t start = 0;
  int32_t end = 0;
  bool operator==(const PortRange&) const = default;
};

/// A port or a range; exactly one field is set.
struct Port : Described {
  int32_t number = 0;  ///< 0: not set
  std::optional<PortRange> range;
  bool operator==(const Port&) const = default;
};

struct ClusterNetworkPolicyProtocolTCP : Described {
  std::optional<Port> destinationPort;
  bool operator==(const ClusterNetworkPolicyProtocolTCP&) const = default;
};

struct ClusterNetworkPolicyProtocolUDP : Described {
  std::optional<Port> destinationPort;
  bool operator==(const ClusterNetworkPolicyProtocolUDP&) const = default;
};

struct ClusterNetworkPolicyProtocolSCTP : Described {
  std::optional<Port> destinationPort;
  bool operator==(const ClusterNetworkPolicyProtocolSCTP&) const = default;
};

/// What is matched of a protocol; exactly one field is set.
struct ClusterNetworkPolicyProtocol : Described {
  std::optional<ClusterNetworkPolicyProtocolTCP> tcp;
  std::optional<ClusterNetworkPolicyProtocolUDP> udp;
  std::optional<ClusterNetworkPolicyProtocolSCTP> sctp;
  std::string destinationNamedPort;  ///< the name of a container's port, of whatever protocol it is there
  bool operator==(const ClusterNetworkPolicyProtocol&) const = default;
};

/// Whom a rule is about; exactly one field is set. With none the policy is of a later version of the API, and
/// the rule fails closed.
struct ClusterNetworkPolicyIngressPeer : Described {
  std::optional<LabelSelector> namespaces;
  std::optional<NamespacedPod> pods;
  bool operator==(const ClusterNetworkPolicyIngressPeer&) const = default;
};

/// As above, for what is outside the cluster too.
struct ClusterNetworkPolicyEgressPeer : Described {
  std::optional<LabelSelector> namespaces;
  std::optional<NamespacedPod> pods;
  std::optional<LabelSelector> nodes;
  std::vector<std::string> networks;     ///< CIDRs; pods' addresses count too
  std::vector<std::string> domainNames;  ///< "a.example", "*.example" (one label or more); of Accept rules
                                         ///< alone
  bool operator==(const ClusterNetworkPolicyEgressPeer&) const = default;
};

/// What happens to connections from any of the peers to any of the ports.
struct ClusterNetworkPolicyIngressRule : Described {
  std::string name;
  std::string action;  ///< Accept, Deny, Pass
  std::vector<ClusterNetworkPolicyIngressPeer> from;
  std::vector<ClusterNetworkPolicyProtocol> protocols;
  bool operator==(const ClusterNetworkPolicyIngressRule&) const = default;
};

/// What happens to connections to any of the peers at any of the ports.
struct ClusterNetworkPolicyEgressRule : Described {
  std::string name;
  std::string action;  ///< Accept, Deny, Pass
  std::vector<ClusterNetworkPolicyEgressPeer> to;
  std::vector<ClusterNetworkPolicyProtocol> protocols;
  bool operator==(const ClusterNetworkPolicyEgressRule&) const = default;
};

struct ClusterNetworkPolicySpec : Described {
  std::string tier;      ///< Admin, Baseline
  int32_t priority = 0;  ///< 0 to 1000; the lower is asked first
  ClusterNetworkPolicySubject subject;
  std::vector<ClusterNetworkPolicyIngressRule> ingress;
  std::vector<ClusterNetworkPolicyEgressRule> egress;
  bool operator==(const ClusterNetworkPolicySpec&) const = default;
};

struct ClusterNetworkPolicyStatus : Described {
  std::vector<Condition> conditions;
  bool operator==(const ClusterNetworkPolicyStatus&) const = default;
};

/// Rules of the cluster's administrator, before (tier Admin) and after (tier Baseline) NetworkPolicies.
struct ClusterNetworkPolicy : Described {
  ObjectMeta metadata;
  ClusterNetworkPolicySpec spec;
  ClusterNetworkPolicyStatus status;
  bool operator==(const ClusterNetworkPolicy&) const = default;
};

}  // namespace weft::kube
