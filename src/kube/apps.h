#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/pod.h"

/// Workloads: Deployment, ReplicaSet, StatefulSet, DaemonSet, ControllerRevision (apps/v1), Job (batch/v1),
/// and the Scale subresource (autoscaling/v1).
namespace weft::kube {

/// How many pods are replaced at a time.
struct RollingUpdateDeployment : Described {
  std::optional<IntOrString> maxUnavailable;
  std::optional<IntOrString> maxSurge;
  bool operator==(const RollingUpdateDeployment&) const = default;
};

/// How old pods are replaced by new ones.
struct DeploymentStrategy : Described {
  std::string type;  ///< Recreate, RollingUpdate
  std::optional<RollingUpdateDeployment> rollingUpdate;
  bool operator==(const DeploymentStrategy&) const = default;
};

/// What a Deployment shall be.
struct DeploymentSpec : Described {
  std::optional<int32_t> replicas;
  std::optional<LabelSelector> selector;
  PodTemplateSpec template_;
  DeploymentStrategy strategy;
  int32_t minReadySeconds = 0;
  std::optional<int32_t> revisionHistoryLimit;
  bool paused = false;
  std::optional<int32_t> progressDeadlineSeconds;
  bool operator==(const DeploymentSpec&) const = default;
};

struct DeploymentCondition : Described {
  std::string type;
  std::string status;
  Time lastUpdateTime;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const DeploymentCondition&) const = default;
};

/// How far a Deployment has come.
struct DeploymentStatus : Described {
  int64_t observedGeneration = 0;
  int32_t replicas = 0;
  int32_t updatedReplicas = 0;
  int32_t readyReplicas = 0;
  int32_t availableReplicas = 0;
  int32_t unavailableReplicas = 0;
  std::optional<int32_t> terminatingReplicas;
  std::vector<DeploymentCondition> conditions;
  std::optional<int32_t> collisionCount;
  bool operator==(const DeploymentStatus&) const = default;
};

/// Keeps a number of like pods and replaces them step by step when their template changes.
struct Deployment : Described {
  ObjectMeta metadata;
  DeploymentSpec spec;
  DeploymentStatus status;
  bool operator==(const Deployment&) const = default;
};

struct ReplicaSetSpec : Described {
  std::optional<int32_t> replicas;
  int32_t minReadySeconds = 0;
  std::optional<LabelSelector> selector;
  PodTemplateSpec template_;
  bool operator==(const ReplicaSetSpec&) const = default;
};

struct ReplicaSetCondition : Described {
  std::string type;
  std::string status;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const ReplicaSetCondition&) const = default;
};

struct ReplicaSetStatus : Described {
  int32_t replicas = 0;
  int32_t fullyLabeledReplicas = 0;
  int32_t readyReplicas = 0;
  int32_t availableReplicas = 0;
  std::optional<int32_t> terminatingReplicas;
  int64_t observedGeneration = 0;
  std::vector<ReplicaSetCondition> conditions;
  bool operator==(const ReplicaSetStatus&) const = default;
};

/// Keeps a number of like pods.
struct ReplicaSet : Described {
  ObjectMeta metadata;
  ReplicaSetSpec spec;
  ReplicaSetStatus status;
  bool operator==(const ReplicaSet&) const = default;
};

struct RollingUpdateStatefulSetStrategy : Described {
  std::optional<int32_t> partition;
  std::optional<IntOrString> maxUnavailable;
  bool operator==(const RollingUpdateStatefulSetStrategy&) const = default;
};

struct StatefulSetUpdateStrategy : Described {
  std::string type;  ///< RollingUpdate, OnDelete
  std::optional<RollingUpdateStatefulSetStrategy> rollingUpdate;
  bool operator==(const StatefulSetUpdateStrategy&) const = default;
};

struct StatefulSetPersistentVolumeClaimRetentionPolicy : Described {
  std::string whenDeleted;
  std::string whenScaled;
  bool operator==(const StatefulSetPersistentVolumeClaimRetentionPolicy&) const = default;
};

struct StatefulSetOrdinals : Described {
  int32_t start = 0;
  bool operator==(const StatefulSetOrdinals&) const = default;
};

struct StatefulSetSpec : Described {
  std::optional<int32_t> replicas;
  std::optional<LabelSelector> selector;
  PodTemplateSpec template_;
  std::vector<json::value> volumeClaimTemplates;  ///< each a PersistentVolumeClaim
  std::string serviceName;
  std::string podManagementPolicy;  ///< OrderedReady, Parallel
  StatefulSetUpdateStrategy updateStrategy;
  std::optional<int32_t> revisionHistoryLimit;
  int32_t minReadySeconds = 0;
  std::optional<StatefulSetPersistentVolumeClaimRetentionPolicy> persistentVolumeClaimRetentionPolicy;
  std::optional<StatefulSetOrdinals> ordinals;
  bool operator==(const StatefulSetSpec&) const = default;
};

struct StatefulSetCondition : Described {
  std::string type;
  std::string status;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const StatefulSetCondition&) const = default;
};

