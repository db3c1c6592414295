#include "kube/apps.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(
    RollingUpdateDeployment, "io.k8s.api.apps.v1.RollingUpdateDeployment",
    "How many pods are replaced at a time.", (maxUnavailable, maxSurge),
    field("maxUnavailable").doc("How many pods, or what share, may be missing; 25% when it is not given."),
    field("maxSurge")
        .doc(
            "How many pods, or what share, there may be beyond the number wanted; 25% when it is not given."))

WEFT_DESCRIBE(DeploymentStrategy, "io.k8s.api.apps.v1.DeploymentStrategy",
              "How old pods are replaced by new ones.", (type, rollingUpdate),
              field("type")
                  .one_of({"Recreate", "RollingUpdate"})
                  .doc("RollingUpdate, or Recreate: all old pods end before new ones start."),
              field("rollingUpdate").doc("How many at a time."))

WEFT_DESCRIBE(DeploymentSpec, "io.k8s.api.apps.v1.DeploymentSpec", "What a Deployment shall be.",
              (replicas, selector, template_, strategy, minReadySeconds, revisionHistoryLimit, paused,
               progressDeadlineSeconds),
              field("replicas").fallback(1).doc("How many pods; 1 when it is not given."),
              field("selector").required().doc("Labels of its pods; it cannot be changed later."),
              field("template").required().keep_empty().doc("What its pods are made from."),
              field("strategy").retain_keys().doc("How old pods are replaced by new ones."),
              field("minReadySeconds").doc("Seconds a pod must be ready to count as available."),
              field("revisionHistoryLimit")
                  .fallback(10)
                  .doc("How many old ReplicaSets are kept to go back to; 10 when it is not given."),
              field("paused").doc("Changes of the template wait."),
              field("progressDeadlineSeconds")
                  .fallback(600)
                  .doc("Seconds without progress after which it counts as failed; 600 when it is not given."))

WEFT_DESCRIBE(DeploymentCondition, "io.k8s.api.apps.v1.DeploymentCondition", "",
              (type, status, lastUpdateTime, lastTransitionTime, reason, message),
              field("type").required().keep_empty(), field("status").required().keep_empty(),
              field("lastUpdateTime").time(), field("lastTransitionTime").time())

WEFT_DESCRIBE(
    DeploymentStatus, "io.k8s.api.apps.v1.DeploymentStatus", "How far a Deployment has come.",
    (observedGeneration, replicas, updatedReplicas, readyReplicas, availableReplicas, unavailableReplicas,
     terminatingReplicas, conditions, collisionCount),
    field("replicas").doc("Pods it has."), field("updatedReplicas").doc("Pods of the present template."),
    field("readyReplicas").doc("Pods that are ready."),
    field("availableReplicas").doc("Pods that have been ready for minReadySeconds."),
    field("conditions").list_map({"type"}).merge("type").doc("Available, Progressing, ReplicaFailure."))

