#include "kube/networking.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(IPBlock, "io.k8s.api.networking.v1.IPBlock", "A network without some of its parts.",
              (cidr, except),
              field("cidr").required().keep_empty().doc("The network, such as 192.168.0.0/16."),
              field("except").doc("Networks inside cidr that are left out."))

WEFT_DESCRIBE(
    NetworkPolicyPeer, "io.k8s.api.networking.v1.NetworkPolicyPeer", "Whom a rule is about.",
    (podSelector, namespaceSelector, ipBlock),
    field("podSelector")
        .doc("Pods with these labels, in the policy's namespace unless namespaceSelector says otherwise."),
    field("namespaceSelector").doc("Namespaces with these labels; empty means all."),
    field("ipBlock").doc("Addresses; not together with the selectors."))

WEFT_DESCRIBE(NetworkPolicyPort, "io.k8s.api.networking.v1.NetworkPolicyPort", "A port, or a range of ports.",
              (protocol, port, endPort),
              field("protocol")
                  .one_of({"TCP", "UDP", "SCTP"})
                  .fallback("TCP")
                  .doc("TCP, UDP or SCTP; TCP when it is not given."),
              field("port").doc("Number or name; all when it is not given."),
              field("endPort").doc("The last of a range that starts at port."))

WEFT_DESCRIBE(NetworkPolicyIngressRule, "io.k8s.api.networking.v1.NetworkPolicyIngressRule",
              "Connections that may come in: from any of the peers to any of the ports.", (ports, from),
              field("ports").doc("To which ports; none given means all."),
              field("from").doc("From whom; none given means anyone."))

WEFT_DESCRIBE(NetworkPolicyEgressRule, "io.k8s.api.networking.v1.NetworkPolicyEgressRule",
              "Connections that may go out: to any of the peers at any of the ports.", (ports, to),
              field("ports").doc("To which ports; none given means all."),
              field("to").doc("To whom; none given means anyone."))

WEFT_DESCRIBE(
    NetworkPolicySpec, "io.k8s.api.networking.v1.NetworkPolicySpec", "The rules of a NetworkPolicy.",
    (podSelector, ingress, egress, policyTypes),
    field("podSelector").keep_empty().doc("The pods of the namespace it is about; empty means all."),
    field("ingress").doc("What may come in; an empty list lets nothing in."),
    field("egress").doc("What may go out; an empty list lets nothing out."),
    field("policyTypes")
        .doc("Which directions it restricts; when it is not given, Ingress, and Egress if there are egress "
             "rules."))