struct StatefulSetStatus : Described {
  int64_t observedGeneration = 0;
  int32_t replicas = 0;
  int32_t readyReplicas = 0;
  int32_t currentReplicas = 0;
  int32_t updatedReplicas = 0;
  std::string currentRevision;
  std::string updateRevision;
  std::optional<int32_t> collisionCount;
  std::vector<StatefulSetCondition> conditions;
  int32_t availableReplicas = 0;
  bool operator==(const StatefulSetStatus&) const = default;
};

/// Pods with lasting names, one after the other.
struct StatefulSet : Described {
  ObjectMeta metadata;
  StatefulSetSpec spec;
  StatefulSetStatus status;
  bool operator==(const StatefulSet&) const = default;
};

struct RollingUpdateDaemonSet : Described {
  std::optional<IntOrString> maxUnavailable;
  std::optional<IntOrString> maxSurge;
  bool operator==(const RollingUpdateDaemonSet&) const = default;
};

struct DaemonSetUpdateStrategy : Described {
  std::string type;  ///< RollingUpdate, OnDelete
  std::optional<RollingUpdateDaemonSet> rollingUpdate;
  bool operator==(const DaemonSetUpdateStrategy&) const = default;
};

struct DaemonSetSpec : Described {
  std::optional<LabelSelector> selector;
  PodTemplateSpec template_;
  DaemonSetUpdateStrategy updateStrategy;
  int32_t minReadySeconds = 0;
  std::optional<int32_t> revisionHistoryLimit;
  bool operator==(const DaemonSetSpec&) const = default;
};

struct DaemonSetCondition : Described {
  std::string type;
  std::string status;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const DaemonSetCondition&) const = default;
};

struct DaemonSetStatus : Described {
  int32_t currentNumberScheduled = 0;
  int32_t numberMisscheduled = 0;
  int32_t desiredNumberScheduled = 0;
  int32_t numberReady = 0;
  int64_t observedGeneration = 0;
  int32_t updatedNumberScheduled = 0;
  int32_t numberAvailable = 0;
  int32_t numberUnavailable = 0;
  std::optional<int32_t> collisionCount;
  std::vector<DaemonSetCondition> conditions;
  bool operator==(const DaemonSetStatus&) const = default;
};

/// One pod on each node.
struct DaemonSet : Described {
  ObjectMeta metadata;
  DaemonSetSpec spec;
  DaemonSetStatus status;
  bool operator==(const DaemonSet&) const = default;
};

/// A remembered state of a StatefulSet or DaemonSet.
struct ControllerRevision : Described {
  ObjectMeta metadata;
  json::value data;
  int64_t revision = 0;
  bool operator==(const ControllerRevision&) const = default;
};

struct JobSpec : Described {
  std::optional<int32_t> parallelism;
  std::optional<int32_t> completions;
  std::optional<int64_t> activeDeadlineSeconds;
  json::value podFailurePolicy;  ///< a PodFailurePolicy
  json::value successPolicy;     ///< a SuccessPolicy
  std::optional<int32_t> backoffLimit;
  std::optional<int32_t> backoffLimitPerIndex;
  std::optional<int32_t> maxFailedIndexes;
  std::optional<LabelSelector> selector;
  std::optional<bool> manualSelector;
  PodTemplateSpec template_;
  std::optional<int32_t> ttlSecondsAfterFinished;
  std::optional<std::string> completionMode;  ///< NonIndexed, Indexed
  std::optional<bool> suspend;
  std::optional<std::string> podReplacementPolicy;  ///< TerminatingOrFailed, Failed
  std::optional<std::string> managedBy;
  bool operator==(const JobSpec&) const = default;
};

struct JobCondition : Described {
  std::string type;
  std::string status;
  Time lastProbeTime;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const JobCondition&) const = default;
};

struct JobStatus : Described {
  std::vector<JobCondition> conditions;
  std::optional<Time> startTime;
  std::optional<Time> completionTime;
  int32_t active = 0;
  int32_t succeeded = 0;
  int32_t failed = 0;
  std::optional<int32_t> terminating;
  std::string completedIndexes;
  std::optional<std::string> failedIndexes;
  json::value uncountedTerminatedPods;  ///< a UncountedTerminatedPods
  std::optional<int32_t> ready;
  bool operator==(const JobStatus&) const = default;
};

/// Pods that run to their end.
struct Job : Described {
  ObjectMeta metadata;
  JobSpec spec;
  JobStatus status;
  bool operator==(const Job&) const = default;
};

struct ScaleSpec : Described {
  int32_t replicas = 0;
  bool operator==(const ScaleSpec&) const = default;
};

struct ScaleStatus : Described {
  int32_t replicas = 0;
  std::string selector;
  bool operator==(const ScaleStatus&) const = default;
};

/// How many replicas a workload has and shall have.
struct Scale : Described {
  ObjectMeta metadata;
  ScaleSpec spec;
  ScaleStatus status;
  bool operator==(const Scale&) const = default;
};

}  // namespace weft::kube
