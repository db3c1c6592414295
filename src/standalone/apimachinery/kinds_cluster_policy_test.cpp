#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/kinds.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::Eq;
using testing::IsEmpty;
using Problems = std::vector<std::string>;

const std::string kUnchecked =
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation";

Problems policy(std::string_view spec) {
  return problems_of(
      yaml(fmt::format("{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: "
                       "ClusterNetworkPolicy, metadata: {{name: a}}, spec: {}}}",
                       spec)));
}

Problems with(std::string_view more) {
  return policy(fmt::format("{{tier: Admin, priority: 10, subject: {{namespaces: {{}}}}, {}}}", more));
}

std::string repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out.append(i ? ", " : "").append(text);
  return out;
}

TEST(ClusterNetworkPolicyRules, AcceptsWhatTheSchemaAllows) {
  for (const auto* spec :
       {"{tier: Admin, priority: 0, subject: {namespaces: {}}}",
        "{tier: Baseline, priority: 1000, subject: {pods: {podSelector: {matchLabels: {a: b}}}}, ingress: "
        "[{name: r, action: Pass, from: [{namespaces: {}}, {pods: {namespaceSelector: {}, podSelector: "
        "{}}}], protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: "
        "1, end: 65535}}}}, {destinationNamedPort: web}]}]}",
        "{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Accept, to: [{nodes: {}}, "
        "{networks: [10.0.0.1/8, '::/0']}, {domainNames: ['*.example.com', a.b.]}]}, {action: Deny, to: "
        "[{pods: {podSelector: {}}}], protocols: [{destinationNamedPort: web}]}]}"}) {
    EXPECT_THAT(policy(spec), IsEmpty()) << spec;
  }
}

TEST(ClusterNetworkPolicyRules, Spec) {
  EXPECT_THAT(policy("{}"), Eq(Problems{"spec.tier: Required value", "spec.priority: Required value",
                                        "spec.subject: Required value", kUnchecked}));
  EXPECT_THAT(
      policy("{tier: admin, priority: 1001, subject: {}}"),
      Eq(Problems{"spec.tier: Unsupported value: \"admin\": supported values: \"Admin\", \"Baseline\"",
                  "spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal "
                  "to 1000",
                  "spec.subject: Invalid value: 0: spec.subject in body should have at least 1 properties",
                  kUnchecked}));
  EXPECT_THAT(policy("{tier: Admin, priority: -1, subject: {namespaces: {}, pods: {}}}"),
              Eq(Problems{"spec.priority: Invalid value: -1: spec.priority in body should be greater than "
                          "or equal to 0",
                          "spec.subject: Too many: 2: must have at most 1 item",
                          "spec.subject.pods.podSelector: Required value", kUnchecked}));
}

TEST(ClusterNetworkPolicyRules, Rules) {
  EXPECT_THAT(
      with("ingress: [{action: Allow, from: []}, {from: [{}]}]"),
      Eq(Problems{
          "spec.ingress[0].action: Unsupported value: \"Allow\": supported values: \"Accept\", \"Deny\", "
          "\"Pass\"",
          "spec.ingress[0].from: Invalid value: 0: spec.ingress[0].from in body should have at least 1 "
          "items",
          "spec.ingress[1].action: Required value",
          "spec.ingress[1].from[0]: Invalid value: 0: spec.ingress[1].from[0] in body should have at least "
          "1 "
          "properties",
          kUnchecked}));
  EXPECT_THAT(with(fmt::format("egress: [{{name: {}, action: Deny, to: [{}]}}]", std::string(101, 'n'),
                               repeated("{namespaces: {}}", 26))),
              Eq(Problems{"spec.egress[0].name: Too long: may not be more than 100 bytes",
                          "spec.egress[0].to: Too many: 26: must have at most 25 items", kUnchecked}));
  EXPECT_THAT(with(fmt::format("egress: [{}]", repeated("{action: Deny, to: [{namespaces: {}}]}", 26))),
              Eq(Problems{"spec.egress: Too many: 26: must have at most 25 items", kUnchecked}));
  EXPECT_THAT(
      with("egress: [{action: Deny, to: [{networks: [10.0.0.0/8, 10.0.0.0/8]}, {domainNames: [example]}]}]"),
      Eq(Problems{"spec.egress[0].to[0].networks[1]: Duplicate value: \"10.0.0.0/8\"",
                  "spec.egress[0].to[1].domainNames[0]: Invalid value: \"example\": "
                  "spec.egress[0].to[1].domainNames[0] in body should match "
                  "'^(\\*\\.)?([a-zA-z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\\.)+[a-zA-z0-9]([-a-zA-Z0-9_]*["
                  "a-zA-Z0-9])?\\.?"
                  "$'"}));
}

