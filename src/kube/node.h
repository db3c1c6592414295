#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kube/meta.h"
#include "kube/reference.h"

/// Node (core/v1).
namespace weft::kube {

/// Keeps pods away that do not tolerate it.
struct Taint : Described {
  std::string key;
  std::string value;
  std::string effect;  ///< NoSchedule, PreferNoSchedule, NoExecute
  std::optional<Time> timeAdded;
  bool operator==(const Taint&) const = default;
};

struct NodeSpec : Described {
  std::string podCIDR;
  std::vector<std::string> podCIDRs;
  std::string providerID;
  bool unschedulable = false;
  std::vector<Taint> taints;
  json::value configSource;  ///< a NodeConfigSource
  std::string externalID;
  bool operator==(const NodeSpec&) const = default;
};

struct NodeCondition : Described {
  std::string type;  ///< Ready, …
  std::string status;
  Time lastHeartbeatTime;
  Time lastTransitionTime;
  std::string reason;
  std::string message;
  bool operator==(const NodeCondition&) const = default;
};

struct NodeAddress : Described {
  std::string type;
  std::string address;
  bool operator==(const NodeAddress&) const = default;
};

struct NodeSystemInfo : Described {
  std::string machineID;
  std::string systemUUID;
  std::string bootID;
  std::string kernelVersion;
  std::string osImage;
  std::string containerRuntimeVersion;
  std::string kubeletVersion;
  std::string kubeProxyVersion;
  std::string operatingSystem;
  std::string architecture;
  json::value swap;  ///< a NodeSwapStatus
  bool operator==(const NodeSystemInfo&) const = default;
};

struct DaemonEndpoint : Described {
  int32_t Port = 0;
  bool operator==(const DaemonEndpoint&) const = default;
};

struct NodeDaemonEndpoints : Described {
  DaemonEndpoint kubeletEndpoint;
  bool operator==(const NodeDaemonEndpoints&) const = default;
};

struct NodeStatus : Described {
  StringMap capacity;     ///< quantities
  StringMap allocatable;  ///< quantities
  std::string phase;      ///< Pending, Running, Terminated
  std::vector<NodeCondition> conditions;
  std::vector<NodeAddress> addresses;
  NodeDaemonEndpoints daemonEndpoints;
  NodeSystemInfo nodeInfo;
  std::vector<json::value> images;  ///< each a ContainerImage
  std::vector<std::string> volumesInUse;
  std::vector<json::value> volumesAttached;  ///< each a AttachedVolume
  json::value config;                        ///< a NodeConfigStatus
  std::vector<json::value> runtimeHandlers;  ///< each a NodeRuntimeHandler
  json::value features;                      ///< a NodeFeatures
  std::vector<std::string> declaredFeatures;
  bool operator==(const NodeStatus&) const = default;
};

/// A machine that runs pods.
struct Node : Described {
  ObjectMeta metadata;
  NodeSpec spec;
  NodeStatus status;
  bool operator==(const Node&) const = default;
};

}  // namespace weft::kube
