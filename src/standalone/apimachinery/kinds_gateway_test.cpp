#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/kinds.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Problems = std::vector<std::string>;

Problems of(std::string_view kind, std::string_view spec) {
  return problems_of(
      yaml(fmt::format("{{apiVersion: gateway.networking.k8s.io/v1, kind: {}, metadata: {{name: a, "
                       "namespace: b}}, spec: {}}}",
                       kind, spec)));
}

struct Refused {
  const char* kind;
  const char* spec;
  const char* why;  ///< nullptr: it is taken
};

void expect(const std::vector<Refused>& cases) {
  for (const auto& [kind, spec, why] : cases) {
    auto problems = of(kind, spec);
    if (why) {
      EXPECT_THAT(fmt::format("{}", fmt::join(problems, "\n")), HasSubstr(why)) << kind << " " << spec;
    } else {
      EXPECT_THAT(problems, IsEmpty()) << kind << " " << spec;
    }
  }
}

TEST(GatewayRules, GatewaysAndSets) {
  expect({
      {"Gateway", "{gatewayClassName: w, listeners: [{name: l, port: 80, protocol: HTTP}]}", nullptr},
      {"Gateway", "{gatewayClassName: w}", "spec.listeners: Required value"},
      {"Gateway", "{gatewayClassName: w, listeners: []}", "spec.listeners"},
      {"Gateway", "{gatewayClassName: w, listeners: [{name: l, port: 0, protocol: HTTP}]}",
       "spec.listeners[0].port: Invalid value"},
      {"Gateway", "{gatewayClassName: w, listeners: [{name: L, port: 80, protocol: HTTP}]}",
       "spec.listeners[0].name: Invalid value"},
      {"Gateway",
       "{gatewayClassName: w, listeners: [{name: l, hostname: 'a.*.b', port: 80, protocol: HTTP}]}",
       "spec.listeners[0].hostname: Invalid value"},
      {"Gateway",
       "{gatewayClassName: w, listeners: [{name: l, port: 80, protocol: HTTP}, {name: m, port: 80, protocol: "
       "HTTP}]}",
       "Combination of port, protocol and hostname must be unique"},
      {"Gateway",
       "{gatewayClassName: w, listeners: [{name: l, port: 80, protocol: HTTP, tls: {certificateRefs: [{name: "
       "c}]}}]}",
       "tls must not be specified for protocols"},
      {"Gateway", "{gatewayClassName: w, listeners: [{name: l, port: 443, protocol: HTTPS, tls: {}}]}",
       "certificateRefs or options must be specified"},
      {"Gateway",
       "{gatewayClassName: w, listeners: [{name: l, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}]}",
       "tls mode must be Terminate"},
      {"Gateway", "{gatewayClassName: w, listeners: [{name: l, port: 443, protocol: TCP, hostname: a}]}",
       "hostname must not be specified"},
      {"Gateway",
       "{gatewayClassName: w, addresses: [{value: 1.2.3.4}, {value: 1.2.3.4}], listeners: [{name: l, port: "
       "80, "
       "protocol: HTTP}]}",
       "IPAddress values must be unique"},
      {"ListenerSet", "{parentRef: {name: g}, listeners: [{name: l, port: 80, protocol: HTTP}]}", nullptr},
      {"ListenerSet", "{parentRef: {}, listeners: [{name: l, port: 80, protocol: HTTP}]}",
       "spec.parentRef.name: Required value"},
      {"ReferenceGrant",
       "{from: [{group: g.example, kind: K, namespace: x}], to: [{group: '', kind: Secret}]}", nullptr},
      {"ReferenceGrant", "{from: [{group: g.example, kind: K}], to: [{group: '', kind: Secret}]}",
       "spec.from[0].namespace: Required value"},
      {"BackendTLSPolicy",
       "{targetRefs: [{group: '', kind: Service, name: s}], validation: {hostname: a.b, "
       "wellKnownCACertificates: "
       "System}}",
       nullptr},
      {"BackendTLSPolicy", "{targetRefs: [{group: '', kind: Service, name: s}], validation: {hostname: a.b}}",
       "must specify either CACertificateRefs or WellKnownCACertificates"},
  });
}