WEFT_DESCRIBE_KIND(Deployment,
                   ({.group = "apps",
                     .version = "v1",
                     .kind = "Deployment",
                     .plural = "deployments",
                     .singular = "deployment",
                     .short_names = {"deploy"},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.apps.v1.Deployment",
                   "Keeps a number of like pods and replaces them step by step when their template changes.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("spec").doc("What the Deployment shall be."),
                   field("status").doc("How far it has come."))

WEFT_DESCRIBE(ReplicaSetSpec, "io.k8s.api.apps.v1.ReplicaSetSpec", "",
              (replicas, minReadySeconds, selector, template_), field("replicas").fallback(1),
              field("selector").required())

WEFT_DESCRIBE(ReplicaSetCondition, "io.k8s.api.apps.v1.ReplicaSetCondition", "",
              (type, status, lastTransitionTime, reason, message), field("type").required().keep_empty(),
              field("status").required().keep_empty(), field("lastTransitionTime").time())

WEFT_DESCRIBE(ReplicaSetStatus, "io.k8s.api.apps.v1.ReplicaSetStatus", "",
              (replicas, fullyLabeledReplicas, readyReplicas, availableReplicas, terminatingReplicas,
               observedGeneration, conditions),
              field("replicas").required().keep_empty(), field("conditions").list_map({"type"}).merge("type"))

WEFT_DESCRIBE_KIND(ReplicaSet,
                   ({.group = "apps",
                     .version = "v1",
                     .kind = "ReplicaSet",
                     .plural = "replicasets",
                     .singular = "replicaset",
                     .short_names = {"rs"},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.apps.v1.ReplicaSet", "Keeps a number of like pods.", (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE(RollingUpdateStatefulSetStrategy, "io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy", "",
              (partition, maxUnavailable))

WEFT_DESCRIBE(StatefulSetUpdateStrategy, "io.k8s.api.apps.v1.StatefulSetUpdateStrategy", "",
              (type, rollingUpdate), field("type").one_of({"RollingUpdate", "OnDelete"}))

WEFT_DESCRIBE(StatefulSetPersistentVolumeClaimRetentionPolicy,
              "io.k8s.api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", "",
              (whenDeleted, whenScaled))

WEFT_DESCRIBE(StatefulSetOrdinals, "io.k8s.api.apps.v1.StatefulSetOrdinals", "", (start),
              field("start").keep_empty())

WEFT_DESCRIBE(StatefulSetSpec, "io.k8s.api.apps.v1.StatefulSetSpec", "",
              (replicas, selector, template_, volumeClaimTemplates, serviceName, podManagementPolicy,
               updateStrategy, revisionHistoryLimit, minReadySeconds, persistentVolumeClaimRetentionPolicy,
               ordinals),
              field("replicas").fallback(1), field("selector").required(),
              field("template").required().keep_empty(),
              field("volumeClaimTemplates").shape("PersistentVolumeClaim"), field("serviceName").keep_empty(),
              field("podManagementPolicy").one_of({"OrderedReady", "Parallel"}).fallback("OrderedReady"),
              field("revisionHistoryLimit").fallback(10))

WEFT_DESCRIBE(StatefulSetCondition, "io.k8s.api.apps.v1.StatefulSetCondition", "",
              (type, status, lastTransitionTime, reason, message), field("type").required().keep_empty(),
              field("status").required().keep_empty(), field("lastTransitionTime").time())

WEFT_DESCRIBE(StatefulSetStatus, "io.k8s.api.apps.v1.StatefulSetStatus", "",
              (observedGeneration, replicas, readyReplicas, currentReplicas, updatedReplicas, currentRevision,
               updateRevision, collisionCount, conditions, availableReplicas),
              field("replicas").required().keep_empty(), field("conditions").list_map({"type"}).merge("type"),
              field("availableReplicas").keep_empty())

WEFT_DESCRIBE_KIND(StatefulSet,
                   ({.group = "apps",
                     .version = "v1",
                     .kind = "StatefulSet",
                     .plural = "statefulsets",
                     .singular = "statefulset",
                     .short_names = {"sts"},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.apps.v1.StatefulSet", "Pods with lasting names, one after the other.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE(RollingUpdateDaemonSet, "io.k8s.api.apps.v1.RollingUpdateDaemonSet", "",
              (maxUnavailable, maxSurge))

WEFT_DESCRIBE(DaemonSetUpdateStrategy, "io.k8s.api.apps.v1.DaemonSetUpdateStrategy", "",
              (type, rollingUpdate), field("type").one_of({"RollingUpdate", "OnDelete"}))

WEFT_DESCRIBE(DaemonSetSpec, "io.k8s.api.apps.v1.DaemonSetSpec", "",
              (selector, template_, updateStrategy, minReadySeconds, revisionHistoryLimit),
              field("selector").required(), field("template").required().keep_empty(),
              field("revisionHistoryLimit").fallback(10))

WEFT_DESCRIBE(DaemonSetCondition, "io.k8s.api.apps.v1.DaemonSetCondition", "",
              (type, status, lastTransitionTime, reason, message), field("type").required().keep_empty(),
              field("status").required().keep_empty(), field("lastTransitionTime").time())

WEFT_DESCRIBE(DaemonSetStatus, "io.k8s.api.apps.v1.DaemonSetStatus", "",
              (currentNumberScheduled, numberMisscheduled, desiredNumberScheduled, numberReady,
               observedGeneration, updatedNumberScheduled, numberAvailable, numberUnavailable, collisionCount,
               conditions),
              field("currentNumberScheduled").required().keep_empty(),
              field("numberMisscheduled").required().keep_empty(),
              field("desiredNumberScheduled").required().keep_empty(),
              field("numberReady").required().keep_empty(),
              field("conditions").list_map({"type"}).merge("type"))

WEFT_DESCRIBE_KIND(DaemonSet,
                   ({.group = "apps",
                     .version = "v1",
                     .kind = "DaemonSet",
                     .plural = "daemonsets",
                     .singular = "daemonset",
                     .short_names = {"ds"},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.apps.v1.DaemonSet", "One pod on each node.", (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE_KIND(ControllerRevision,
                   ({.group = "apps",
                     .version = "v1",
                     .kind = "ControllerRevision",
                     .plural = "controllerrevisions",
                     .singular = "controllerrevision",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.apps.v1.ControllerRevision",
                   "A remembered state of a StatefulSet or DaemonSet.", (metadata, data, revision),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("revision").required().keep_empty())

WEFT_DESCRIBE(JobSpec, "io.k8s.api.batch.v1.JobSpec", "",
              (parallelism, completions, activeDeadlineSeconds, podFailurePolicy, successPolicy, backoffLimit,
               backoffLimitPerIndex, maxFailedIndexes, selector, manualSelector, template_,
               ttlSecondsAfterFinished, completionMode, suspend, podReplacementPolicy, managedBy),
              field("podFailurePolicy").shape("PodFailurePolicy"),
              field("successPolicy").shape("SuccessPolicy"), field("template").required().keep_empty(),
              field("completionMode").one_of({"NonIndexed", "Indexed"}),
              field("podReplacementPolicy").one_of({"TerminatingOrFailed", "Failed"}))

WEFT_DESCRIBE(JobCondition, "io.k8s.api.batch.v1.JobCondition", "",
              (type, status, lastProbeTime, lastTransitionTime, reason, message),
              field("type").required().keep_empty(), field("status").required().keep_empty(),
              field("lastProbeTime").time(), field("lastTransitionTime").time())

WEFT_DESCRIBE(JobStatus, "io.k8s.api.batch.v1.JobStatus", "",
              (conditions, startTime, completionTime, active, succeeded, failed, terminating,
               completedIndexes, failedIndexes, uncountedTerminatedPods, ready),
              field("conditions").merge("type"), field("startTime").time(), field("completionTime").time(),
              field("uncountedTerminatedPods").shape("UncountedTerminatedPods"))

WEFT_DESCRIBE_KIND(Job,
                   ({.group = "batch",
                     .version = "v1",
                     .kind = "Job",
                     .plural = "jobs",
                     .singular = "job",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.batch.v1.Job", "Pods that run to their end.", (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE(ScaleSpec, "io.k8s.api.autoscaling.v1.ScaleSpec", "", (replicas), field("replicas").fallback(0))

WEFT_DESCRIBE(ScaleStatus, "io.k8s.api.autoscaling.v1.ScaleStatus", "", (replicas, selector),
              field("replicas").required().keep_empty())

WEFT_DESCRIBE_KIND(Scale,
                   ({.group = "autoscaling",
                     .version = "v1",
                     .kind = "Scale",
                     .plural = "scales",
                     .singular = "scale",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.autoscaling.v1.Scale", "How many replicas a workload has and shall have.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

}  // namespace weft::kube