TEST(ClusterNetworkPolicyRules, WhatTheSchemaSaysInCel) {
  EXPECT_THAT(
      with("ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: "
           "{start: 5, end: 5}}}}]}]"),
      Eq(Problems{"spec.ingress[0].protocols[0].tcp.destinationPort.range: Invalid value: Start port must "
                  "be less than End port"}));
  EXPECT_THAT(
      with("egress: [{action: Deny, to: [{networks: [10.0.0.0, '::ffff:10.0.0.0/104']}], protocols: "
           "[{destinationNamedPort: web}]}]"),
      Eq(Problems{
          "spec.egress[0]: Invalid value: networks/nodes/domainNames peer cannot be set with namedPorts "
          "since "
          "there are no namedPorts for networks/nodes/domainNames",
          "spec.egress[0].to[0].networks[0]: Invalid value: \"10.0.0.0\": Invalid CIDR format provided",
          "spec.egress[0].to[0].networks[1]: Invalid value: \"::ffff:10.0.0.0/104\": Invalid CIDR format "
          "provided"}));
  EXPECT_THAT(
      with("egress: [{action: Deny, to: [{namespaces: {}}], protocols: [{udp: {destinationPort: {}}}, "
           "{sctp: {destinationPort: {number: 0, range: {start: 2, end: 1}}}}]}]"),
      Eq(Problems{"spec.egress[0].protocols[0].udp.destinationPort: Invalid value: 0: "
                  "spec.egress[0].protocols[0].udp.destinationPort in body should have at least 1 properties",
                  "spec.egress[0].protocols[1].sctp.destinationPort: Too many: 2: must have at most 1 item",
                  "spec.egress[0].protocols[1].sctp.destinationPort.number: Invalid value: 0: "
                  "spec.egress[0].protocols[1].sctp.destinationPort.number in body should be greater than or "
                  "equal to 1",
                  kUnchecked}));
}

TEST(ClusterNetworkPolicyRules, Status) {
  const auto& kind = kind_of("ClusterNetworkPolicy");
  auto old = yaml(
      "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: a, uid: "
      "u, "
      "resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {tier: Admin, priority: 1, "
      "subject: {namespaces: {}}}}");
  auto problems = [&](const char* status) {
    auto now = old;
    now.as_object()["status"] = yaml(status);
    Problems out;
    for (const auto& error : validate_update(kind.resource, *kind.schema, now, old, "status")) {
      out.push_back(error.text());
    }
    return out;
  };
  EXPECT_THAT(problems("{conditions: []}"), IsEmpty());
  EXPECT_THAT(problems("{conditions: [{type: weft.dev/Programmed, status: 'True', reason: Done, message: '', "
                       "lastTransitionTime: '2026-01-01T00:00:00Z'}]}"),
              IsEmpty());
  EXPECT_THAT(problems("{}"), Eq(Problems{"status.conditions: Required value", kUnchecked}));
  EXPECT_THAT(problems("{conditions: [{type: A, status: 'Yes', reason: '', message: '', lastTransitionTime: "
                       "'2026-01-01T00:00:00Z'}]}")
                  .front(),
              testing::HasSubstr("status.conditions[0].status: Unsupported value: \"Yes\""));
  EXPECT_TRUE(counts_generation(kind.resource));
}

}  // namespace
}  // namespace weft::standalone
