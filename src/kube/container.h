#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/reference.h"

/// A container of a pod and its parts (core/v1): environment, ports, probes, lifecycle, mounts.
namespace weft::kube {

struct ResourceClaim : Described {
  std::string name;
  std::string request;
  bool operator==(const ResourceClaim&) const = default;
};

struct ResourceRequirements : Described {
  StringMap limits;    ///< quantities
  StringMap requests;  ///< quantities
  std::vector<ResourceClaim> claims;
  bool operator==(const ResourceRequirements&) const = default;
};

/// A port that a container listens on.
struct ContainerPort : Described {
  std::string name;
  int32_t hostPort = 0;
  int32_t containerPort = 0;
  std::string protocol;  ///< TCP, UDP, SCTP
  std::string hostIP;
  bool operator==(const ContainerPort&) const = default;
};

/// A field of the pod itself.
struct ObjectFieldSelector : Described {
  std::string apiVersion;
  std::string fieldPath;
  bool operator==(const ObjectFieldSelector&) const = default;
};

/// A request or limit of a container.
struct ResourceFieldSelector : Described {
  std::string containerName;
  std::string resource;
  Quantity divisor;
  bool operator==(const ResourceFieldSelector&) const = default;
};

/// A key of a ConfigMap.
struct ConfigMapKeySelector : Described {
  std::string name;
  std::string key;
  std::optional<bool> optional;
  bool operator==(const ConfigMapKeySelector&) const = default;
};

/// A key of a Secret.
struct SecretKeySelector : Described {
  std::string name;
  std::string key;
  std::optional<bool> optional;
  bool operator==(const SecretKeySelector&) const = default;
};

struct FileKeySelector : Described {
  std::string volumeName;
  std::string path;
  std::string key;
  std::optional<bool> optional;
  bool operator==(const FileKeySelector&) const = default;
};

/// Where the value of a variable comes from.
struct EnvVarSource : Described {
  std::optional<ObjectFieldSelector> fieldRef;
  std::optional<ResourceFieldSelector> resourceFieldRef;
  std::optional<ConfigMapKeySelector> configMapKeyRef;
  std::optional<SecretKeySelector> secretKeyRef;
  std::optional<FileKeySelector> fileKeyRef;
  bool operator==(const EnvVarSource&) const = default;
};

/// A variable of the environment.
struct EnvVar : Described {
  std::string name;
  std::string value;
  std::optional<EnvVarSource> valueFrom;
  bool operator==(const EnvVar&) const = default;
};

struct ConfigMapEnvSource : Described {
  std::string name;
  std::optional<bool> optional;
  bool operator==(const ConfigMapEnvSource&) const = default;
};

struct SecretEnvSource : Described {
  std::string name;
  std::optional<bool> optional;
  bool operator==(const SecretEnvSource&) const = default;
};

struct EnvFromSource : Described {
  std::string prefix;
  std::optional<ConfigMapEnvSource> configMapRef;
  std::optional<SecretEnvSource> secretRef;
  bool operator==(const EnvFromSource&) const = default;
};

struct HTTPHeader : Described {
  std::string name;
  std::string value;
  bool operator==(const HTTPHeader&) const = default;
};

/// An HTTP GET; 200 to 399 is success.
struct HTTPGetAction : Described {
  std::string path;
  IntOrString port;
  std::string host;
  std::string scheme;  ///< HTTP, HTTPS
  std::vector<HTTPHeader> httpHeaders;
  bool operator==(const HTTPGetAction&) const = default;
};

/// A TCP connection that opens is success.
struct TCPSocketAction : Described {
  IntOrString port;
  std::string host;
  bool operator==(const TCPSocketAction&) const = default;
};

/// A command in the container; exit code 0 is success.
struct ExecAction : Described {
  std::vector<std::string> command;
  bool operator==(const ExecAction&) const = default;
};

/// The gRPC health check.
struct GRPCAction : Described {
  int32_t port = 0;
  std::optional<std::string> service;
  bool operator==(const GRPCAction&) const = default;
};

/// A pause.
struct SleepAction : Described {
  int64_t seconds = 0;
  bool operator==(const SleepAction&) const = default;
};

/// A question to a container, asked again and again.
struct Probe : Described {
  std::optional<ExecAction> exec;
  std::optional<HTTPGetAction> httpGet;
  std::optional<TCPSocketAction> tcpSocket;
  std::optional<GRPCAction> grpc;
  int32_t initialDelaySeconds = 0;
  int32_t timeoutSeconds = 0;
  int32_t periodSeconds = 0;
  int32_t successThreshold = 0;
  int32_t failureThreshold = 0;
  std::optional<int64_t> terminationGracePeriodSeconds;
  bool operator==(const Probe&) const = default;
};

struct LifecycleHandler : Described {
  std::optional<ExecAction> exec;
  std::optional<HTTPGetAction> httpGet;
  std::optional<TCPSocketAction> tcpSocket;
  std::optional<SleepAction> sleep;
  bool operator==(const LifecycleHandler&) const = default;
};

struct Lifecycle : Described {
  std::optional<LifecycleHandler> postStart;
  std::optional<LifecycleHandler> preStop;
  std::optional<std::string> stopSignal;
  bool operator==(const Lifecycle&) const = default;
};

struct Capabilities : Described {
  std::vector<std::string> add;
  std::vector<std::string> drop;
  bool operator==(const Capabilities&) const = default;
};

struct SecurityContext : Described {
  std::optional<Capabilities> capabilities;
  std::optional<bool> privileged;
  json::value seLinuxOptions;  ///< a SELinuxOptions
  json::value windowsOptions;  ///< a WindowsSecurityContextOptions
  std::optional<int64_t> runAsUser;
  std::optional<int64_t> runAsGroup;
  std::optional<bool> runAsNonRoot;
  std::optional<bool> readOnlyRootFilesystem;
  std::optional<bool> allowPrivilegeEscalation;
  std::optional<std::string> procMount;  ///< Default, Unmasked
  json::value seccompProfile;            ///< a SeccompProfile
  json::value appArmorProfile;           ///< a AppArmorProfile
  bool operator==(const SecurityContext&) const = default;
};

struct VolumeMount : Described {
  std::string name;
  bool readOnly = false;
  std::optional<std::string> recursiveReadOnly;
  std::string mountPath;
  std::string subPath;
  std::optional<std::string> mountPropagation;  ///< None, HostToContainer, Bidirectional
  std::string subPathExpr;
  bool operator==(const VolumeMount&) const = default;
};

struct VolumeDevice : Described {
  std::string name;
  std::string devicePath;
  bool operator==(const VolumeDevice&) const = default;
};

struct ContainerResizePolicy : Described {
  std::string resourceName;
  std::string restartPolicy;
  bool operator==(const ContainerResizePolicy&) const = default;
};

struct ContainerRestartRuleOnExitCodes : Described {
  std::string operator_;
  std::vector<int32_t> values;
  bool operator==(const ContainerRestartRuleOnExitCodes&) const = default;
};

struct ContainerRestartRule : Described {
  std::string action;
  std::optional<ContainerRestartRuleOnExitCodes> exitCodes;
  bool operator==(const ContainerRestartRule&) const = default;
};

/// A process, or a few, from one image.
struct Container : Described {
  std::string name;
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string workingDir;
  std::vector<ContainerPort> ports;
  std::vector<EnvFromSource> envFrom;
  std::vector<EnvVar> env;
  ResourceRequirements resources;
  std::vector<ContainerResizePolicy> resizePolicy;
  std::optional<std::string> restartPolicy;  ///< Always: an init container that stays (sidecar)
  std::vector<ContainerRestartRule> restartPolicyRules;
  std::vector<VolumeMount> volumeMounts;
  std::vector<VolumeDevice> volumeDevices;
  std::optional<Probe> livenessProbe;
  std::optional<Probe> readinessProbe;
  std::optional<Probe> startupProbe;
  std::optional<Lifecycle> lifecycle;
  std::string terminationMessagePath;
  std::string terminationMessagePolicy;  ///< File, FallbackToLogsOnError
  std::string imagePullPolicy;           ///< Always, Never, IfNotPresent
  std::optional<SecurityContext> securityContext;
  bool stdin = false;
  bool stdinOnce = false;
  bool tty = false;
  bool operator==(const Container&) const = default;
};

/// A container put into a running pod for debugging.
struct EphemeralContainer : Described {
  std::string name;
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string workingDir;
  std::vector<ContainerPort> ports;
  std::vector<EnvFromSource> envFrom;
  std::vector<EnvVar> env;
  ResourceRequirements resources;
  std::vector<ContainerResizePolicy> resizePolicy;
  std::optional<std::string> restartPolicy;
  std::vector<ContainerRestartRule> restartPolicyRules;
  std::vector<VolumeMount> volumeMounts;
  std::vector<VolumeDevice> volumeDevices;
  std::optional<Probe> livenessProbe;
  std::optional<Probe> readinessProbe;
  std::optional<Probe> startupProbe;
  std::optional<Lifecycle> lifecycle;
  std::string terminationMessagePath;
  std::string terminationMessagePolicy;  ///< File, FallbackToLogsOnError
  std::string imagePullPolicy;           ///< Always, Never, IfNotPresent
  std::optional<SecurityContext> securityContext;
  bool stdin = false;
  bool stdinOnce = false;
  bool tty = false;
  std::string targetContainerName;
  bool operator==(const EphemeralContainer&) const = default;
};

}  // namespace weft::kube
