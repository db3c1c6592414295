#include "policy/test_world.h"

/// Policies that let pods ask for names, where DNS servers are on the nodes' network.
namespace weft::policy {
namespace {

using test::object;
using test::World;

constexpr const char* kNode = "192.0.2.1";

kube::EndpointSlice slice(const std::string& address, const std::string& service = "kube-dns") {
  auto out = object<kube::EndpointSlice>("{addressType: IPv4, endpoints: [{addresses: [" + address + "]}]}");
  out.metadata.namespace_ = "kube-system";
  out.metadata.name = service + "-1";
  out.metadata.labels["kubernetes.io/service-name"] = service;
  return out;
}

struct DnsPeer : testing::Test {
  DnsPeer() {
    world.namespace_("kube-system", "{kubernetes.io/metadata.name: kube-system}");
    world.namespace_("shop", "{kubernetes.io/metadata.name: shop}");
    world.put(object<kube::Node>("{metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: " +
                                 std::string(kNode) + "}]}}"));
    world.pod("shop/web", "10.244.0.5", "{app: web}", "spec: {nodeName: n2}");
    world.put(slice(kNode));
  }
  void may_send(const std::string& to, const std::string& ports = "[{protocol: UDP, port: 53}, {port: 53}]") {
    world.policy("shop/names", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [" + to +
                                   "], ports: " + ports + "}]}");
  }
  bool asks(std::string_view protocol = "UDP", int port = 53) {
    return world.allows("shop/web", kNode, port, protocol);
  }

  World world;
};

constexpr const char* kSystem =
    "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}";

TEST_F(DnsPeer, PodsOfKubeSystemMeanIt) {
  may_send(kSystem);
  EXPECT_TRUE(asks());
  EXPECT_TRUE(asks("TCP"));
  EXPECT_FALSE(asks("TCP", 443));
  EXPECT_FALSE(asks("UDP", 54));
}

TEST_F(DnsPeer, SoDoTheirUsualLabels) {
  may_send("{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}");
  EXPECT_TRUE(asks());
  may_send("{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: other}}}");
  EXPECT_FALSE(asks());
  may_send("{podSelector: {matchLabels: {k8s-app: kube-dns}}}");  // of the policy's own namespace
  EXPECT_FALSE(asks());
}

TEST_F(DnsPeer, ItsPortAloneWhateverARuleAllows) {
  world.policy("shop/names",
               "{podSelector: {}, policyTypes: [Egress], egress: [{to: [" + std::string(kSystem) + "]}]}");
  EXPECT_TRUE(asks());
  EXPECT_TRUE(asks("TCP"));
  EXPECT_FALSE(asks("TCP", 10250));
  EXPECT_FALSE(asks("ICMP", 0));
  may_send(kSystem, "[{protocol: UDP, port: 50, endPort: 60}]");
  EXPECT_TRUE(asks());
  EXPECT_FALSE(asks("UDP", 55));
  EXPECT_FALSE(asks("TCP"));
}

TEST_F(DnsPeer, PortsByTheirUsualNames) {
  may_send(kSystem, "[{protocol: UDP, port: dns}]");
  EXPECT_TRUE(asks());
  EXPECT_FALSE(asks("TCP"));
  may_send(kSystem, "[{protocol: UDP, port: http}]");
  EXPECT_FALSE(asks());
}

TEST_F(DnsPeer, WhatAlsoNamesTheNodeStaysAsWide) {
  may_send("{ipBlock: {cidr: 192.0.2.0/24}}, " + std::string(kSystem),
           "[{port: 443}, {protocol: UDP, port: 53}]");
  EXPECT_TRUE(asks("TCP", 443));
  EXPECT_TRUE(asks());
}

TEST_F(DnsPeer, NothingComesInForIt) {
  world.policy("shop/in", "{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [" +
                              std::string(kSystem) + "]}]}");
  EXPECT_FALSE(world.allows(kNode, "shop/web", 53, "UDP"));
}

TEST_F(DnsPeer, ThoseOfAnotherServiceAreNone) {
  may_send(kSystem);
  world.put(slice("192.0.2.9", "metrics"));
  EXPECT_FALSE(world.allows("shop/web", "192.0.2.9", 53, "UDP"));
  EXPECT_TRUE(asks());
}

TEST_F(DnsPeer, FollowsTheServersAndTheNamespace) {
  may_send(kSystem);
  world.put(slice("192.0.2.2"));
  EXPECT_FALSE(asks());
  EXPECT_TRUE(world.allows("shop/web", "192.0.2.2", 53, "UDP"));
  world.erase(slice(""));
  EXPECT_FALSE(world.allows("shop/web", "192.0.2.2", 53, "UDP"));
  world.put(slice(kNode));
  EXPECT_TRUE(asks());
  world.namespace_("kube-system", "{kubernetes.io/metadata.name: renamed}");
  EXPECT_FALSE(asks());
  world.namespace_("kube-system", "{kubernetes.io/metadata.name: kube-system}");
  EXPECT_TRUE(asks());
  world.erase_policy("shop/names");
  EXPECT_TRUE(asks("TCP", 80));
}

TEST_F(DnsPeer, ServersThatArePodsAreJudgedAsThemselves) {
  may_send("{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}");
  world.pod("kube-system/coredns", "10.244.0.9", "{k8s-app: coredns}");
  world.put(slice("10.244.0.9"));
  EXPECT_FALSE(world.allows("shop/web", "kube-system/coredns", 53, "UDP"));
}

TEST_F(DnsPeer, AdminsMeanItToo) {
  world.cluster("guard",
                "{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{pods: "
                "{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}}]}]}");
  EXPECT_FALSE(asks());
  EXPECT_TRUE(asks("TCP", 443));
}

}  // namespace
}  // namespace weft::policy
