#include "kube/pod.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(HostAlias, "io.k8s.api.core.v1.HostAlias", "A line of /etc/hosts.", (ip, hostnames),
              field("ip").required().keep_empty())

WEFT_DESCRIBE(PodDNSConfigOption, "io.k8s.api.core.v1.PodDNSConfigOption", "", (name, value))

WEFT_DESCRIBE(PodDNSConfig, "io.k8s.api.core.v1.PodDNSConfig", "Settings of /etc/resolv.conf.",
              (nameservers, searches, options))

WEFT_DESCRIBE(PodReadinessGate, "io.k8s.api.core.v1.PodReadinessGate", "", (conditionType),
              field("conditionType").required().keep_empty())

WEFT_DESCRIBE(Toleration, "io.k8s.api.core.v1.Toleration", "A taint that a pod puts up with.",
              (key, operator_, value, effect, tolerationSeconds),
              field("operator").one_of({"Exists", "Equal", "Lt", "Gt"}),
              field("effect").one_of({"NoSchedule", "PreferNoSchedule", "NoExecute"}))

WEFT_DESCRIBE(TopologySpreadConstraint, "io.k8s.api.core.v1.TopologySpreadConstraint", "",
              (maxSkew, topologyKey, whenUnsatisfiable, labelSelector, minDomains, nodeAffinityPolicy,
               nodeTaintsPolicy, matchLabelKeys),
              field("maxSkew").required().keep_empty(), field("topologyKey").required().keep_empty(),
              field("whenUnsatisfiable").required().keep_empty().one_of({"DoNotSchedule", "ScheduleAnyway"}),
              field("nodeAffinityPolicy").one_of({"Ignore", "Honor"}),
              field("nodeTaintsPolicy").one_of({"Ignore", "Honor"}))

WEFT_DESCRIBE(Sysctl, "io.k8s.api.core.v1.Sysctl", "", (name, value), field("name").required().keep_empty(),
              field("value").required().keep_empty())

WEFT_DESCRIBE(PodSecurityContext, "io.k8s.api.core.v1.PodSecurityContext", "",
              (seLinuxOptions, windowsOptions, runAsUser, runAsGroup, runAsNonRoot, supplementalGroups,
               supplementalGroupsPolicy, fsGroup, sysctls, fsGroupChangePolicy, seccompProfile,
               appArmorProfile, seLinuxChangePolicy),
              field("seLinuxOptions").shape("SELinuxOptions"),
              field("windowsOptions").shape("WindowsSecurityContextOptions"),
              field("supplementalGroupsPolicy").one_of({"Merge", "Strict"}),
              field("fsGroupChangePolicy").one_of({"OnRootMismatch", "Always"}),
              field("seccompProfile").shape("SeccompProfile"),
              field("appArmorProfile").shape("AppArmorProfile"))

WEFT_DESCRIBE(PodOS, "io.k8s.api.core.v1.PodOS", "", (name), field("name").required().keep_empty())

WEFT_DESCRIBE(PodSchedulingGate, "io.k8s.api.core.v1.PodSchedulingGate", "", (name),
              field("name").required().keep_empty())

