#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/container.h"
#include "kube/meta.h"
#include "kube/reference.h"
#include "kube/volume.h"

/// Pod (core/v1). Parts that Weft never reads are kept as JSON; their schema is known.
namespace weft::kube {

/// A line of /etc/hosts.
struct HostAlias : Described {
  std::string ip;
  std::vector<std::string> hostnames;
  bool operator==(const HostAlias&) const = default;
};

struct PodDNSConfigOption : Described {
  std::string name;
  std::optional<std::string> value;
  bool operator==(const PodDNSConfigOption&) const = default;
};

/// Settings of /etc/resolv.conf.
struct PodDNSConfig : Described {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<PodDNSConfigOption> options;
  bool operator==(const PodDNSConfig&) const = default;
};

struct PodReadinessGate : Described {
  std::string conditionType;
  bool operator==(const PodReadinessGate&) const = default;
};

/// A taint that a pod puts up with.
struct Toleration : Described {
  std::string key;
  std::string operator_;  ///< Exists, Equal, Lt, Gt
  std::string value;
  std::string effect;  ///< NoSchedule, PreferNoSchedule, NoExecute
  std::optional<int64_t> tolerationSeconds;
  bool operator==(const Toleration&) const = default;
};

struct TopologySpreadConstraint : Described {
  int32_t maxSkew = 0;
  std::string topologyKey;
  std::string whenUnsatisfiable;  ///< DoNotSchedule, ScheduleAnyway
  std::optional<LabelSelector> labelSelector;
  std::optional<int32_t> minDomains;
  std::optional<std::string> nodeAffinityPolicy;  ///< Ignore, Honor
  std::optional<std::string> nodeTaintsPolicy;    ///< Ignore, Honor
  std::vector<std::string> matchLabelKeys;
  bool operator==(const TopologySpreadConstraint&) const = default;
};

struct Sysctl : Described {
  std::string name;
  std::string value;
  bool operator==(const Sysctl&) const = default;
};

struct PodSecurityContext : Described {
  json::value seLinuxOptions;  ///< a SELinuxOptions
  json::value windowsOptions;  ///< a WindowsSecurityContextOptions
  std::optional<int64_t> runAsUser;
  std::optional<int64_t> runAsGroup;
  std::optional<bool> runAsNonRoot;
  std::vector<int64_t> supplementalGroups;
  std::optional<std::string> supplementalGroupsPolicy;  ///< Merge, Strict
  std::optional<int64_t> fsGroup;
  std::vector<Sysctl> sysctls;
  std::optional<std::string> fsGroupChangePolicy;  ///< OnRootMismatch, Always
  json::value seccompProfile;                      ///< a SeccompProfile
  json::value appArmorProfile;                     ///< a AppArmorProfile
  std::optional<std::string> seLinuxChangePolicy;
  bool operator==(const PodSecurityContext&) const = default;
};

struct PodOS : Described {
  std::string name;
  bool operator==(const PodOS&) const = default;
};

struct PodSchedulingGate : Described {
  std::string name;
  bool operator==(const PodSchedulingGate&) const = default;
};

/// What a pod shall run, and how.
struct PodSpec : Described {
  std::vector<Volume> volumes;
  std::vector<Container> initContainers;
  std::vector<Container> containers;
  std::vector<EphemeralContainer> ephemeralContainers;
  std::string restartPolicy;  ///< Always, OnFailure, Never
  std::optional<int64_t> terminationGracePeriodSeconds;
  std::optional<int64_t> activeDeadlineSeconds;
  std::string dnsPolicy;  ///< ClusterFirstWithHostNet, ClusterFirst, Default, None
  StringMap nodeSelector;
  std::string serviceAccountName;
  std::string serviceAccount;
  std::optional<bool> automountServiceAccountToken;
  std::string nodeName;
  bool hostNetwork = false;
  bool hostPID = false;
  bool hostIPC = false;
  std::optional<bool> shareProcessNamespace;
  std::optional<PodSecurityContext> securityContext;
  std::vector<LocalObjectReference> imagePullSecrets;
  std::string hostname;
  std::string subdomain;
  json::value affinity;  ///< a Affinity
  std::string schedulerName;
  std::vector<Toleration> tolerations;
  std::vector<HostAlias> hostAliases;
  std::string priorityClassName;
  std::optional<int32_t> priority;
  std::optional<PodDNSConfig> dnsConfig;
  std::vector<PodReadinessGate> readinessGates;
  std::optional<std::string> runtimeClassName;
  std::optional<bool> enableServiceLinks;
  std::optional<std::string> preemptionPolicy;  ///< PreemptLowerPriority, Never
  StringMap overhead;                           ///< quantities
  std::vector<TopologySpreadConstraint> topologySpreadConstraints;
  std::optional<bool> setHostnameAsFQDN;
  std::optional<PodOS> os;
  std::optional<bool> hostUsers;
  std::vector<PodSchedulingGate> schedulingGates;
  std::vector<json::value> resourceClaims;  ///< each a PodResourceClaim
  std::optional<ResourceRequirements> resources;
  std::optional<std::string> hostnameOverride;
  json::value schedulingGroup;  ///< a PodSchedulingGroup
  bool operator==(const PodSpec&) const = default;
};

/// Something that is true of a pod, or not.
struct PodCondition : Described {
  std::string type;  ///< Ready, PodScheduled, …
  int64_t observedGeneration = 0;
  std::string status;
  Time lastProbeTime;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const PodCondition&) const = default;
};

