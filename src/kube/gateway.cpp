#include "kube/gateway.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(RouteParentReference, "io.k8s.networking.gateway.v1.ParentReference",
              "A Gateway, ListenerSet or Service that a route is for.",
              (group, kind, namespace_, name, sectionName, port),
              field("group").fallback("gateway.networking.k8s.io").doc("API group of the parent."),
              field("kind").fallback("Gateway").doc("Kind of the parent."),
              field("namespace").doc("Namespace of the parent; that of the route when it is not given."),
              field("name").required().keep_empty().doc("Name of the parent."),
              field("sectionName").doc("One listener of the parent."),
              field("port").doc("Listeners with this port."))

WEFT_DESCRIBE(SecretObjectReference, "io.k8s.networking.gateway.v1.SecretObjectReference",
              "A Secret, or another object that holds a certificate.", (group, kind, name, namespace_),
              field("group").fallback("").doc("API group."), field("kind").fallback("Secret").doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("namespace").doc("Namespace; a ReferenceGrant has to allow another one."))

WEFT_DESCRIBE(GatewayObjectReference, "io.k8s.networking.gateway.v1.ObjectReference", "An object.",
              (group, kind, name, namespace_), field("group").required().keep_empty().doc("API group."),
              field("kind").required().keep_empty().doc("Kind."),
              field("name").required().keep_empty().doc("Name."), field("namespace").doc("Namespace."))

WEFT_DESCRIBE(
    GatewayClassSpec, "io.k8s.networking.gateway.v1.GatewayClassSpec", "Who serves the class.",
    (controllerName, parametersRef, description),
    field("controllerName").required().keep_empty().doc("The controller that serves Gateways of the class."),
    field("parametersRef").doc("Parameters of the controller's own."),
    field("description").doc("For people."))

WEFT_DESCRIBE(SupportedFeature, "io.k8s.networking.gateway.v1.SupportedFeature",
              "A feature that an implementation has.", (name),
              field("name").required().keep_empty().doc("Its name."))

WEFT_DESCRIBE(GatewayClassStatus, "io.k8s.networking.gateway.v1.GatewayClassStatus",
              "Whether the class is served.", (conditions, supportedFeatures),
              field("conditions").list_map({"type"}).merge("type").doc("By type."),
              field("supportedFeatures").list_map({"name"}).doc("What the controller can do."))

