#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/test_findings.h"

namespace weft::check {
namespace {

using test::brief;
using test::findings_of;
using test::service;
using testing::HasSubstr;

/// A Service without selector, its spec at line 4, and a slice of `family` whose addressType is at line 9.
std::string with_slice(const std::string& spec, const std::string& family, const std::string& address,
                       const std::string& more = {}) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\nspec: " + spec + R"(
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: )" +
         family + "\nports: [{port: 5432}]\nendpoints: [{addresses: [\"" + address + "\"]" + more + "}]\n";
}

TEST(CheckFamilies, SlicesThatFit) {
  EXPECT_EQ(brief(findings_of(with_slice("{ports: [{port: 5432}]}", "IPv4", "10.0.0.1"))), "");
  EXPECT_EQ(brief(findings_of(with_slice("{ipFamilies: [IPv6], ports: [{port: 5432}]}", "IPv6", "fd00::1"))),
            "");
}

TEST(CheckFamilies, SlicesThatDoNot) {
  auto found = findings_of(with_slice("{ipFamilies: [IPv6], ports: [{port: 5432}]}", "IPv4", "10.0.0.1"));
  EXPECT_EQ(brief(found), "9 error WEFT0111\n");
  EXPECT_THAT(found[0].message, HasSubstr("those of Service shop/db are IPv6"));
  EXPECT_EQ(brief(findings_of(with_slice("{ports: [{port: 5432}]}", "IPv6", "fd00::1"))),
            "9 note WEFT0111\n");
  EXPECT_EQ(brief(findings_of(
                with_slice("{ipFamilyPolicy: RequireDualStack, ports: [{port: 5432}]}", "IPv4", "10.0.0.1"))),
            "4 warning WEFT0111\n");
}

/// A node whose pods have one family, in front of the Service: its spec is at line 23.
std::string on_node(const std::string& cidr, const std::string& spec) {
  return "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDR: " + cidr + ", podCIDRs: [" +
         cidr + "]}\n---" + service(spec);
}

TEST(CheckFamilies, PodsThatHaveNoSuchAddress) {
  EXPECT_EQ(brief(findings_of(
                on_node("10.1.0.0/24", "{selector: {app: web}, ipFamilies: [IPv4], ports: [{port: 8080}]}"))),
            "");
  EXPECT_EQ(brief(findings_of(
                on_node("10.1.0.0/24", "{selector: {app: web}, ipFamilies: [IPv6], ports: [{port: 8080}]}"))),
            "23 error WEFT0111\n");
}

TEST(CheckFamilies, ExternalAddresses) {
  auto with = [](const std::string& fields) {
    return brief(findings_of(service("{selector: {app: web}, ports: [{port: 8080}], " + fields + "}")));
  };
  EXPECT_EQ(with("externalIPs: [192.0.2.1]"), "");
  EXPECT_EQ(with("externalIPs: [\"2001:db8::1\"]"), "") << "the cluster's first family may be that one";
  EXPECT_EQ(with("ipFamilyPolicy: RequireDualStack, externalIPs: [192.0.2.1, \"2001:db8::1\"]"), "");
  EXPECT_EQ(with("externalIPs: [192.0.2.1, \"2001:db8::1\"]"), "19 error WEFT0111\n");
  EXPECT_EQ(with("ipFamilies: [IPv4], externalIPs: [\"2001:db8::1\"]"), "19 error WEFT0111\n");
}

TEST(CheckFamilies, ExternalNames) {
  EXPECT_EQ(brief(findings_of(service("{type: ExternalName, externalName: db.example.com}"))), "");
  EXPECT_EQ(brief(findings_of(service("{type: ExternalName, externalName: 192.0.2.7}"))),
            "19 error WEFT0130\n");
}

TEST(CheckFamilies, SourceRanges) {
  auto with = [](const std::string& fields) {
    return brief(findings_of(
        service("{type: LoadBalancer, selector: {app: web}, ports: [{port: 8080}], " + fields + "}")));
  };
  EXPECT_EQ(with("loadBalancerSourceRanges: [203.0.113.0/24, 198.51.100.0/24]"), "");
  EXPECT_EQ(with("ipFamilyPolicy: RequireDualStack, loadBalancerSourceRanges: [203.0.113.0/24, "
                 "\"2001:db8::/32\"]"),
            "");
  EXPECT_EQ(with("loadBalancerSourceRanges: [0.0.0.0/0]"), "");
  EXPECT_EQ(with("loadBalancerSourceRanges: [203.0.113.0/24, 0.0.0.0/0]"), "19 warning WEFT0114\n");
  EXPECT_EQ(with("ipFamilyPolicy: RequireDualStack, loadBalancerSourceRanges: [203.0.113.0/24]"),
            "19 warning WEFT0114\n");
  EXPECT_EQ(with("ipFamilies: [IPv6], loadBalancerSourceRanges: [203.0.113.0/24]"), "19 error WEFT0114\n");
  EXPECT_EQ(with("ipFamilies: [IPv4], loadBalancerSourceRanges: [203.0.113.0/24, \"2001:db8::/32\"]"),
            "19 warning WEFT0114\n");
  EXPECT_EQ(with("loadBalancerSourceRanges: [203.0.113.0/24, \"2001:db8::/32\"]"), "")
      << "the cluster's first family may be either";
  EXPECT_EQ(brief(findings_of(service("{selector: {app: web}, ports: [{port: 8080}], "
                                      "loadBalancerSourceRanges: [203.0.113.0/24]}"))),
            "19 error WEFT0001\n")
      << "an API server says so";
}

TEST(CheckLocality, EndpointsWithoutNodes) {
  EXPECT_EQ(brief(findings_of(with_slice("{internalTrafficPolicy: Local, ports: [{port: 5432}]}", "IPv4",
                                         "10.0.0.1", ", nodeName: n1"))),
            "");
  EXPECT_EQ(brief(findings_of(
                with_slice("{internalTrafficPolicy: Local, ports: [{port: 5432}]}", "IPv4", "10.0.0.1"))),
            "4 error WEFT0113\n");
  EXPECT_EQ(
      brief(findings_of(with_slice("{type: NodePort, externalTrafficPolicy: Local, ports: [{port: 5432}]}",
                                   "IPv4", "10.0.0.1"))),
      "4 error WEFT0112\n");
}

constexpr const char* kTwoNodes =
    "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: "
    "n2}\n---";

TEST(CheckLocality, NodesWithoutEndpoints) {
  const std::string local = "{selector: {app: web}, internalTrafficPolicy: Local, ports: [{port: 8080}]}";
  auto found = findings_of(kTwoNodes + service(local));
  EXPECT_EQ(brief(found), "26 warning WEFT0113\n");
  EXPECT_THAT(found[0].message, HasSubstr("Deployment shop/web has no pod on n2"));
  auto everywhere = kTwoNodes + service(local);
  everywhere.replace(everywhere.find("kind: Deployment"), 16, "kind: DaemonSet ");
  EXPECT_EQ(brief(findings_of(everywhere)), "");
  const std::string ports =
      "{selector: {app: web}, type: NodePort, externalTrafficPolicy: Local, ports: [{port: 8080}]}";
  EXPECT_EQ(brief(findings_of(kTwoNodes + service(ports))), "26 warning WEFT0112\n");
}

TEST(CheckLocality, WithoutNodesItIsANote) {
  EXPECT_EQ(brief(findings_of(
                service("{selector: {app: web}, internalTrafficPolicy: Local, ports: [{port: 8080}]}"))),
            "19 note WEFT0113\n");
  EXPECT_EQ(
      brief(findings_of(service("{selector: {app: web}, type: LoadBalancer, externalTrafficPolicy: Local, "
                                "ports: [{port: 8080}]}"))),
      "")
      << "a load balancer asks the nodes";
}

}  // namespace
}  // namespace weft::check