WEFT_DESCRIBE(
    PodSpec, "io.k8s.api.core.v1.PodSpec", "What a pod shall run, and how.",
    (volumes, initContainers, containers, ephemeralContainers, restartPolicy, terminationGracePeriodSeconds,
     activeDeadlineSeconds, dnsPolicy, nodeSelector, serviceAccountName, serviceAccount,
     automountServiceAccountToken, nodeName, hostNetwork, hostPID, hostIPC, shareProcessNamespace,
     securityContext, imagePullSecrets, hostname, subdomain, affinity, schedulerName, tolerations,
     hostAliases, priorityClassName, priority, dnsConfig, readinessGates, runtimeClassName,
     enableServiceLinks, preemptionPolicy, overhead, topologySpreadConstraints, setHostnameAsFQDN, os,
     hostUsers, schedulingGates, resourceClaims, resources, hostnameOverride, schedulingGroup),
    field("volumes").list_map({"name"}).merge("name").retain_keys().doc("Folders that containers can mount."),
    field("initContainers")
        .list_map({"name"})
        .merge("name")
        .doc("Containers that run one after the other before the others start; with restartPolicy Always "
             "they stay."),
    field("containers")
        .required()
        .keep_empty()
        .list_map({"name"})
        .merge("name")
        .doc("The containers; at least one."),
    field("ephemeralContainers")
        .list_map({"name"})
        .merge("name")
        .doc("Containers put into the running pod for debugging."),
    field("restartPolicy")
        .one_of({"Always", "OnFailure", "Never"})
        .fallback("Always")
        .doc("When ended containers start again: Always, OnFailure or Never."),
    field("terminationGracePeriodSeconds")
        .fallback(30)
        .doc("Seconds between the polite and the hard end; 30 when it is not given."),
    field("activeDeadlineSeconds").doc("Seconds after which the pod counts as failed."),
    field("dnsPolicy")
        .one_of({"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"})
        .fallback("ClusterFirst")
        .doc("ClusterFirst, ClusterFirstWithHostNet, Default (as the node) or None (dnsConfig alone)."),
    field("nodeSelector").atomic().doc("Labels a node must have."),
    field("serviceAccountName").doc("As whom the pod speaks to the API."),
    field("nodeName").doc("The node it runs on; given by the scheduler."),
    field("hostNetwork").doc("Use the node's network namespace."),
    field("securityContext").fallback(json::object{}).doc("As which user and with which rights it runs."),
    field("imagePullSecrets").list_map({"name"}).merge("name"),
    field("hostname").doc("Its host name; the name of the pod when it is not given."),
    field("subdomain").doc("With hostname: HOSTNAME.SUBDOMAIN.NAMESPACE.svc.DOMAIN is its name in DNS."),
    field("affinity").shape("Affinity").doc("Which nodes and neighbours it prefers or needs."),
    field("schedulerName").fallback("default-scheduler"),
    field("tolerations").doc("Taints of nodes that it puts up with."),
    field("hostAliases").list_map({"ip"}).merge("ip").doc("Further lines of /etc/hosts."),
    field("dnsConfig").doc("Further settings of /etc/resolv.conf."),
    field("readinessGates").doc("Conditions that must be true besides the probes for the pod to be ready."),
    field("enableServiceLinks").doc("Whether Services appear as environment variables."),
    field("preemptionPolicy").one_of({"PreemptLowerPriority", "Never"}), field("overhead").quantity(),
    field("topologySpreadConstraints")
        .list_map({"topologyKey", "whenUnsatisfiable"})
        .merge("topologyKey")
        .doc("How its like shall spread over zones or nodes."),
    field("setHostnameAsFQDN").doc("The host name is the full DNS name."),
    field("schedulingGates").list_map({"name"}).merge("name"),
    field("resourceClaims").shape("PodResourceClaim").list_map({"name"}).merge("name").retain_keys(),
    field("schedulingGroup").shape("PodSchedulingGroup"))

WEFT_DESCRIBE(PodCondition, "io.k8s.api.core.v1.PodCondition", "Something that is true of a pod, or not.",
              (type, observedGeneration, status, lastProbeTime, lastTransitionTime, reason, message),
              field("type").required().keep_empty(), field("status").required().keep_empty(),
              field("lastProbeTime").time(), field("lastTransitionTime").time())

WEFT_DESCRIBE(PodIP, "io.k8s.api.core.v1.PodIP", "An address of a pod.", (ip),
              field("ip").required().keep_empty())

WEFT_DESCRIBE(HostIP, "io.k8s.api.core.v1.HostIP", "An address of the node of a pod.", (ip),
              field("ip").required().keep_empty())

WEFT_DESCRIBE(ContainerStateWaiting, "io.k8s.api.core.v1.ContainerStateWaiting", "", (reason, message))

WEFT_DESCRIBE(ContainerStateRunning, "io.k8s.api.core.v1.ContainerStateRunning", "", (startedAt),
              field("startedAt").time())

WEFT_DESCRIBE(ContainerStateTerminated, "io.k8s.api.core.v1.ContainerStateTerminated", "",
              (exitCode, signal, reason, message, startedAt, finishedAt, containerID),
              field("exitCode").required().keep_empty(), field("startedAt").time(),
              field("finishedAt").time())

WEFT_DESCRIBE(ContainerState, "io.k8s.api.core.v1.ContainerState", "One of waiting, running, terminated.",
              (waiting, running, terminated))

