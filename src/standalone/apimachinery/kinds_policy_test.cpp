#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/kinds.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::Eq;
using Problems = std::vector<std::string>;

constexpr const char* kKeySyntax =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr const char* kValueSyntax =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

Problems policy(std::string_view spec) {
  return problems_of(
      yaml(fmt::format("{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: a, "
                       "namespace: ns}}, spec: {}}}",
                       spec)));
}

/// A policy whose one ingress rule has this peer (or port).
Problems peer(std::string_view text) { return policy(fmt::format("{{ingress: [{{from: [{}]}}]}}", text)); }
Problems port(std::string_view text) { return policy(fmt::format("{{egress: [{{ports: [{}]}}]}}", text)); }

constexpr const char* kBadCidr = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

TEST(NetworkPolicyRules, AcceptsWhatUpstreamAccepts) {
  for (const auto* spec :
       {"{}", "{podSelector: {matchLabels: {a: b}}, ingress: [{}]}", "{ingress: []}",
        "{ingress: [{ports: [{port: 80}, {protocol: TCP}, {protocol: TCP, port: 443}, {protocol: UDP, port: "
        "dns}, {protocol: SCTP, port: 7777}]}]}",
        "{ingress: [{from: [{podSelector: {matchLabels: {c: d}}}, {namespaceSelector: {}}, {podSelector: {}, "
        "namespaceSelector: {matchLabels: {c: d}}}]}]}",
        "{ingress: [{from: [{ipBlock: {cidr: 192.168.0.0/16, except: [192.168.3.0/24, 192.168.4.0/24]}}]}]}",
        "{egress: [{to: [{ipBlock: {cidr: 'fd00:192:168::/48', except: ['fd00:192:168:3::/64']}}]}], "
        "policyTypes: [Egress]}",
        "{egress: [{to: [{ipBlock: {cidr: 'FD00:0192:0:0::/64'}}]}], policyTypes: [Ingress, Egress]}",
        "{egress: [{ports: [{port: 32000, endPort: 32768}, {port: 32768, endPort: 32768}]}]}",
        "{policyTypes: [Ingress, Ingress]}"}) {
    EXPECT_THAT(policy(spec), testing::IsEmpty()) << spec;
  }
}

TEST(NetworkPolicyRules, AddressBlocks) {
  const std::string at = "spec.ingress[0].from[0].ipBlock";
  struct {
    const char* block;
    Problems problems;
  } cases[] = {
      {"{cidr: ''}", {".cidr: Required value"}},
      {"{cidr: 192.168.5.6}", {fmt::format(".cidr: Invalid value: \"192.168.5.6\": {}", kBadCidr)}},
      {"{cidr: 'fd00:192:168::'}", {fmt::format(".cidr: Invalid value: \"fd00:192:168::\": {}", kBadCidr)}},
      {"{cidr: 10.0.0.0/33}", {fmt::format(".cidr: Invalid value: \"10.0.0.0/33\": {}", kBadCidr)}},
      {"{cidr: 001.002.003.000/0}",
       {".cidr: Invalid value: \"001.002.003.000/0\": must not have leading 0s in IP or prefix length"}},
      {"{cidr: 10.0.0.0/08}",
       {".cidr: Invalid value: \"10.0.0.0/08\": must not have leading 0s in IP or prefix length"}},
      {"{cidr: 10.0.0.1/8}",
       {".cidr: Invalid value: \"10.0.0.1/8\": must not have bits set beyond the prefix length"}},
      {"{cidr: '::ffff:10.0.0.0/104'}",
       {".cidr: Invalid value: \"::ffff:10.0.0.0/104\": must not have an IPv4-mapped IPv6 address"}},
      {"{cidr: 192.168.0.0/16, except: ['', ' ', 300.300.300.300]}",
       {fmt::format(".except[0]: Invalid value: \"\": {}", kBadCidr),
        fmt::format(".except[1]: Invalid value: \" \": {}", kBadCidr),
        fmt::format(".except[2]: Invalid value: \"300.300.300.300\": {}", kBadCidr)}},
      {"{cidr: 192.168.8.0/24, except: [192.168.9.1/32]}",
       {".except[0]: Invalid value: \"192.168.9.1/32\": must be a strict subset of `cidr`"}},
      {"{cidr: 192.168.0.0/24, except: [192.168.0.0/24, 192.168.0.0/16]}",
       {".except[0]: Invalid value: \"192.168.0.0/24\": must be a strict subset of `cidr`",
        ".except[1]: Invalid value: \"192.168.0.0/16\": must be a strict subset of `cidr`"}},
      {"{cidr: 'fd00:1::/64', except: ['fd00:2::/64', 10.0.0.0/8]}",
       {".except[0]: Invalid value: \"fd00:2::/64\": must be a strict subset of `cidr`",
        ".except[1]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`"}},
      {"{cidr: 10.0.0.0/8, except: [010.1.0.1/16]}",
       {".except[0]: Invalid value: \"010.1.0.1/16\": must not have leading 0s in IP or prefix length"}},
      {"{cidr: nope, except: [10.0.0.0/8]}", {fmt::format(".cidr: Invalid value: \"nope\": {}", kBadCidr)}},
  };
  for (auto& c : cases) {
    for (auto& problem : c.problems) problem = at + problem;
    EXPECT_THAT(peer(fmt::format("{{ipBlock: {}}}", c.block)), Eq(c.problems)) << c.block;
  }
}