TEST(GatewayRules, Classes) {
  auto class_ = [](std::string_view controller) {
    return yaml(
        fmt::format("{{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {{name: a}}, "
                    "spec: {{controllerName: {}}}}}",
                    controller));
  };
  EXPECT_THAT(problems_of(class_("weft.dev/gateway-controller")), IsEmpty());
  EXPECT_THAT(fmt::format("{}", fmt::join(problems_of(class_("weft")), "")),
              HasSubstr("spec.controllerName: Invalid value"));
}

TEST(GatewayRules, Routes) {
  expect({
      {"HTTPRoute", "{}", nullptr},
      {"HTTPRoute",
       "{parentRefs: [{name: g}], hostnames: [a.b, '*.c'], rules: [{matches: [{path: {type: Exact, value: "
       "/x}}], "
       "backendRefs: [{name: s, port: 80}], timeouts: {request: 1s}}]}",
       nullptr},
      {"HTTPRoute", "{hostnames: [A.b]}", "spec.hostnames[0]: Invalid value"},
      {"HTTPRoute", "{rules: [{matches: [{path: {value: x}}]}]}", "must be an absolute path"},
      {"HTTPRoute", "{rules: [{matches: [{path: {value: /x//y}}]}]}", "must not contain '//'"},
      {"HTTPRoute", "{rules: [{matches: [{method: get}]}]}",
       "spec.rules[0].matches[0].method: Unsupported value"},
      {"HTTPRoute", "{rules: [{backendRefs: [{name: s}]}]}", "Must have port for Service reference"},
      {"HTTPRoute", "{rules: [{timeouts: {request: 1x}}]}", "spec.rules[0].timeouts.request: Invalid value"},
      {"HTTPRoute", "{rules: [{filters: [{type: URLRewrite}]}]}", "filter.urlRewrite must be specified"},
      {"HTTPRoute", "{rules: [{filters: [{type: CORS, cors: {}, urlRewrite: {}}]}]}",
       "filter.urlRewrite must be nil"},
      {"HTTPRoute",
       "{rules: [{filters: [{type: RequestRedirect, requestRedirect: {}}], backendRefs: [{name: s, port: "
       "80}]}]}",
       "RequestRedirect filter must not be used together with backendRefs"},
      {"HTTPRoute",
       "{rules: [{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: "
       "{path: {type: "
       "ReplacePrefixMatch, replacePrefixMatch: /}}}]}]}",
       "exactly one PathPrefix match must be specified"},
      {"HTTPRoute", "{parentRefs: [{name: g}, {name: g, sectionName: a}]}",
       "sectionName or port must be specified"},
      {"HTTPRoute", "{parentRefs: [{name: g}, {name: g}]}", "sectionName or port must be unique"},
      {"GRPCRoute", "{rules: [{matches: [{method: {service: a.B, method: C}}]}]}", nullptr},
      {"GRPCRoute", "{rules: [{matches: [{method: {service: 'a/b'}}]}]}",
       "service must only contain valid characters"},
      {"TLSRoute", "{rules: [{backendRefs: [{name: s, port: 80}]}]}", "spec.hostnames: Required value"},
      {"TLSRoute", "{hostnames: [a.b], rules: [{backendRefs: [{name: s, port: 80}]}]}", nullptr},
      {"TCPRoute", "{rules: [{backendRefs: [{name: s, port: 80}]}]}", nullptr},
      {"TCPRoute", "{rules: [{backendRefs: []}]}", "spec.rules[0].backendRefs"},
      {"UDPRoute", "{}", "spec.rules: Required value"},
  });
}

}  // namespace
}  // namespace weft::standalone