WEFT_DESCRIBE_KIND(NetworkPolicy,
                   ({.group = "networking.k8s.io",
                     .version = "v1",
                     .kind = "NetworkPolicy",
                     .plural = "networkpolicies",
                     .singular = "networkpolicy",
                     .short_names = {"netpol"},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.networking.v1.NetworkPolicy",
                   "Which connections the pods it selects accept and make; a pod selected by none is open.",
                   (metadata, spec),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("spec").doc("The rules."))

WEFT_DESCRIBE(ServiceBackendPort, "io.k8s.api.networking.v1.ServiceBackendPort",
              "A port by name or by number.", (name, number))

WEFT_DESCRIBE(IngressServiceBackend, "io.k8s.api.networking.v1.IngressServiceBackend", "A port of a Service.",
              (name, port), field("name").required().keep_empty())

WEFT_DESCRIBE(IngressBackend, "io.k8s.api.networking.v1.IngressBackend",
              "Where requests go: a Service, or another object.", (service, resource),
              field("service").doc("A port of a Service in the same namespace."),
              field("resource").doc("Another object in the same namespace."))

WEFT_DESCRIBE(HTTPIngressPath, "io.k8s.api.networking.v1.HTTPIngressPath", "A path and where it leads.",
              (path, pathType, backend), field("path").doc("The path, from \"/\" on."),
              field("pathType").required().doc("Exact, Prefix (whole elements) or ImplementationSpecific."),
              field("backend").required().keep_empty().doc("Where requests go."))

WEFT_DESCRIBE(HTTPIngressRuleValue, "io.k8s.api.networking.v1.HTTPIngressRuleValue", "Routes by path.",
              (paths), field("paths").required().keep_empty().doc("The paths."))

WEFT_DESCRIBE(
    IngressRule, "io.k8s.api.networking.v1.IngressRule", "The routes of one host.", (host, http),
    field("host").doc("The host, or *.NAME for any one label before it; all hosts when it is not given."),
    field("http").doc("Routes by path."))

WEFT_DESCRIBE(IngressTLS, "io.k8s.api.networking.v1.IngressTLS", "A certificate and its hosts.",
              (hosts, secretName), field("hosts").doc("Hosts the certificate is for."),
              field("secretName").doc("The Secret that holds the certificate and its key."))

WEFT_DESCRIBE(
    IngressSpec, "io.k8s.api.networking.v1.IngressSpec", "The rules of an Ingress.",
    (ingressClassName, defaultBackend, tls, rules),
    field("ingressClassName").doc("Which controller serves it; the default class when it is not given."),
    field("defaultBackend").doc("Where requests go that no rule matches."),
    field("tls").doc("Certificates by host."), field("rules").doc("Routes by host."))

WEFT_DESCRIBE(IngressPortStatus, "io.k8s.api.networking.v1.IngressPortStatus", "", (port, protocol, error),
              field("port").required().keep_empty(),
              field("protocol").required().keep_empty().one_of({"TCP", "UDP", "SCTP"}))

WEFT_DESCRIBE(IngressLoadBalancerIngress, "io.k8s.api.networking.v1.IngressLoadBalancerIngress", "",
              (ip, hostname, ports))

WEFT_DESCRIBE(IngressLoadBalancerStatus, "io.k8s.api.networking.v1.IngressLoadBalancerStatus", "", (ingress))

WEFT_DESCRIBE(IngressStatus, "io.k8s.api.networking.v1.IngressStatus", "", (loadBalancer))

WEFT_DESCRIBE_KIND(Ingress,
                   ({.group = "networking.k8s.io",
                     .version = "v1",
                     .kind = "Ingress",
                     .plural = "ingresses",
                     .singular = "ingress",
                     .short_names = {"ing"},
                     .namespaced = true,
                     .categories = {}}),
                   "io.k8s.api.networking.v1.Ingress",
                   "Routes HTTP from outside to Services by host and path.", (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."),
                   field("spec").doc("The rules."), field("status").doc("Where it can be reached."))

WEFT_DESCRIBE(IngressClassParametersReference, "io.k8s.api.networking.v1.IngressClassParametersReference", "",
              (apiGroup, kind, name, scope, namespace_), field("kind").required().keep_empty(),
              field("name").required().keep_empty())

WEFT_DESCRIBE(IngressClassSpec, "io.k8s.api.networking.v1.IngressClassSpec", "", (controller, parameters))

WEFT_DESCRIBE_KIND(IngressClass,
                   ({.group = "networking.k8s.io",
                     .version = "v1",
                     .kind = "IngressClass",
                     .plural = "ingressclasses",
                     .singular = "ingressclass",
                     .short_names = {},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.api.networking.v1.IngressClass",
                   "Which controller serves the Ingresses that name it.", (metadata, spec),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE(ParentReference, "io.k8s.api.networking.v1.ParentReference", "",
              (group, resource, namespace_, name))

WEFT_DESCRIBE(IPAddressSpec, "io.k8s.api.networking.v1.IPAddressSpec", "", (parentRef))

WEFT_DESCRIBE_KIND(IPAddress,
                   ({.group = "networking.k8s.io",
                     .version = "v1",
                     .kind = "IPAddress",
                     .plural = "ipaddresses",
                     .singular = "ipaddress",
                     .short_names = {"ip"},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.api.networking.v1.IPAddress",
                   "An address that a Service has taken; made by the API server.", (metadata, spec),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

WEFT_DESCRIBE(ServiceCIDRSpec, "io.k8s.api.networking.v1.ServiceCIDRSpec", "", (cidrs))

WEFT_DESCRIBE(ServiceCIDRStatus, "io.k8s.api.networking.v1.ServiceCIDRStatus", "", (conditions),
              field("conditions").list_map({"type"}).merge("type"))

WEFT_DESCRIBE_KIND(ServiceCIDR,
                   ({.group = "networking.k8s.io",
                     .version = "v1",
                     .kind = "ServiceCIDR",
                     .plural = "servicecidrs",
                     .singular = "servicecidr",
                     .short_names = {},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.api.networking.v1.ServiceCIDR", "A network that addresses of Services come from.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, namespace, labels and the rest that every object has."))

}  // namespace weft::kube
