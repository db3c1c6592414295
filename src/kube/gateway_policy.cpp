#include "kube/gateway_policy.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(ReferenceGrantFrom, "io.k8s.networking.gateway.v1.ReferenceGrantFrom", "Who may refer.",
              (group, kind, namespace_), field("group").required().keep_empty().doc("API group."),
              field("kind").required().keep_empty().doc("Kind."),
              field("namespace").required().keep_empty().doc("Namespace."))

WEFT_DESCRIBE(ReferenceGrantTo, "io.k8s.networking.gateway.v1.ReferenceGrantTo", "What may be referred to.",
              (group, kind, name), field("group").required().keep_empty().doc("API group."),
              field("kind").required().keep_empty().doc("Kind."),
              field("name").doc("One object; all when it is not given."))

WEFT_DESCRIBE(ReferenceGrantSpec, "io.k8s.networking.gateway.v1.ReferenceGrantSpec", "Who may refer to what.",
              (from, to), field("from").required().keep_empty().doc("Who may refer."),
              field("to").required().keep_empty().doc("What to."))

WEFT_DESCRIBE_KIND(ReferenceGrant,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "ReferenceGrant",
                     .plural = "referencegrants",
                     .singular = "referencegrant",
                     .short_names = {"refgrant"},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.ReferenceGrant",
                   "Lets objects of other namespaces refer to some of its own.", (metadata, spec),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Who may refer to what."))

WEFT_DESCRIBE(PolicyTargetReference, "io.k8s.networking.gateway.v1.LocalPolicyTargetReferenceWithSectionName",
              "A Service, or one of its ports.", (group, kind, name, sectionName),
              field("group").required().keep_empty().doc("API group."),
              field("kind").required().keep_empty().doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("sectionName").doc("The name of a port."))

WEFT_DESCRIBE(SubjectAltName, "io.k8s.networking.gateway.v1.SubjectAltName", "A name that a certificate has.",
              (type, hostname, uri),
              field("type").required().keep_empty().one_of({"Hostname", "URI"}).doc("Hostname or URI."),
              field("hostname").doc("A host, or *.NAME."), field("uri").doc("A URI."))

WEFT_DESCRIBE(
    BackendTLSPolicyValidation, "io.k8s.networking.gateway.v1.BackendTLSPolicyValidation",
    "How certificates of backends are checked.",
    (caCertificateRefs, wellKnownCACertificates, hostname, subjectAltNames),
    field("caCertificateRefs").doc("Who has to have signed them."),
    field("wellKnownCACertificates").doc("System: whom the system trusts."),
    field("hostname").required().keep_empty().doc("The server name, which the certificate has to have too."),
    field("subjectAltNames").doc("Names of which the certificate has to have one instead."))

WEFT_DESCRIBE(BackendTLSPolicySpec, "io.k8s.networking.gateway.v1.BackendTLSPolicySpec",
              "Services, and how their certificates are checked.", (targetRefs, validation, options),
              field("targetRefs").required().keep_empty().doc("The Services."),
              field("validation").required().keep_empty().doc("How certificates are checked."),
              field("options").doc("Options of the controller's own."))

WEFT_DESCRIBE(PolicyAncestorStatus, "io.k8s.networking.gateway.v1.PolicyAncestorStatus",
              "What one controller says of a policy at one Gateway.",
              (ancestorRef, controllerName, conditions),
              field("ancestorRef").required().keep_empty().doc("The Gateway."),
              field("controllerName").required().keep_empty().doc("The controller."),
              field("conditions").list_map({"type"}).merge("type").doc("By type."))

WEFT_DESCRIBE(PolicyStatus, "io.k8s.networking.gateway.v1.PolicyStatus", "How a policy is doing.",
              (ancestors), field("ancestors").required().keep_empty().doc("By Gateway and controller."))

WEFT_DESCRIBE_KIND(
    BackendTLSPolicy,
    ({.group = "gateway.networking.k8s.io",
      .version = "v1",
      .kind = "BackendTLSPolicy",
      .plural = "backendtlspolicies",
      .singular = "backendtlspolicy",
      .short_names = {"btlspolicy"},
      .namespaced = true,
      .categories = {"gateway-api"}}),
    "io.k8s.networking.gateway.v1.BackendTLSPolicy", "TLS from Gateways to a Service.",
    (metadata, spec, status), field("metadata").doc("Name, labels and the rest that every object has."),
    field("spec").required().keep_empty().doc("Services, and how their certificates are checked."),
    field("status").doc("What controllers make of it."))

}  // namespace weft::kube
