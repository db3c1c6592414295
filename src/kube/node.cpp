#include "kube/node.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(Taint, "io.k8s.api.core.v1.Taint", "Keeps pods away that do not tolerate it.",
              (key, value, effect, timeAdded), field("key").required().keep_empty(),
              field("effect").required().keep_empty().one_of({"NoSchedule", "PreferNoSchedule", "NoExecute"}),
              field("timeAdded").time())

WEFT_DESCRIBE(NodeSpec, "io.k8s.api.core.v1.NodeSpec", "",
              (podCIDR, podCIDRs, providerID, unschedulable, taints, configSource, externalID),
              field("podCIDRs")
                  .list_set()
                  .merge("")
                  .doc("Networks that the addresses of its pods come from, at most one a family."),
              field("configSource").shape("NodeConfigSource"))

WEFT_DESCRIBE(NodeCondition, "io.k8s.api.core.v1.NodeCondition", "",
              (type, status, lastHeartbeatTime, lastTransitionTime, reason, message),
              field("type").required().keep_empty(), field("status").required().keep_empty(),
              field("lastHeartbeatTime").time(), field("lastTransitionTime").time())

WEFT_DESCRIBE(NodeAddress, "io.k8s.api.core.v1.NodeAddress", "", (type, address),
              field("type").required().keep_empty(), field("address").required().keep_empty())

WEFT_DESCRIBE(NodeSystemInfo, "io.k8s.api.core.v1.NodeSystemInfo", "",
              (machineID, systemUUID, bootID, kernelVersion, osImage, containerRuntimeVersion, kubeletVersion,
               kubeProxyVersion, operatingSystem, architecture, swap),
              field("machineID").required().keep_empty(), field("systemUUID").required().keep_empty(),
              field("bootID").required().keep_empty(), field("kernelVersion").required().keep_empty(),
              field("osImage").required().keep_empty(),
              field("containerRuntimeVersion").required().keep_empty(),
              field("kubeletVersion").required().keep_empty(),
              field("kubeProxyVersion").required().keep_empty(),
              field("operatingSystem").required().keep_empty(), field("architecture").required().keep_empty(),
              field("swap").shape("NodeSwapStatus"))

WEFT_DESCRIBE(DaemonEndpoint, "io.k8s.api.core.v1.DaemonEndpoint", "", (Port),
              field("Port").required().keep_empty())

WEFT_DESCRIBE(NodeDaemonEndpoints, "io.k8s.api.core.v1.NodeDaemonEndpoints", "", (kubeletEndpoint))

WEFT_DESCRIBE(NodeStatus, "io.k8s.api.core.v1.NodeStatus", "",
              (capacity, allocatable, phase, conditions, addresses, daemonEndpoints, nodeInfo, images,
               volumesInUse, volumesAttached, config, runtimeHandlers, features, declaredFeatures),
              field("capacity").quantity(), field("allocatable").quantity(),
              field("phase").one_of({"Pending", "Running", "Terminated"}),
              field("conditions").list_map({"type"}).merge("type"),
              field("addresses").list_map({"type"}).merge("type"), field("images").shape("ContainerImage"),
              field("volumesAttached").shape("AttachedVolume"), field("config").shape("NodeConfigStatus"),
              field("runtimeHandlers").shape("NodeRuntimeHandler"), field("features").shape("NodeFeatures"))

WEFT_DESCRIBE_KIND(Node,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Node",
                     .plural = "nodes",
                     .singular = "node",
                     .short_names = {"no"},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.api.core.v1.Node", "A machine that runs pods.", (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("spec").doc("What the node shall be."),
                   field("status").doc("What the node says of itself."))

}  // namespace weft::kube
