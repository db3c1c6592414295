#include "kube/gateway_routes.h"

#include "kube/reflect.h"

namespace weft::kube {

WEFT_DESCRIBE(RouteParentStatus, "io.k8s.networking.gateway.v1.RouteParentStatus",
              "What one controller says of a route at one parent.", (parentRef, controllerName, conditions),
              field("parentRef").required().keep_empty().doc("The parent."),
              field("controllerName").required().keep_empty().doc("The controller."),
              field("conditions").list_map({"type"}).merge("type").doc("By type."))

WEFT_DESCRIBE(RouteStatus, "io.k8s.networking.gateway.v1.RouteStatus", "How a route is doing.", (parents),
              field("parents").required().keep_empty().doc("By parent and controller."))

WEFT_DESCRIBE(BackendObjectReference, "io.k8s.networking.gateway.v1.BackendObjectReference",
              "A port of a Service, or another object.", (group, kind, name, namespace_, port),
              field("group").fallback("").doc("API group."), field("kind").fallback("Service").doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("namespace").doc("Namespace; a ReferenceGrant has to allow another one."),
              field("port").doc("The port of a Service."))

WEFT_DESCRIBE(RouteBackendRef, "io.k8s.networking.gateway.v1.BackendRef",
              "Where a share of the traffic goes.", (group, kind, name, namespace_, port, weight),
              field("group").fallback("").doc("API group."), field("kind").fallback("Service").doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("namespace").doc("Namespace; a ReferenceGrant has to allow another one."),
              field("port").doc("The port of a Service."),
              field("weight").fallback(1).doc("Its share, of the sum of all weights."))

WEFT_DESCRIBE(HTTPPathMatch, "io.k8s.networking.gateway.v1.HTTPPathMatch", "A path.", (type, value),
              field("type")
                  .one_of({"Exact", "PathPrefix", "RegularExpression"})
                  .fallback("PathPrefix")
                  .doc("Exact, PathPrefix (whole elements) or RegularExpression."),
              field("value").fallback("/").doc("The path."))

WEFT_DESCRIBE(
    HTTPValueMatch, "io.k8s.networking.gateway.v1.HTTPHeaderMatch", "A header or query parameter.",
    (type, name, value),
    field("type").one_of({"Exact", "RegularExpression"}).fallback("Exact").doc("Exact or RegularExpression."),
    field("name").required().keep_empty().doc("Its name."),
    field("value").required().keep_empty().doc("Its value."))

WEFT_DESCRIBE(HTTPRouteMatch, "io.k8s.networking.gateway.v1.HTTPRouteMatch",
              "Requests; all of it has to match.", (path, headers, queryParams, method),
              field("path").fallback(json::object{{"type", "PathPrefix"}, {"value", "/"}}).doc("Their path."),
              field("headers").list_map({"name"}).doc("Their headers."),
              field("queryParams").list_map({"name"}).doc("Parameters of their query."),
              field("method").doc("Their method."))

WEFT_DESCRIBE(HTTPFilterHeader, "io.k8s.networking.gateway.v1.HTTPHeader", "A header.", (name, value),
              field("name").required().keep_empty().doc("Its name."),
              field("value").required().keep_empty().doc("Its value."))

WEFT_DESCRIBE(HTTPHeaderFilter, "io.k8s.networking.gateway.v1.HTTPHeaderFilter", "Changes headers.",
              (set, add, remove), field("set").list_map({"name"}).doc("Replaced or added."),
              field("add").list_map({"name"}).doc("Added to what is there."),
              field("remove").list_set().doc("Taken away."))

WEFT_DESCRIBE(HTTPPathModifier, "io.k8s.networking.gateway.v1.HTTPPathModifier", "A new path.",
              (type, replaceFullPath, replacePrefixMatch),
              field("type")
                  .required()
                  .keep_empty()
                  .one_of({"ReplaceFullPath", "ReplacePrefixMatch"})
                  .doc("ReplaceFullPath or ReplacePrefixMatch."),
              field("replaceFullPath").doc("Instead of the whole path."),
              field("replacePrefixMatch").doc("Instead of the prefix that matched."))

WEFT_DESCRIBE(HTTPRequestRedirectFilter, "io.k8s.networking.gateway.v1.HTTPRequestRedirectFilter",
              "Answers with a redirect.", (scheme, hostname, path, port, statusCode),
              field("scheme").doc("http or https."), field("hostname").doc("The host."),
              field("path").doc("The path."), field("port").doc("The port."),
              field("statusCode").fallback(302).doc("The status."))

WEFT_DESCRIBE(HTTPURLRewriteFilter, "io.k8s.networking.gateway.v1.HTTPURLRewriteFilter",
              "Changes the URL of the request.", (hostname, path), field("hostname").doc("The host."),
              field("path").doc("The path."))

WEFT_DESCRIBE(GatewayFraction, "io.k8s.networking.gateway.v1.Fraction", "A part of the whole.",
              (numerator, denominator), field("numerator").required().keep_empty().doc("So many"),
              field("denominator").fallback(100).doc("of so many."))

WEFT_DESCRIBE(HTTPRequestMirrorFilter, "io.k8s.networking.gateway.v1.HTTPRequestMirrorFilter",
              "Sends copies of requests.", (backendRef, percent, fraction),
              field("backendRef").required().keep_empty().doc("Where to."),
              field("percent").doc("Of so many of a hundred requests."),
              field("fraction").doc("Of a part of the requests."))

WEFT_DESCRIBE(HTTPCORSFilter, "io.k8s.networking.gateway.v1.HTTPCORSFilter",
              "Answers what browsers ask about other origins.",
              (allowOrigins, allowCredentials, allowMethods, allowHeaders, exposeHeaders, maxAge),
              field("allowOrigins").list_set().doc("Origins that may."),
              field("allowCredentials").doc("With credentials."),
              field("allowMethods").list_set().doc("Methods."),
              field("allowHeaders").list_set().doc("Headers of requests."),
              field("exposeHeaders").list_set().doc("Headers of answers."),
              field("maxAge").fallback(5).doc("For how many seconds the answer holds."))

WEFT_DESCRIBE(GatewayLocalObjectReference, "io.k8s.networking.gateway.v1.LocalObjectReference",
              "An object of the same namespace.", (group, kind, name),
              field("group").required().keep_empty().doc("API group."),
              field("kind").required().keep_empty().doc("Kind."),
              field("name").required().keep_empty().doc("Name."))

WEFT_DESCRIBE(HTTPRouteFilter, "io.k8s.networking.gateway.v1.HTTPRouteFilter",
              "What happens to a request; the field that type names is set.",
              (type, requestHeaderModifier, responseHeaderModifier, requestMirror, requestRedirect,
               urlRewrite, cors, extensionRef),
              field("type")
                  .required()
                  .keep_empty()
                  .one_of({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror",
                           "RequestRedirect", "URLRewrite", "ExtensionRef", "CORS", "ExternalAuth"})
                  .doc("Which of them."),
              field("requestHeaderModifier").doc("Changes headers of the request."),
              field("responseHeaderModifier").doc("Changes headers of the answer."),
              field("requestMirror").doc("Sends copies of requests."),
              field("requestRedirect").doc("Answers with a redirect."),
              field("urlRewrite").doc("Changes the URL."),
              field("cors").doc("Answers what browsers ask about other origins."),
              field("extensionRef").doc("A filter of the controller's own."),
              field("externalAuth").shape("any").doc("Not supported here."))

WEFT_DESCRIBE(HTTPBackendRef, "io.k8s.networking.gateway.v1.HTTPBackendRef",
              "Where a share of the requests goes.", (group, kind, name, namespace_, port, weight, filters),
              field("group").fallback("").doc("API group."), field("kind").fallback("Service").doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("namespace").doc("Namespace; a ReferenceGrant has to allow another one."),
              field("port").doc("The port of a Service."),
              field("weight").fallback(1).doc("Its share, of the sum of all weights."),
              field("filters").doc("What happens to requests that go there."))

WEFT_DESCRIBE(HTTPRouteTimeouts, "io.k8s.networking.gateway.v1.HTTPRouteTimeouts",
              "How long things may take; \"10s\" or \"1h30m\".", (request, backendRequest),
              field("request").doc("Until the answer is through."),
              field("backendRequest").doc("Of one try."))

WEFT_DESCRIBE(HTTPRouteRetry, "io.k8s.networking.gateway.v1.HTTPRouteRetry", "When a request is tried again.",
              (codes, attempts, backoff), field("codes").doc("Statuses after which it is."),
              field("attempts").doc("How often."), field("backoff").doc("After how long."))

WEFT_DESCRIBE(
    HTTPRouteRule, "io.k8s.networking.gateway.v1.HTTPRouteRule", "Requests, and what happens to them.",
    (name, matches, filters, backendRefs, timeouts, retry), field("name").doc("For people and policies."),
    field("matches")
        .fallback(json::array{json::object{{"path", json::object{{"type", "PathPrefix"}, {"value", "/"}}}}})
        .doc("Any of them has to match."),
    field("filters").doc("What happens to them on the way."), field("backendRefs").doc("Where they go."),
    field("timeouts").doc("How long things may take."), field("retry").doc("When they are tried again."),
    field("sessionPersistence").shape("any").doc("Not supported here."))

WEFT_DESCRIBE(HTTPRouteSpec, "io.k8s.networking.gateway.v1.HTTPRouteSpec", "Parents, hosts and rules.",
              (parentRefs, hostnames, rules), field("parentRefs").doc("What it is to be attached to."),
              field("hostnames").doc("Hosts; all that the listener has when none is given."),
              field("rules")
                  .fallback(json::array{json::object{
                      {"matches", json::array{json::object{
                                      {"path", json::object{{"type", "PathPrefix"}, {"value", "/"}}}}}}}})
                  .doc("What happens to which requests."),
              field("useDefaultGateways").shape("string").doc("Not supported here."))

WEFT_DESCRIBE_KIND(HTTPRoute,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "HTTPRoute",
                     .plural = "httproutes",
                     .singular = "httproute",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.HTTPRoute",
                   "Leads HTTP requests to backends by host, path, headers, query and method.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Parents, hosts and rules."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE(
    GRPCMethodMatch, "io.k8s.networking.gateway.v1.GRPCMethodMatch", "A method.", (type, service, method),
    field("type").one_of({"Exact", "RegularExpression"}).fallback("Exact").doc("Exact or RegularExpression."),
    field("service").doc("The service, with its package."), field("method").doc("The method."))

WEFT_DESCRIBE(GRPCRouteMatch, "io.k8s.networking.gateway.v1.GRPCRouteMatch", "Calls; all of it has to match.",
              (method, headers), field("method").doc("Their method."),
              field("headers").list_map({"name"}).doc("Their headers."))

WEFT_DESCRIBE(GRPCRouteFilter, "io.k8s.networking.gateway.v1.GRPCRouteFilter",
              "What happens to a call; the field that type names is set.",
              (type, requestHeaderModifier, responseHeaderModifier, requestMirror, extensionRef),
              field("type")
                  .required()
                  .keep_empty()
                  .one_of({"RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror",
                           "ExtensionRef"})
                  .doc("Which of them."),
              field("requestHeaderModifier").doc("Changes headers of the request."),
              field("responseHeaderModifier").doc("Changes headers of the answer."),
              field("requestMirror").doc("Sends copies of requests."),
              field("extensionRef").doc("A filter of the controller's own."))

WEFT_DESCRIBE(GRPCBackendRef, "io.k8s.networking.gateway.v1.GRPCBackendRef",
              "Where a share of the calls goes.", (group, kind, name, namespace_, port, weight, filters),
              field("group").fallback("").doc("API group."), field("kind").fallback("Service").doc("Kind."),
              field("name").required().keep_empty().doc("Name."),
              field("namespace").doc("Namespace; a ReferenceGrant has to allow another one."),
              field("port").doc("The port of a Service."),
              field("weight").fallback(1).doc("Its share, of the sum of all weights."),
              field("filters").doc("What happens to calls that go there."))

WEFT_DESCRIBE(GRPCRouteRule, "io.k8s.networking.gateway.v1.GRPCRouteRule", "Calls, and what happens to them.",
              (name, matches, filters, backendRefs), field("name").doc("For people and policies."),
              field("matches").doc("Any of them has to match; all calls do when none is given."),
              field("filters").doc("What happens to them on the way."),
              field("backendRefs").doc("Where they go."),
              field("sessionPersistence").shape("any").doc("Not supported here."))

WEFT_DESCRIBE(GRPCRouteSpec, "io.k8s.networking.gateway.v1.GRPCRouteSpec", "Parents, hosts and rules.",
              (parentRefs, hostnames, rules), field("parentRefs").doc("What it is to be attached to."),
              field("hostnames").doc("Hosts; all that the listener has when none is given."),
              field("rules").doc("What happens to which calls."),
              field("useDefaultGateways").shape("string").doc("Not supported here."))

WEFT_DESCRIBE_KIND(GRPCRoute,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "GRPCRoute",
                     .plural = "grpcroutes",
                     .singular = "grpcroute",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.GRPCRoute",
                   "Leads gRPC calls to backends by host, service, method and headers.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Parents, hosts and rules."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE(StreamRouteRule, "io.k8s.networking.gateway.v1.StreamRouteRule", "Where connections go.",
              (name, backendRefs), field("name").doc("For people and policies."),
              field("backendRefs").required().keep_empty().doc("Where they go."))

WEFT_DESCRIBE(TLSRouteSpec, "io.k8s.networking.gateway.v1.TLSRouteSpec", "Parents, server names and rules.",
              (parentRefs, hostnames, rules), field("parentRefs").doc("What it is to be attached to."),
              field("hostnames").required().keep_empty().doc("Server names."),
              field("rules").required().keep_empty().doc("Where connections go."),
              field("useDefaultGateways").shape("string").doc("Not supported here."))

WEFT_DESCRIBE_KIND(TLSRoute,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "TLSRoute",
                     .plural = "tlsroutes",
                     .singular = "tlsroute",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.TLSRoute",
                   "Leads TLS connections to backends by server name.", (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Parents, server names and rules."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE(PortRouteSpec, "io.k8s.networking.gateway.v1.PortRouteSpec", "Parents and rules.",
              (parentRefs, rules), field("parentRefs").doc("What it is to be attached to."),
              field("rules").required().keep_empty().doc("Where traffic goes."),
              field("useDefaultGateways").shape("string").doc("Not supported here."))

WEFT_DESCRIBE_KIND(TCPRoute,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "TCPRoute",
                     .plural = "tcproutes",
                     .singular = "tcproute",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.TCPRoute", "Leads TCP connections to backends.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Parents and rules."),
                   field("status").doc("What controllers make of it."))

WEFT_DESCRIBE_KIND(UDPRoute,
                   ({.group = "gateway.networking.k8s.io",
                     .version = "v1",
                     .kind = "UDPRoute",
                     .plural = "udproutes",
                     .singular = "udproute",
                     .short_names = {},
                     .namespaced = true,
                     .categories = {"gateway-api"}}),
                   "io.k8s.networking.gateway.v1.UDPRoute", "Leads UDP datagrams to backends.",
                   (metadata, spec, status),
                   field("metadata").doc("Name, labels and the rest that every object has."),
                   field("spec").required().keep_empty().doc("Parents and rules."),
                   field("status").doc("What controllers make of it."))

}  // namespace weft::kube
