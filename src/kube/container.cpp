#include "kube/container.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(ResourceClaim, "io.k8s.api.core.v1.ResourceClaim", "", (name, request),
              field("name").required().keep_empty())

WEFT_DESCRIBE(ResourceRequirements, "io.k8s.api.core.v1.ResourceRequirements", "", (limits, requests, claims),
              field("limits").quantity(), field("requests").quantity(), field("claims").list_map({"name"}))

WEFT_DESCRIBE(ContainerPort, "io.k8s.api.core.v1.ContainerPort", "A port that a container listens on.",
              (name, hostPort, containerPort, protocol, hostIP),
              field("name").doc("A name by which Services and probes can mean it."),
              field("hostPort").doc("A number of the node that leads to it."),
              field("containerPort").required().keep_empty().doc("Its number."),
              field("protocol")
                  .one_of({"TCP", "UDP", "SCTP"})
                  .fallback("TCP")
                  .doc("TCP, UDP or SCTP; TCP when it is not given."))

WEFT_DESCRIBE(ObjectFieldSelector, "io.k8s.api.core.v1.ObjectFieldSelector", "A field of the pod itself.",
              (apiVersion, fieldPath), field("apiVersion").fallback("v1"),
              field("fieldPath").required().keep_empty())

WEFT_DESCRIBE(ResourceFieldSelector, "io.k8s.api.core.v1.ResourceFieldSelector",
              "A request or limit of a container.", (containerName, resource, divisor),
              field("resource").required().keep_empty(), field("divisor").quantity())

WEFT_DESCRIBE(ConfigMapKeySelector, "io.k8s.api.core.v1.ConfigMapKeySelector", "A key of a ConfigMap.",
              (name, key, optional), field("name").fallback(""), field("key").required().keep_empty())

WEFT_DESCRIBE(SecretKeySelector, "io.k8s.api.core.v1.SecretKeySelector", "A key of a Secret.",
              (name, key, optional), field("name").fallback(""), field("key").required().keep_empty())

WEFT_DESCRIBE(FileKeySelector, "io.k8s.api.core.v1.FileKeySelector", "", (volumeName, path, key, optional),
              field("volumeName").required().keep_empty(), field("path").required().keep_empty(),
              field("key").required().keep_empty(), field("optional").fallback(false))

WEFT_DESCRIBE(EnvVarSource, "io.k8s.api.core.v1.EnvVarSource", "Where the value of a variable comes from.",
              (fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef))

WEFT_DESCRIBE(EnvVar, "io.k8s.api.core.v1.EnvVar", "A variable of the environment.", (name, value, valueFrom),
              field("name").required().keep_empty())

WEFT_DESCRIBE(ConfigMapEnvSource, "io.k8s.api.core.v1.ConfigMapEnvSource", "", (name, optional),
              field("name").fallback(""))

WEFT_DESCRIBE(SecretEnvSource, "io.k8s.api.core.v1.SecretEnvSource", "", (name, optional),
              field("name").fallback(""))

WEFT_DESCRIBE(EnvFromSource, "io.k8s.api.core.v1.EnvFromSource", "", (prefix, configMapRef, secretRef))

WEFT_DESCRIBE(HTTPHeader, "io.k8s.api.core.v1.HTTPHeader", "", (name, value),
              field("name").required().keep_empty(), field("value").required().keep_empty())

WEFT_DESCRIBE(HTTPGetAction, "io.k8s.api.core.v1.HTTPGetAction", "An HTTP GET; 200 to 399 is success.",
              (path, port, host, scheme, httpHeaders), field("path").fallback("/"),
              field("port").required().keep_empty(),
              field("scheme").one_of({"HTTP", "HTTPS"}).fallback("HTTP"))

WEFT_DESCRIBE(TCPSocketAction, "io.k8s.api.core.v1.TCPSocketAction",
              "A TCP connection that opens is success.", (port, host), field("port").required().keep_empty())

WEFT_DESCRIBE(ExecAction, "io.k8s.api.core.v1.ExecAction",
              "A command in the container; exit code 0 is success.", (command))

WEFT_DESCRIBE(GRPCAction, "io.k8s.api.core.v1.GRPCAction", "The gRPC health check.", (port, service),
              field("port").required().keep_empty(), field("service").fallback(""))

WEFT_DESCRIBE(SleepAction, "io.k8s.api.core.v1.SleepAction", "A pause.", (seconds),
              field("seconds").required().keep_empty())

WEFT_DESCRIBE(Probe, "io.k8s.api.core.v1.Probe", "A question to a container, asked again and again.",
              (exec, httpGet, tcpSocket, grpc, initialDelaySeconds, timeoutSeconds, periodSeconds,
               successThreshold, failureThreshold, terminationGracePeriodSeconds),
              field("initialDelaySeconds").doc("Seconds to wait after the start."),
              field("timeoutSeconds").fallback(1).doc("Seconds to wait for the answer."),
              field("periodSeconds").fallback(10).doc("Seconds from one question to the next."),
              field("successThreshold").fallback(1).doc("Successes in a row that count."),
              field("failureThreshold").fallback(3).doc("Failures in a row that count."))

WEFT_DESCRIBE(LifecycleHandler, "io.k8s.api.core.v1.LifecycleHandler", "", (exec, httpGet, tcpSocket, sleep))