WEFT_DESCRIBE(
    ContainerStatus, "io.k8s.api.core.v1.ContainerStatus", "How a container is.",
    (name, state, lastState, ready, restartCount, image, imageID, containerID, started, allocatedResources,
     resources, volumeMounts, user, allocatedResourcesStatus, stopSignal),
    field("name").required().keep_empty(), field("ready").required().keep_empty(),
    field("restartCount").required().keep_empty(), field("image").required().keep_empty(),
    field("imageID").required().keep_empty(), field("allocatedResources").quantity(),
    field("volumeMounts").shape("VolumeMountStatus").list_map({"mountPath"}).merge("mountPath"),
    field("user").shape("ContainerUser"),
    field("allocatedResourcesStatus").shape("ResourceStatus").list_map({"name"}).merge("name"),
    field("stopSignal").one_of({"SIGABRT",     "SIGALRM",     "SIGBUS",      "SIGCHLD",     "SIGCLD",
                                "SIGCONT",     "SIGFPE",      "SIGHUP",      "SIGILL",      "SIGINT",
                                "SIGIO",       "SIGIOT",      "SIGKILL",     "SIGPIPE",     "SIGPOLL",
                                "SIGPROF",     "SIGPWR",      "SIGQUIT",     "SIGSEGV",     "SIGSTKFLT",
                                "SIGSTOP",     "SIGSYS",      "SIGTERM",     "SIGTRAP",     "SIGTSTP",
                                "SIGTTIN",     "SIGTTOU",     "SIGURG",      "SIGUSR1",     "SIGUSR2",
                                "SIGVTALRM",   "SIGWINCH",    "SIGXCPU",     "SIGXFSZ",     "SIGRTMIN",
                                "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",
                                "SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10",
                                "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15",
                                "SIGRTMAX-14", "SIGRTMAX-13", "SIGRTMAX-12", "SIGRTMAX-11", "SIGRTMAX-10",
                                "SIGRTMAX-9",  "SIGRTMAX-8",  "SIGRTMAX-7",  "SIGRTMAX-6",  "SIGRTMAX-5",
                                "SIGRTMAX-4",  "SIGRTMAX-3",  "SIGRTMAX-2",  "SIGRTMAX-1",  "SIGRTMAX"}))

WEFT_DESCRIBE(PodStatus, "io.k8s.api.core.v1.PodStatus", "What was seen of a pod last.",
              (observedGeneration, phase, conditions, message, reason, nominatedNodeName, hostIP, hostIPs,
               podIP, podIPs, startTime, initContainerStatuses, containerStatuses, qosClass,
               ephemeralContainerStatuses, resize, resourceClaimStatuses, extendedResourceClaimStatus,
               allocatedResources, resources, nodeAllocatableResourceClaimStatuses),
              field("phase")
                  .one_of({"Pending", "Running", "Succeeded", "Failed", "Unknown"})
                  .doc("Pending, Running, Succeeded, Failed or Unknown."),
              field("conditions")
                  .list_map({"type"})
                  .merge("type")
                  .doc("PodScheduled, Initialized, ContainersReady, Ready and others."),
              field("hostIP").doc("Its node's first address."), field("hostIPs").merge("ip"),
              field("podIP").doc("Its first address."),
              field("podIPs").list_map({"ip"}).merge("ip").doc("Its addresses, at most one a family."),
              field("startTime").time(), field("containerStatuses").doc("How each container is."),
              field("qosClass").one_of({"Guaranteed", "Burstable", "BestEffort"}),
              field("resourceClaimStatuses")
                  .shape("PodResourceClaimStatus")
                  .list_map({"name"})
                  .merge("name")
                  .retain_keys(),
              field("extendedResourceClaimStatus").shape("PodExtendedResourceClaimStatus"),
              field("allocatedResources").quantity(),
              field("nodeAllocatableResourceClaimStatuses").shape("NodeAllocatableResourceClaimStatus"))

WEFT_DESCRIBE(PodTemplateSpec, "io.k8s.api.core.v1.PodTemplateSpec",
              "The form that pods of a workload are made from.", (metadata, spec),
              field("metadata").doc("Labels and annotations of the pods."),
              field("spec").doc("What the pods run."))

WEFT_DESCRIBE_KIND(Pod,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Pod",
                     .plural = "pods",
                     .singular = "pod",
                     .short_names = {"po"},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.core.v1.Pod",
                   "One or more containers that share a network namespace and live and die together.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("spec").doc("What shall run, and how."),
                   field("status").doc("What was seen of it last."))

}  // namespace weft::kube
