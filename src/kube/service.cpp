#include "kube/service.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(
    ServicePort, "io.k8s.api.core.v1.ServicePort", "A port that the Service listens on.",
    (name, protocol, appProtocol, port, targetPort, nodePort),
    field("name").doc("Name of the port; needed when there are several."),
    field("protocol")
        .one_of({"TCP", "UDP", "SCTP"})
        .fallback("TCP")
        .doc("TCP, UDP or SCTP; TCP when it is not given."),
    field("appProtocol").doc("What is spoken on the port, as a hint to proxies (kubernetes.io/h2c, https)."),
    field("port").required().keep_empty().doc("The number clients connect to."),
    field("targetPort").doc("Number or name of the port on the pods; the same as port when it is not given."),
    field("nodePort")
        .doc("The number on every node, for NodePort and LoadBalancer; chosen when it is not given."))

WEFT_DESCRIBE(ClientIPConfig, "io.k8s.api.core.v1.ClientIPConfig", "How long a client stays with its pod.",
              (timeoutSeconds),
              field("timeoutSeconds")
                  .doc("Seconds without a new connection after which the choice is forgotten; 10800 when it "
                       "is not given."))

WEFT_DESCRIBE(SessionAffinityConfig, "io.k8s.api.core.v1.SessionAffinityConfig",
              "Settings of session affinity.", (clientIP))

WEFT_DESCRIBE(
    ServiceSpec, "io.k8s.api.core.v1.ServiceSpec", "What a Service shall be.",
    (ports, selector, clusterIP, clusterIPs, type, externalIPs, sessionAffinity, loadBalancerIP,
     loadBalancerSourceRanges, externalName, externalTrafficPolicy, healthCheckNodePort,
     publishNotReadyAddresses, sessionAffinityConfig, ipFamilies, ipFamilyPolicy,
     allocateLoadBalancerNodePorts, loadBalancerClass, internalTrafficPolicy, trafficDistribution),
    field("ports").list_map({"port", "protocol"}).merge("port").doc("The ports that the Service listens on."),
    field("selector")
        .atomic()
        .doc("Labels of the pods that answer. Without it, somebody else keeps the EndpointSlices."),
    field("clusterIP")
        .doc("The first virtual address: chosen when it is not given, \"None\" for a headless Service."),
    field("clusterIPs").doc("The virtual addresses, at most one a family; the first is clusterIP."),
    field("type")
        .one_of({"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"})
        .fallback("ClusterIP")
        .doc("How far the Service can be reached: ClusterIP, NodePort, LoadBalancer; or ExternalName for a "
             "DNS alias."),
    field("externalIPs")
        .doc("Further addresses at which nodes accept the traffic; Kubernetes does not route them there."),
    field("sessionAffinity")
        .one_of({"ClientIP", "None"})
        .fallback("None")
        .doc("ClientIP keeps a client with the pod of its first connection; None does not."),
    field("loadBalancerIP")
        .doc("The address asked of the load balancer. Deprecated: it names one family only."),
    field("loadBalancerSourceRanges")
        .doc("Networks (CIDR) from which the load balancer address may be used."),
    field("externalName").doc("The name that DNS answers with a CNAME, for type ExternalName."),
    field("externalTrafficPolicy")
        .one_of({"Cluster", "Local"})
        .doc("Local sends outside traffic to pods of the receiving node alone and keeps the client address; "
             "Cluster spreads it."),
    field("healthCheckNodePort")
        .doc("Port of the nodes at which load balancers ask whether a local pod is ready."),
    field("publishNotReadyAddresses").doc("Pods count as ready for this Service from their start."),
    field("sessionAffinityConfig").doc("Settings of session affinity."),
    field("ipFamilies").doc("IPv4, IPv6 or both, in order of preference."),
    field("ipFamilyPolicy")
        .one_of({"SingleStack", "PreferDualStack", "RequireDualStack"})
        .doc("SingleStack, PreferDualStack or RequireDualStack."),
    field("allocateLoadBalancerNodePorts")
        .doc("Whether a LoadBalancer gets node ports; true when it is not given."),
    field("loadBalancerClass")
        .doc("Which load balancer implementation shall serve it; it cannot be changed later."),
    field("internalTrafficPolicy")
        .one_of({"Cluster", "Local"})
        .doc("Local sends traffic of pods and nodes to pods on the same node alone; Cluster to all."),
    field("trafficDistribution")
        .doc("Preference for near pods: PreferSameZone (PreferClose) or PreferSameNode."))

WEFT_DESCRIBE(PortStatus, "io.k8s.api.core.v1.PortStatus", "How a load balancer fared with one port.",
              (port, protocol, error), field("port").required().keep_empty(),
              field("protocol").required().keep_empty().one_of({"TCP", "UDP", "SCTP"}))

WEFT_DESCRIBE(
    LoadBalancerIngress, "io.k8s.api.core.v1.LoadBalancerIngress", "One way in through a load balancer.",
    (ip, hostname, ipMode, ports), field("ip").doc("Its address."),
    field("hostname").doc("Its name, for load balancers known by DNS."),
    field("ipMode").doc("VIP: traffic arrives with this destination; Proxy: it arrives at the node or pod."))