WEFT_DESCRIBE(
    Lifecycle, "io.k8s.api.core.v1.Lifecycle", "", (postStart, preStop, stopSignal),
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

WEFT_DESCRIBE(Capabilities, "io.k8s.api.core.v1.Capabilities", "", (add, drop))

WEFT_DESCRIBE(SecurityContext, "io.k8s.api.core.v1.SecurityContext", "",
              (capabilities, privileged, seLinuxOptions, windowsOptions, runAsUser, runAsGroup, runAsNonRoot,
               readOnlyRootFilesystem, allowPrivilegeEscalation, procMount, seccompProfile, appArmorProfile),
              field("seLinuxOptions").shape("SELinuxOptions"),
              field("windowsOptions").shape("WindowsSecurityContextOptions"),
              field("procMount").one_of({"Default", "Unmasked"}),
              field("seccompProfile").shape("SeccompProfile"),
              field("appArmorProfile").shape("AppArmorProfile"))

WEFT_DESCRIBE(VolumeMount, "io.k8s.api.core.v1.VolumeMount", "",
              (name, readOnly, recursiveReadOnly, mountPath, subPath, mountPropagation, subPathExpr),
              field("name").required().keep_empty(), field("mountPath").required().keep_empty(),
              field("mountPropagation").one_of({"None", "HostToContainer", "Bidirectional"}))

WEFT_DESCRIBE(VolumeDevice, "io.k8s.api.core.v1.VolumeDevice", "", (name, devicePath),
              field("name").required().keep_empty(), field("devicePath").required().keep_empty())

WEFT_DESCRIBE(ContainerResizePolicy, "io.k8s.api.core.v1.ContainerResizePolicy", "",
              (resourceName, restartPolicy), field("resourceName").required().keep_empty(),
              field("restartPolicy").required().keep_empty())

WEFT_DESCRIBE(ContainerRestartRuleOnExitCodes, "io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes", "",
              (operator_, values), field("values").list_set())

WEFT_DESCRIBE(ContainerRestartRule, "io.k8s.api.core.v1.ContainerRestartRule", "", (action, exitCodes))

WEFT_DESCRIBE(Container, "io.k8s.api.core.v1.Container", "A process, or a few, from one image.",
              (name, image, command, args, workingDir, ports, envFrom, env, resources, resizePolicy,
               restartPolicy, restartPolicyRules, volumeMounts, volumeDevices, livenessProbe, readinessProbe,
               startupProbe, lifecycle, terminationMessagePath, terminationMessagePolicy, imagePullPolicy,
               securityContext, stdin, stdinOnce, tty),
              field("name").required().keep_empty().doc("Unique within the pod; a DNS label."),
              field("image").doc("What it is made of."),
              field("command").doc("What to run instead of the image's own entry point."),
              field("args").doc("Arguments of the command."),
              field("workingDir").doc("The folder it starts in."),
              field("ports")
                  .list_map({"containerPort", "protocol"})
                  .merge("containerPort")
                  .doc("Ports it listens on; their names can be used by Services."),
              field("envFrom").doc("ConfigMaps and Secrets whose keys become its environment."),
              field("env").list_map({"name"}).merge("name").doc("Its environment."),
              field("resources").doc("What it needs and what it may use."),
              field("restartPolicy").doc("Always makes an init container a sidecar."),
              field("volumeMounts")
                  .list_map({"mountPath"})
                  .merge("mountPath")
                  .doc("Where volumes appear in its file system."),
              field("volumeDevices").list_map({"devicePath"}).merge("devicePath"),
              field("livenessProbe").doc("It is started anew when this fails."),
              field("readinessProbe").doc("It takes traffic while this holds."),
              field("startupProbe").doc("The other probes wait until this has held once."),
              field("lifecycle").doc("What to do right after its start and before its end."),
              field("terminationMessagePath").fallback("/dev/termination-log"),
              field("terminationMessagePolicy").one_of({"File", "FallbackToLogsOnError"}).fallback("File"),
              field("imagePullPolicy").one_of({"Always", "Never", "IfNotPresent"}))

WEFT_DESCRIBE(EphemeralContainer, "io.k8s.api.core.v1.EphemeralContainer",
              "A container put into a running pod for debugging.",
              (name, image, command, args, workingDir, ports, envFrom, env, resources, resizePolicy,
               restartPolicy, restartPolicyRules, volumeMounts, volumeDevices, livenessProbe, readinessProbe,
               startupProbe, lifecycle, terminationMessagePath, terminationMessagePolicy, imagePullPolicy,
               securityContext, stdin, stdinOnce, tty, targetContainerName),
              field("name").required().keep_empty(),
              field("ports").list_map({"containerPort", "protocol"}).merge("containerPort"),
              field("env").list_map({"name"}).merge("name"),
              field("volumeMounts").list_map({"mountPath"}).merge("mountPath"),
              field("volumeDevices").list_map({"devicePath"}).merge("devicePath"),
              field("terminationMessagePath").fallback("/dev/termination-log"),
              field("terminationMessagePolicy").one_of({"File", "FallbackToLogsOnError"}).fallback("File"),
              field("imagePullPolicy").one_of({"Always", "Never", "IfNotPresent"}))

}  // namespace weft::kube