/// An address of a pod.
struct PodIP : Described {
  std::string ip;
  bool operator==(const PodIP&) const = default;
};

/// An address of the node of a pod.
struct HostIP : Described {
  std::string ip;
  bool operator==(const HostIP&) const = default;
};

struct ContainerStateWaiting : Described {
  std::string reason;
  std::string message;
  bool operator==(const ContainerStateWaiting&) const = default;
};

struct ContainerStateRunning : Described {
  Time startedAt;
  bool operator==(const ContainerStateRunning&) const = default;
};

struct ContainerStateTerminated : Described {
  int32_t exitCode = 0;
  int32_t signal = 0;
  std::string reason;
  std::string message;
  Time startedAt;
  Time finishedAt;
  std::string containerID;
  bool operator==(const ContainerStateTerminated&) const = default;
};

/// One of waiting, running, terminated.
struct ContainerState : Described {
  std::optional<ContainerStateWaiting> waiting;
  std::optional<ContainerStateRunning> running;
  std::optional<ContainerStateTerminated> terminated;
  bool operator==(const ContainerState&) const = default;
};

/// How a container is.
struct ContainerStatus : Described {
  std::string name;
  ContainerState state;
  ContainerState lastState;
  bool ready = false;
  int32_t restartCount = 0;
  std::string image;
  std::string imageID;
  std::string containerID;
  std::optional<bool> started;
  StringMap allocatedResources;  ///< quantities
  std::optional<ResourceRequirements> resources;
  std::vector<json::value> volumeMounts;              ///< each a VolumeMountStatus
  json::value user;                                   ///< a ContainerUser
  std::vector<json::value> allocatedResourcesStatus;  ///< each a ResourceStatus
  std::optional<std::string> stopSignal;
  bool operator==(const ContainerStatus&) const = default;
};

/// What was seen of a pod last.
struct PodStatus : Described {
  int64_t observedGeneration = 0;
  std::string phase;  ///< Pending, Running, Succeeded, Failed, Unknown
  std::vector<PodCondition> conditions;
  std::string message;
  std::string reason;
  std::string nominatedNodeName;
  std::string hostIP;
  std::vector<HostIP> hostIPs;
  std::string podIP;
  std::vector<PodIP> podIPs;
  std::optional<Time> startTime;
  std::vector<ContainerStatus> initContainerStatuses;
  std::vector<ContainerStatus> containerStatuses;
  std::string qosClass;  ///< Guaranteed, Burstable, BestEffort
  std::vector<ContainerStatus> ephemeralContainerStatuses;
  std::string resize;
  std::vector<json::value> resourceClaimStatuses;  ///< each a PodResourceClaimStatus
  json::value extendedResourceClaimStatus;         ///< a PodExtendedResourceClaimStatus
  StringMap allocatedResources;                    ///< quantities
  std::optional<ResourceRequirements> resources;
  std::vector<json::value>
      nodeAllocatableResourceClaimStatuses;  ///< each a NodeAllocatableResourceClaimStatus
  bool operator==(const PodStatus&) const = default;
};

/// The form that pods of a workload are made from.
struct PodTemplateSpec : Described {
  ObjectMeta metadata;
  PodSpec spec;
  bool operator==(const PodTemplateSpec&) const = default;
};

/// One or more containers that share a network namespace and live and die together.
struct Pod : Described {
  ObjectMeta metadata;
  PodSpec spec;
  PodStatus status;
  bool operator==(const Pod&) const = default;
};

}  // namespace weft::kube