WEFT_DESCRIBE_KIND(GatewayClass,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "GatewayClass",
                     .plural = "gatewayclasses",
                     .singular = "gatewayclass",
                     .short_names = {"gc"},
                     .namespaced = false,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.GatewayClass",
                   "Which controller serves the Gateways that name it.", (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Who serves the class."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE_KIND(XMesh,
                   ({.group = "gateway.networking.x-k8s.io",
                     .version = "v1alpha1",
                     .kind = "XMesh",
                     .plural = "xmeshes",
                     .singular = "xmesh",
                     .short_names = {"mesh"},
                     .namespaced = false,
                     .categories = {"gateway-api"}}),
                   "io.x-k8s.networking.gateway.v1alpha1.XMesh", "Which controller serves the mesh.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Who serves the mesh."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE(
    ListenerTLSConfig, "io.k8s.networking.gateway.v1.ListenerTLSConfig", "TLS of a listener.",
    (mode, certificateRefs, options),
    field("mode").one_of({"Terminate", "Passthrough"}).fallback("Terminate").doc("Terminate or Passthrough."),
    field("certificateRefs").doc("Certificates, chosen by server name."),
    field("options").doc("Options of the controller's own."))

WEFT_DESCRIBE(RouteGroupKind, "io.k8s.networking.gateway.v1.RouteGroupKind", "A kind of routes.",
              (group, kind), field("group").fallback("gateway.networking.k8s.io").doc("API group."),
              field("kind").required().keep_empty().doc("Kind."))

WEFT_DESCRIBE(FromNamespaces, "io.k8s.networking.gateway.v1.RouteNamespaces",
              "Namespaces that something is open to.", (from, selector),
              field("from").doc("All, Selector, Same or None."),
              field("selector").doc("Labels of the namespaces, with from: Selector."))

WEFT_DESCRIBE(AllowedRoutes, "io.k8s.networking.gateway.v1.AllowedRoutes", "Which routes may be attached.",
              (namespaces, kinds),
              field("namespaces").fallback(json::object{{"from", "Same"}}).doc("Namespaces of the routes."),
              field("kinds").doc("Kinds of the routes; when none is given, all that fit the protocol."))

WEFT_DESCRIBE(GatewayListener, "io.k8s.networking.gateway.v1.Listener", "Where connections come in.",
              (name, hostname, port, protocol, tls, allowedRoutes),
              field("name").required().keep_empty().doc("Its name."),
              field("hostname").doc("The host, or *.NAME for all below it; all when it is not given."),
              field("port").required().keep_empty().doc("Its port."),
              field("protocol").required().keep_empty().doc("HTTP, HTTPS, TLS, TCP or UDP."),
              field("tls").doc("Certificates, of HTTPS and TLS."),
              field("allowedRoutes")
                  .fallback(json::object{{"namespaces", json::object{{"from", "Same"}}}})
                  .doc("Which routes may be attached."))

WEFT_DESCRIBE(GatewayAddress, "io.k8s.networking.gateway.v1.GatewayAddress", "An address.", (type, value),
              field("type").fallback("IPAddress").doc("IPAddress, Hostname or NamedAddress."),
              field("value").doc("The address; any when it is not given."))

WEFT_DESCRIBE(GatewayInfrastructure, "io.k8s.networking.gateway.v1.GatewayInfrastructure",
              "For the objects that are made for the Gateway.", (labels, annotations, parametersRef),
              field("labels").doc("Labels they get."), field("annotations").doc("Annotations they get."),
              field("parametersRef").doc("Parameters of the controller's own."))

WEFT_DESCRIBE(
    AllowedListeners, "io.k8s.networking.gateway.v1.AllowedListeners",
    "Which ListenerSets may add listeners.", (namespaces),
    field("namespaces").fallback(json::object{{"from", "None"}}).doc("Namespaces of the ListenerSets."))

WEFT_DESCRIBE(FrontendTLSValidation, "io.k8s.networking.gateway.v1.FrontendTLSValidation",
              "How certificates of clients are checked.", (caCertificateRefs, mode),
              field("caCertificateRefs").required().keep_empty().doc("Who has to have signed them."),
              field("mode")
                  .one_of({"AllowValidOnly", "AllowInsecureFallback"})
                  .fallback("AllowValidOnly")
                  .doc("AllowValidOnly or AllowInsecureFallback."))

WEFT_DESCRIBE(FrontendTLS, "io.k8s.networking.gateway.v1.TLSConfig", "TLS towards clients.", (validation),
              field("validation").doc("How their certificates are checked."))

WEFT_DESCRIBE(TLSPortConfig, "io.k8s.networking.gateway.v1.TLSPortConfig", "TLS towards clients of one port.",
              (port, tls), field("port").required().keep_empty().doc("The port."),
              field("tls").required().keep_empty().doc("What is used there."))

WEFT_DESCRIBE(FrontendTLSConfig, "io.k8s.networking.gateway.v1.FrontendTLSConfig", "TLS towards clients.",
              (default_, perPort),
              field("default").required().keep_empty().doc("Of all ports that have nothing of their own."),
              field("perPort").list_map({"port"}).doc("By port."))

WEFT_DESCRIBE(GatewayBackendTLS, "io.k8s.networking.gateway.v1.GatewayBackendTLS", "TLS towards backends.",
              (clientCertificateRef),
              field("clientCertificateRef").doc("The certificate that is shown to backends."))

WEFT_DESCRIBE(GatewayTLSConfig, "io.k8s.networking.gateway.v1.GatewayTLSConfig", "TLS of a Gateway.",
              (backend, frontend), field("backend").doc("Towards backends."),
              field("frontend").doc("Towards clients."))

WEFT_DESCRIBE(GatewaySpec, "io.k8s.networking.gateway.v1.GatewaySpec", "Addresses and listeners.",
              (gatewayClassName, listeners, addresses, infrastructure, allowedListeners, tls),
              field("gatewayClassName").required().keep_empty().doc("Which controller serves it."),
              field("listeners").required().keep_empty().list_map({"name"}).doc("Where connections come in."),
              field("addresses").doc("Addresses it should have."),
              field("infrastructure").doc("For the objects that are made for it."),
              field("allowedListeners").doc("Which ListenerSets may add listeners."),
              field("tls").doc("TLS towards clients and backends."),
              field("defaultScope").shape("string").doc("For routes without parents; not supported here."))

WEFT_DESCRIBE(ListenerStatus, "io.k8s.networking.gateway.v1.ListenerStatus", "How a listener is doing.",
              (name, supportedKinds, attachedRoutes, conditions),
              field("name").required().keep_empty().doc("Its name."),
              field("supportedKinds").keep_empty().doc("Kinds of routes that can be attached."),
              field("attachedRoutes").required().keep_empty().doc("How many are."),
              field("conditions").required().keep_empty().list_map({"type"}).merge("type").doc("By type."))

WEFT_DESCRIBE(GatewayStatus, "io.k8s.networking.gateway.v1.GatewayStatus", "How a Gateway is doing.",
              (addresses, conditions, listeners, attachedListenerSets),
              field("addresses").doc("Addresses that it has."),
              field("conditions").list_map({"type"}).merge("type").doc("By type."),
              field("listeners").list_map({"name"}).doc("By name."),
              field("attachedListenerSets").doc("How many add listeners."))

WEFT_DESCRIBE_KIND(Gateway,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "Gateway",
                     .plural = "gateways",
                     .singular = "gateway",
                     .short_names = {"gtw"},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.Gateway",
                   "An address with listeners, for routes to be attached to.", (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Addresses and listeners."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE(ParentGatewayReference, "io.k8s.networking.gateway.v1.ParentGatewayReference", "A Gateway.",
              (group, kind, name, namespace_),
              field("group").fallback("gateway.networking.k8s.io").doc("API group."),
              field("kind").fallback("Gateway").doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("namespace").doc("Namespace; its own when it is not given."))

WEFT_DESCRIBE(ListenerSetSpec, "io.k8s.networking.gateway.v1.ListenerSetSpec",
              "Listeners and the Gateway they are for.", (parentRef, listeners),
              field("parentRef").required().keep_empty().doc("The Gateway."),
              field("listeners").required().keep_empty().list_map({"name"}).doc("Where connections come in."))

WEFT_DESCRIBE(ListenerSetStatus, "io.k8s.networking.gateway.v1.ListenerSetStatus",
              "How a ListenerSet is doing.", (conditions, listeners),
              field("conditions").list_map({"type"}).merge("type").doc("By type."),
              field("listeners").list_map({"name"}).doc("By name."))

WEFT_DESCRIBE_KIND(ListenerSet,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "ListenerSet",
                     .plural = "listenersets",
                     .singular = "listenerset",
                     .short_names = {"lset"},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.ListenerSet",
                   "More listeners for a Gateway, by somebody else.", (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Listeners and the Gateway they are for."),
                   field("status").doc("What controllers make of it."))

}  // namespace weft::kube