TEST(NetworkPolicyRules, Peers) {
  const std::string at = "spec.ingress[0].from[0]";
  struct {
    const char* peer;
    Problems problems;
  } cases[] = {
      {"{}", {": Required value: must specify a peer"}},
      {"{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}",
       {": Forbidden: may not specify both ipBlock and another peer"}},
      {"{namespaceSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}",
       {": Forbidden: may not specify both ipBlock and another peer"}},
      {"{podSelector: {matchLabels: {'Not=A=Key': b}}}",
       {fmt::format(".podSelector.matchLabels: Invalid value: \"Not=A=Key\": name part {}", kKeySyntax)}},
      {"{namespaceSelector: {matchLabels: {a/b/c: '-'}}}",
       {fmt::format(".namespaceSelector.matchLabels: Invalid value: \"a/b/c\": a valid label key {} with an "
                    "optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                    kKeySyntax),
        fmt::format(".namespaceSelector.matchLabels: Invalid value: \"-\": {}", kValueSyntax)}},
      {"{podSelector: {matchExpressions: [{key: '', operator: In}]}}",
       {".podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' "
        "or 'NotIn'",
        ".podSelector.matchExpressions[0].key: Invalid value: \"\": name part must be non-empty",
        fmt::format(".podSelector.matchExpressions[0].key: Invalid value: \"\": name part {}", kKeySyntax)}},
      {"{podSelector: {matchExpressions: [{key: a, operator: Exists, values: ['!']}]}}",
       {".podSelector.matchExpressions[0].values: Forbidden: may not be specified when `operator` is "
        "'Exists' or 'DoesNotExist'",
        fmt::format(".podSelector.matchExpressions[0].values[0]: Invalid value: \"!\": {}", kValueSyntax)}},
      {"{podSelector: {matchExpressions: [{key: /a, operator: in, values: [b]}]}}",
       {".podSelector.matchExpressions[0].operator: Invalid value: \"in\": not a valid selector operator",
        ".podSelector.matchExpressions[0].key: Invalid value: \"/a\": prefix part must be non-empty"}},
  };
  for (auto& c : cases) {
    for (auto& problem : c.problems) problem = at + problem;
    EXPECT_THAT(peer(c.peer), Eq(c.problems)) << c.peer;
  }
  EXPECT_THAT(
      policy("{podSelector: {matchLabels: {a: b_}}, egress: [{to: [{}]}]}"),
      Eq(Problems{fmt::format("spec.podSelector.matchLabels: Invalid value: \"b_\": {}", kValueSyntax),
                  "spec.egress[0].to[0]: Required value: must specify a peer"}));
}

TEST(NetworkPolicyRules, Ports) {
  const std::string at = "spec.egress[0].ports[0]";
  struct {
    const char* port;
    Problems problems;
  } cases[] = {
      {"{protocol: ICMP, port: 80}",
       {".protocol: Unsupported value: \"ICMP\": supported values: \"TCP\", \"UDP\", \"SCTP\""}},
      {"{protocol: ''}",
       {".protocol: Unsupported value: \"\": supported values: \"TCP\", \"UDP\", \"SCTP\""}},
      {"{port: 0}", {".port: Invalid value: 0: must be between 1 and 65535, inclusive"}},
      {"{port: 123456789}", {".port: Invalid value: 123456789: must be between 1 and 65535, inclusive"}},
      {"{port: '!@#$'}",
       {".port: Invalid value: \"!@#$\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens "
        "(-)",
        ".port: Invalid value: \"!@#$\": must contain at least one letter (a-z)"}},
      {"{port: 35000, endPort: 32768}",
       {".endPort: Invalid value: 32768: must be greater than or equal to `port`"}},
      {"{port: 30000, endPort: 65537}",
       {".endPort: Invalid value: 65537: must be between 1 and 65535, inclusive"}},
      {"{port: 80, endPort: 0}",
       {".endPort: Invalid value: 0: must be greater than or equal to `port`",
        ".endPort: Invalid value: 0: must be between 1 and 65535, inclusive"}},
      {"{port: A, endPort: 80}",
       {".endPort: Invalid value: 80: may not be specified when `port` is non-numeric",
        ".port: Invalid value: \"A\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ".port: Invalid value: \"A\": must contain at least one letter (a-z)"}},
      {"{endPort: 80}", {".endPort: Invalid value: 80: may not be specified when `port` is not specified"}},
  };
  for (auto& c : cases) {
    for (auto& problem : c.problems) problem = at + problem;
    EXPECT_THAT(port(c.port), Eq(c.problems)) << c.port;
  }
}

TEST(NetworkPolicyRules, PolicyTypes) {
  EXPECT_THAT(policy("{policyTypes: [foo, '']}"),
              Eq(Problems{"spec.policyTypes[0]: Unsupported value: \"foo\": supported values: \"Ingress\", "
                          "\"Egress\"",
                          "spec.policyTypes[1]: Unsupported value: \"\": supported values: \"Ingress\", "
                          "\"Egress\""}));
  EXPECT_THAT(policy("{policyTypes: [Ingress, Egress, Ingress]}"),
              Eq(Problems{"spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Ingress\"]: may not "
                          "specify more than two policyTypes"}));
}

TEST(NetworkPolicyRules, Defaults) {
  const auto& kind = kind_of("NetworkPolicy");
  auto defaulted = [&](std::string_view spec) {
    auto object = yaml(fmt::format("{{metadata: {{name: a}}, spec: {}}}", spec));
    default_object(kind.resource, *kind.schema, object);
    return object.at("spec");
  };
  auto types = [&](std::string_view spec) { return json::serialize(defaulted(spec).at("policyTypes")); };
  EXPECT_EQ(types("{}"), R"(["Ingress"])");
  EXPECT_EQ(types("{policyTypes: []}"), R"(["Ingress"])");
  EXPECT_EQ(types("{egress: [{}]}"), R"(["Ingress","Egress"])");
  EXPECT_EQ(types("{egress: []}"), R"(["Ingress"])");
  EXPECT_EQ(types("{policyTypes: [Egress]}"), R"(["Egress"])");
  auto spec = defaulted("{ingress: [{ports: [{port: 80}, {protocol: UDP}]}]}");
  EXPECT_EQ(spec.at("ingress").at(0).at("ports").at(0).at("protocol"), "TCP");
  EXPECT_EQ(spec.at("ingress").at(0).at("ports").at(1).at("protocol"), "UDP");
  EXPECT_EQ(spec.at("podSelector"), json::object());
}

}  // namespace
}  // namespace weft::standalone
