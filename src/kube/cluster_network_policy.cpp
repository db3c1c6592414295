#include "kube/cluster_network_policy.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(NamespacedPod, "io.k8s.networking.policy.v1alpha2.NamespacedPod",
              "Pods with some labels in namespaces with some.", (namespaceSelector, podSelector),
              field("namespaceSelector").keep_empty().doc("Labels of the namespaces; empty means all."),
              field("podSelector").required().keep_empty().doc("Labels of the pods; empty means all."))

WEFT_DESCRIBE(ClusterNetworkPolicySubject, "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicySubject",
              "The pods that a policy is about; exactly one field is set.", (namespaces, pods),
              field("namespaces").doc("All pods of the namespaces with these labels."),
              field("pods").doc("Pods by their namespace's labels and their own."))

WEFT_DESCRIBE(PortRange, "io.k8s.networking.policy.v1alpha2.PortRange", "Ports from start to end, inclusive.",
              (start, end), field("start").required().keep_empty().doc("The first."),
              field("end").required().keep_empty().doc("The last."))

WEFT_DESCRIBE(Port, "io.k8s.networking.policy.v1alpha2.Port",
              "A port or a range of ports; exactly one field is set.", (number, range),
              field("number").doc("One port."), field("range").doc("Several."))

WEFT_DESCRIBE(ClusterNetworkPolicyProtocolTCP,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyProtocolTCP", "What is matched of TCP.",
              (destinationPort), field("destinationPort").doc("Ports that connections are made to."))

WEFT_DESCRIBE(ClusterNetworkPolicyProtocolUDP,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyProtocolUDP", "What is matched of UDP.",
              (destinationPort), field("destinationPort").doc("Ports that datagrams are sent to."))

WEFT_DESCRIBE(ClusterNetworkPolicyProtocolSCTP,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyProtocolSCTP",
              "What is matched of SCTP.", (destinationPort),
              field("destinationPort").doc("Ports that associations are made to."))

WEFT_DESCRIBE(ClusterNetworkPolicyProtocol, "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyProtocol",
              "What is matched of a protocol; exactly one field is set.",
              (tcp, udp, sctp, destinationNamedPort), field("tcp").doc("TCP."), field("udp").doc("UDP."),
              field("sctp").doc("SCTP."),
              field("destinationNamedPort").doc("A port by the name that the pod's container gives it."))

WEFT_DESCRIBE(ClusterNetworkPolicyIngressPeer,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyIngressPeer",
              "Whom a rule is about; exactly one field is set.", (namespaces, pods),
              field("namespaces").doc("All pods of the namespaces with these labels."),
              field("pods").doc("Pods by their namespace's labels and their own."))

WEFT_DESCRIBE(ClusterNetworkPolicyEgressPeer,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyEgressPeer",
              "Whom a rule is about; exactly one field is set.",
              (namespaces, pods, nodes, networks, domainNames),
              field("namespaces").doc("All pods of the namespaces with these labels."),
              field("pods").doc("Pods by their namespace's labels and their own."),
              field("nodes").doc("Addresses of the nodes with these labels; empty means all."),
              field("networks").list_set().doc("Networks, such as 192.168.0.0/16; pods in them count too."),
              field("domainNames")
                  .list_set()
                  .doc("Names, such as a.example or *.example; in rules with action Accept."))

WEFT_DESCRIBE(ClusterNetworkPolicyIngressRule,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyIngressRule",
              "What happens to connections from any of the peers to any of the ports.",
              (name, action, from, protocols), field("name").doc("For people and messages."),
              field("action")
                  .required()
                  .keep_empty()
                  .one_of({"Accept", "Deny", "Pass"})
                  .doc("Accept and Deny decide; Pass goes on to the next tier."),
              field("from").required().keep_empty().doc("From whom."),
              field("protocols").doc("To which ports; none given means all."))

WEFT_DESCRIBE(ClusterNetworkPolicyEgressRule,
              "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyEgressRule",
              "What happens to connections to any of the peers at any of the ports.",
              (name, action, to, protocols), field("name").doc("For people and messages."),
              field("action")
                  .required()
                  .keep_empty()
                  .one_of({"Accept", "Deny", "Pass"})
                  .doc("Accept and Deny decide; Pass goes on to the next tier."),
              field("to").required().keep_empty().doc("To whom."),
              field("protocols").doc("To which ports; none given means all."))

WEFT_DESCRIBE(
    ClusterNetworkPolicySpec, "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicySpec",
    "Which pods, and what happens to their connections.", (tier, priority, subject, ingress, egress),
    field("tier")
        .required()
        .keep_empty()
        .one_of({"Admin", "Baseline"})
        .doc("Admin: asked before NetworkPolicies; Baseline: for pods and directions without one."),
    field("priority").required().keep_empty().doc("0 to 1000; within a tier the lower is asked first."),
    field("subject").required().keep_empty().doc("The pods it is about."),
    field("ingress").doc("Rules for what comes in; the first that matches counts."),
    field("egress").doc("Rules for what goes out; the first that matches counts."))

WEFT_DESCRIBE(ClusterNetworkPolicyStatus, "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicyStatus",
              "How the policy is doing.", (conditions),
              field("conditions").required().list_map({"type"}).merge("type").doc("By type."))

WEFT_DESCRIBE_KIND(ClusterNetworkPolicy,
                   ({.group = "policy.networking.k8s.io",
                     .version = "v1alpha2",
                     .kind = "ClusterNetworkPolicy",
                     .plural = "clusternetworkpolicies",
                     .singular = "clusternetworkpolicy",
                     .short_names = {"cnp"},
                     .namespaced = false,
                     .categories = {}}),
                   "io.k8s.networking.policy.v1alpha2.ClusterNetworkPolicy",
                   "Rules of the cluster's administrator, before and after NetworkPolicies.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().doc("Which pods, and what happens to their connections."),
                   field("status").doc("How the policy is doing."))

}  // namespace weft::kube