WEFT_DESCRIBE(LoadBalancerStatus, "io.k8s.api.core.v1.LoadBalancerStatus",
              "The ways in through load balancers.", (ingress),
              field("ingress").doc("Each address or name of the load balancer."))

WEFT_DESCRIBE(
    ServiceStatus, "io.k8s.api.core.v1.ServiceStatus", "What is known about a Service from outside.",
    (loadBalancer, conditions), field("loadBalancer").doc("The load balancer, if it has one."),
    field("conditions").list_map({"type"}).merge("type").doc("What is true of the Service right now."))

WEFT_DESCRIBE_KIND(Service,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Service",
                     .plural = "services",
                     .singular = "service",
                     .short_names = {"svc"},
                     .namespaced = true,
                     .categories = {"all"}}),
                   "io.k8s.api.core.v1.Service", "A stable name and address for a changing set of pods.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("spec").doc("What the Service shall be."),
                   field("status").doc("What load balancers have answered."))

WEFT_DESCRIBE(EndpointAddress, "io.k8s.api.core.v1.EndpointAddress", "One address behind a Service.",
              (ip, hostname, nodeName, targetRef), field("ip").required().keep_empty())

WEFT_DESCRIBE(EndpointsPort, "io.k8s.api.core.v1.EndpointPort", "One port of the addresses of a subset.",
              (name, port, protocol, appProtocol),
              field("name").fallback("").doc("The name of the Service port."),
              field("port").required().keep_empty().doc("The number at the endpoint."),
              field("protocol")
                  .one_of({"TCP", "UDP", "SCTP"})
                  .fallback("TCP")
                  .doc("TCP, UDP or SCTP; TCP when it is not given."),
              field("appProtocol").doc("What is spoken on the port."))

WEFT_DESCRIBE(EndpointSubset, "io.k8s.api.core.v1.EndpointSubset", "Addresses that share their ports.",
              (addresses, notReadyAddresses, ports))

WEFT_DESCRIBE_KIND(Endpoints,
                   ({.group = "",
                     .version = "v1",
                     .kind = "Endpoints",
                     .plural = "endpoints",
                     .singular = "endpoints",
                     .short_names = {"ep"},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.core.v1.Endpoints",
                   "The addresses behind a Service in the old form; EndpointSlice takes its place.",
                   (metadata, subsets),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE(EndpointConditions, "io.k8s.api.discovery.v1.EndpointConditions",
              "Whether an endpoint takes traffic.", (ready, serving, terminating),
              field("ready").doc("It takes new connections; absent counts as true."),
              field("serving").doc("Like ready, but without regard to termination."),
              field("terminating").doc("It is being shut down."))

WEFT_DESCRIBE(ForZone, "io.k8s.api.discovery.v1.ForZone", "A zone that should use an endpoint.", (name),
              field("name").required().keep_empty())

WEFT_DESCRIBE(ForNode, "io.k8s.api.discovery.v1.ForNode", "A node that should use an endpoint.", (name),
              field("name").required().keep_empty())

WEFT_DESCRIBE(EndpointHints, "io.k8s.api.discovery.v1.EndpointHints", "For whom an endpoint is meant.",
              (forZones, forNodes), field("forZones").doc("Zones that should use it."),
              field("forNodes").doc("Nodes that should use it."))

WEFT_DESCRIBE(
    Endpoint, "io.k8s.api.discovery.v1.Endpoint", "One backend: mostly a pod.",
    (addresses, conditions, hostname, targetRef, deprecatedTopology, nodeName, zone, hints),
    field("addresses").required().keep_empty().list_set().doc("Its address; consumers use the first."),
    field("conditions").doc("Whether it takes traffic."),
    field("hostname").doc("The name it has in DNS below a headless Service."),
    field("targetRef").doc("The object it stands for."),
    field("deprecatedTopology").doc("What v1beta1 called topology; read only."),
    field("nodeName").doc("The node it runs on."), field("zone").doc("The zone it runs in."),
    field("hints").doc("Who should use it."))

WEFT_DESCRIBE(EndpointPort, "io.k8s.api.discovery.v1.EndpointPort", "A port of the endpoints of a slice.",
              (name, protocol, port, appProtocol),
              field("name").fallback("").doc("The name of the Service port."),
              field("protocol")
                  .one_of({"TCP", "UDP", "SCTP"})
                  .fallback("TCP")
                  .doc("TCP, UDP or SCTP; TCP when it is not given."),
              field("port").doc("The number at the endpoint."),
              field("appProtocol").doc("What is spoken on the port."))

WEFT_DESCRIBE_KIND(
    EndpointSlice,
    ({.group = "discovery.k8s.io",
      .version = "v1",
      .kind = "EndpointSlice",
      .plural = "endpointslices",
      .singular = "endpointslice",
      .short_names = {},
      .namespaced = true,
      .categories = {}}),
    "io.k8s.api.discovery.v1.EndpointSlice",
    "A part of the addresses behind a Service: one family, one set of ports.",
    (metadata, addressType, endpoints, ports),
    field("metadata").doc("Its label kubernetes.io/service-name says which Service it belongs to."),
    field("addressType").required().keep_empty().doc("IPv4, IPv6 or FQDN; it cannot be changed later."),
    field("endpoints").keep_empty().doc("The endpoints, at most 1000."),
    field("ports").keep_empty().doc("The ports that each endpoint has; none means none."))

}  // namespace weft::kube
