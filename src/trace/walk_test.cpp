#include "trace/walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "trace/test_cluster.h"

namespace weft::trace {
namespace {

using test::Cluster;
using test::kShop;
using test::policy;
using test::steps;
using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

TEST(Walk, ANameAServiceAndItsPods) {
  Cluster cluster(kShop);
  auto trace = cluster.trace("default/stranger", "http://web.shop/");
  EXPECT_EQ(trace.exit_code(), 0) << trace.to_text();
  auto answers = steps(trace.hops, "answer");
  ASSERT_THAT(answers, SizeIs(2)) << "the search list's first entry is the pod's own namespace";
  EXPECT_THAT(answers[0]->text, HasSubstr("web.shop.default.svc.cluster.local: no such name"));
  EXPECT_THAT(answers[1]->text, HasSubstr("web.shop.svc.cluster.local is 10.96."));
  auto service = steps(trace.hops, "service");
  ASSERT_THAT(service, SizeIs(1));
  EXPECT_EQ(service[0]->by[0].str(), "Service shop/web spec.ports[0].port");
  EXPECT_EQ(service[0]->by[0].file, "test.yaml");
  EXPECT_EQ(service[0]->by[0].line, 19);
  auto endpoints = steps(trace.hops, "endpoint");
  ASSERT_THAT(endpoints, SizeIs(2));
  EXPECT_THAT(endpoints[0]->text, HasSubstr(":8080, Pod shop/web-0 on node-1"));
  EXPECT_EQ(endpoints[0]->by[1].origin, "Deployment shop/web");
  EXPECT_EQ(endpoints[0]->by[1].line, 6);
}

TEST(Walk, TheSameManifestsGiveTheSame) {
  auto text = [] { return Cluster(kShop).trace("shop/client", "web.shop:80").to_text(); };
  EXPECT_EQ(text(), text());
}

TEST(Walk, WhoIsDeniedAndByWhichPolicyOrRule) {
  Cluster cluster(kShop + policy("web",
                                 "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: "
                                 "{matchLabels: {app: client}}}], ports: [{port: http}]}]"));
  auto allowed = cluster.trace("shop/client", "http://web/");
  EXPECT_EQ(allowed.exit_code(), 0) << allowed.to_text();
  auto rules = steps(allowed.hops, "ingress");
  ASSERT_THAT(rules, SizeIs(2));
  EXPECT_EQ(rules[0]->by[0].str(), "NetworkPolicy shop/web spec.ingress[0]");
  EXPECT_EQ(rules[0]->by[0].line, 34);

  auto denied = cluster.trace("stranger", "http://web.shop/");
  EXPECT_EQ(denied.outcome.verdict, Verdict::denied);
  EXPECT_THAT(denied.outcome.reason, HasSubstr("NetworkPolicy shop/web isolates the pod"));
  EXPECT_THAT(denied.outcome.fix, HasSubstr("podSelector {app=stranger}"));
  EXPECT_EQ(steps(denied.hops, "ingress")[0]->by[0].str(), "NetworkPolicy shop/web");
  EXPECT_EQ(cluster.verdict("192.0.2.9", "pod/shop/web-0"), "no way");
  EXPECT_EQ(cluster.verdict("node/node-1", "pod/shop/web-0"), "works") << "a node gets to its own pods";
}

TEST(Walk, APolicyThatNamesTheServicesPort) {
  Cluster cluster(kShop + policy("web", "podSelector: {}, ingress: [{ports: [{port: 80}]}]"));
  auto trace = cluster.trace("shop/client", "http://web/");
  EXPECT_EQ(trace.outcome.verdict, Verdict::denied);
  EXPECT_THAT(trace.outcome.fix,
              HasSubstr("port 80, which is the Service's: policies see the pod's port, so name TCP 8080"));
}

TEST(Walk, EgressThatForgetsDns) {
  Cluster cluster(kShop + policy("out",
                                 "podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: "
                                 "[{to: [{podSelector: {matchLabels: {app: web}}}]}]"));
  auto by_name = cluster.trace("shop/client", "http://web/");
  EXPECT_EQ(by_name.outcome.verdict, Verdict::denied);
  EXPECT_THAT(by_name.outcome.reason, HasSubstr("DNS cannot be asked: egress from Pod shop/client"));
  EXPECT_THAT(by_name.outcome.fix, HasSubstr("podSelector {k8s-app=kube-dns} with namespaceSelector "
                                             "{kubernetes.io/metadata.name=kube-system}, port UDP 53"));
  EXPECT_THAT(by_name.outcome.fix, HasSubstr("UDP and TCP port 53"));
  EXPECT_EQ(cluster.verdict("shop/client", "service/shop/web"), "works");
}

TEST(Walk, EgressToTheDnsOfKubeSystem) {
  Cluster cluster(kShop +
                  policy("client",
                         "podSelector: {matchLabels: {app: client}}, egress: [{to: [{namespaceSelector: "
                         "{matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{protocol: "
                         "UDP, port: 53}]}, {to: [{podSelector: {}}]}]"));
  EXPECT_EQ(cluster.verdict("shop/client", "http://web/"), "works");
}

TEST(Walk, OnePodOfTwoIsDenied) {
  Cluster cluster(kShop + policy("one", "podSelector: {matchLabels: {special: \"yes\"}}, ingress: []") + R"(
---
apiVersion: v1
kind: Pod
metadata: {name: odd, namespace: shop, labels: {app: web, special: "yes"}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 9090}]}]}
)");
  auto trace = cluster.trace("shop/client", "service/shop/web");
  EXPECT_EQ(trace.outcome.verdict, Verdict::partly);
  EXPECT_THAT(trace.outcome.reason,
              HasSubstr("1 of 3 ways: ingress from Pod shop/client to Pod shop/odd port 9090"));
  EXPECT_EQ(trace.exit_code(), 1);
}

TEST(Walk, NamesThatAreNot) {
  Cluster cluster(kShop);
  auto missing = cluster.trace("default/stranger", "http://web/");
  EXPECT_EQ(missing.outcome.verdict, Verdict::no_name);
  EXPECT_THAT(missing.outcome.fix, HasSubstr("there is a Service web in namespace shop: ask for web.shop"));
  EXPECT_THAT(steps(missing.hops, "answer").back()->text, HasSubstr("web: nobody outside the cluster"));
  EXPECT_EQ(cluster.verdict("default/stranger", "http://web.shop.svc.cluster.local/"), "works");
  EXPECT_EQ(cluster.verdict("default/stranger", "http://web.shop.svc.cluster.local./"), "works");
  EXPECT_EQ(cluster.verdict("default/stranger", "http://nobody.shop.svc.cluster.local./"), "no name");
  EXPECT_EQ(cluster.verdict("default/stranger", "https://www.example.org/"), "unknown");
  EXPECT_EQ(cluster.trace("default/stranger", "https://www.example.org/").exit_code(), 3);
  EXPECT_EQ(cluster.verdict("node/node-1", "http://web.shop.svc.cluster.local/"), "unknown");
  EXPECT_THAT(cluster.trace("outside", "http://web.shop/").outcome.fix,
              HasSubstr("ask for service/shop/web"));
}

TEST(Walk, WhatIsBehindTheApiServersServiceOnlyTheClusterKnows) {
  Cluster cluster(kShop);
  auto api = cluster.trace("shop/client", "https://kubernetes.default/");
  EXPECT_EQ(api.outcome.verdict, Verdict::unknown) << api.to_text();
  EXPECT_THAT(api.outcome.reason, HasSubstr("Service default/kubernetes, which every cluster has"));
  EXPECT_EQ(api.exit_code(), 3);
  EXPECT_EQ(cluster.verdict("node/node-1", "service/default/kubernetes"), "unknown");
  EXPECT_EQ(cluster.verdict("shop/client", "kubernetes.default.svc:80"), "refused") << "443 is its port";

  Cluster told(kShop + R"(
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
ports: [{name: https, port: 6443, protocol: TCP}]
endpoints: [{addresses: [192.0.2.7]}]
)");
  EXPECT_EQ(told.verdict("shop/client", "https://kubernetes.default/"), "works");
}

TEST(Walk, DnsPolicyAndHostsFile) {
  Cluster cluster(kShop + R"(
---
apiVersion: v1
kind: Pod
metadata: {name: apart, namespace: shop}
spec: {dnsPolicy: Default, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alias, namespace: shop}
spec:
  hostAliases: [{ip: 10.96.0.77, hostnames: [the-web]}]
  containers: [{name: c, image: i}]
---
apiVersion: v1
kind: Service
metadata: {name: fixed, namespace: shop}
spec: {clusterIP: 10.96.0.77, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
)");
  auto apart = cluster.trace("shop/apart", "http://web.shop/");
  EXPECT_EQ(apart.outcome.verdict, Verdict::unknown);
  EXPECT_THAT(apart.outcome.fix, HasSubstr("ClusterFirst"));
  EXPECT_EQ(cluster.verdict("shop/alias", "http://the-web/"), "works");
}

TEST(Walk, TheLoopbackAddressIsOnesOwn) {
  Cluster cluster(kShop);
  auto own = cluster.trace("shop/client", "http://127.0.0.1:8080/");
  EXPECT_EQ(own.outcome.verdict, Verdict::unknown);
  EXPECT_THAT(own.outcome.reason, HasSubstr("127.0.0.1 is Pod shop/client itself"));
  EXPECT_EQ(cluster.verdict("node/node-1", "[::1]:80"), "unknown");
}

TEST(Walk, HeadlessNamesAndStatefulSets) {
  Cluster cluster(kShop + R"(
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: i, ports: [{name: sql, containerPort: 5432}]}]}
)");
  auto one = cluster.trace("shop/client", "db-1.db:5432");
  EXPECT_EQ(one.exit_code(), 0) << one.to_text();
  ASSERT_THAT(steps(one.hops, "pod"), SizeIs(1));
  EXPECT_THAT(steps(one.hops, "pod")[0]->text, HasSubstr("Pod shop/db-1"));
  EXPECT_THAT(steps(cluster.trace("shop/client", "db:5432").hops, "pod"), SizeIs(2));
  EXPECT_THAT(cluster.trace("shop/client", "service/shop/db").outcome.fix, HasSubstr("db.shop"));
}

const std::string kNodes = R"(
apiVersion: v1
kind: Node
metadata: {name: a, labels: {topology.kubernetes.io/zone: east}}
---
apiVersion: v1
kind: Node
metadata: {name: b, labels: {topology.kubernetes.io/zone: west}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: a, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: near}
spec: {nodeName: a, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far}
spec: {nodeName: b, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec: {internalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: public}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  loadBalancerSourceRanges: [198.51.100.0/24]
  selector: {app: web}
  ports: [{port: 80, nodePort: 30080}]
)";

TEST(Walk, PoliciesThatKeepTrafficOnANode) {
  Cluster cluster(kNodes);
  EXPECT_EQ(cluster.verdict("near", "service/local"), "works");
  auto far = cluster.trace("far", "service/local");
  EXPECT_EQ(far.outcome.verdict, Verdict::dropped);
  EXPECT_THAT(far.outcome.reason, HasSubstr("internalTrafficPolicy of Service default/local is Local"));
  EXPECT_THAT(far.outcome.reason, HasSubstr("on b"));
  auto slices = steps(far.hops, "slices");
  ASSERT_THAT(slices, SizeIs(1));
  EXPECT_THAT(slices[0]->notes.at(0), HasSubstr("it is on another node"));
}

TEST(Walk, ToAnotherNodesPortOneComesFromElsewhere) {
  Cluster cluster(kNodes +
                  policy("far",
                         "podSelector: {matchLabels: {app: jailed}}, policyTypes: [Egress], egress: "
                         "[{to: [{podSelector: {}}]}]",
                         "default") +
                  R"(
---
apiVersion: v1
kind: Pod
metadata: {name: jailed, labels: {app: jailed}}
spec: {nodeName: b, containers: [{name: c, image: i}]}
)");
  EXPECT_EQ(cluster.verdict("far", "172.30.0.3:30080"), "works")
      << "the node's own pods may use all endpoints";
  EXPECT_EQ(cluster.verdict("near", "172.30.0.3:30080"), "dropped") << "others not";
  EXPECT_EQ(cluster.verdict("node/a", "172.30.0.3:30080"), "dropped");
  EXPECT_EQ(cluster.verdict("far", "172.30.0.2:30080"), "works");
  EXPECT_EQ(cluster.verdict("jailed", "172.30.0.3:30080"), "works") << "it gets to a pod";
  auto jailed = cluster.trace("jailed", "172.30.0.2:30080");
  EXPECT_EQ(jailed.outcome.verdict, Verdict::denied) << "what leaves it is for a node";
  EXPECT_THAT(steps(jailed.hops, "egress"), SizeIs(1));
}

/// A Service at any node's port, whose pod lets `cidr` and pods in; `forwarding`: of the node that has no
/// endpoint.
std::string at_any_node(const std::string& cidr, const std::string& forwarding = "routes") {
  auto nodes = kNodes;
  const std::string name = "{name: b, ";
  nodes.insert(nodes.find(name) + name.size(), "annotations: {weft.dev/forwarding: " + forwarding + "}, ");
  return nodes +
         policy("web",
                "podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: " + cidr +
                    "}}, {podSelector: {}}]}]",
                "default") +
         R"(
---
apiVersion: v1
kind: Service
metadata: {name: any}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30081}]}
)";
}

TEST(Walk, PassedOnWithDirectServerReturnItHasTheClientsAddress) {
  Cluster cluster(at_any_node("203.0.113.0/24", "dsr"));
  auto other = cluster.trace("203.0.113.1", "172.30.0.3:30081");
  EXPECT_EQ(other.outcome.verdict, Verdict::works) << other.to_text();
  EXPECT_THAT(steps(other.hops, "endpoint").at(0)->notes, Contains(HasSubstr("as it is")));
  EXPECT_EQ(cluster.verdict("198.51.100.1", "172.30.0.3:30081"), "denied");
  EXPECT_EQ(cluster.verdict("near", "172.30.0.3:30081"), "works") << "it comes back as of the pod";
  auto own = cluster.trace("node/a", "172.30.0.3:30081");
  EXPECT_EQ(own.outcome.verdict, Verdict::dropped);
  EXPECT_THAT(own.outcome.reason, HasSubstr("a takes nothing from others that has its own address"));
  EXPECT_EQ(cluster.verdict("node/a", "172.30.0.2:30081"), "works");
}

TEST(Walk, PassedOnThroughATunnelItHasAnAddressOfThePodsRange) {
  Cluster from_tunnel(at_any_node("10.244.4.0/32", "vxlan"));
  auto trace = from_tunnel.trace("203.0.113.1", "172.30.0.3:30081");
  EXPECT_EQ(trace.outcome.verdict, Verdict::works) << trace.to_text();
  EXPECT_EQ(from_tunnel.verdict("203.0.113.1", "172.30.0.2:30081"), "denied") << "of the pod's own node";
  Cluster from_node(at_any_node("172.30.0.3/32", "vxlan"));
  auto denied = from_node.trace("203.0.113.1", "172.30.0.3:30081");
  EXPECT_EQ(denied.outcome.verdict, Verdict::denied);
  EXPECT_THAT(denied.outcome.fix, HasSubstr("ipBlock 10.244.4.0/32"));
}

TEST(Walk, PassedOnByANodeItHasThatNodesAddress) {
  Cluster cluster(at_any_node("203.0.113.0/24"));
  EXPECT_EQ(cluster.verdict("203.0.113.1", "172.30.0.2:30081"), "works");
  auto other = cluster.trace("203.0.113.1", "172.30.0.3:30081");
  EXPECT_EQ(other.outcome.verdict, Verdict::denied);
  EXPECT_THAT(other.outcome.reason, HasSubstr("from Node b (172.30.0.3)"));
  EXPECT_EQ(cluster.verdict("far", "172.30.0.2:30081"), "works") << "it comes to the pod's own node";
  EXPECT_EQ(cluster.verdict("far", "172.30.0.3:30081"), "works") << "translated where it begins";
  EXPECT_EQ(cluster.verdict("near", "172.30.0.3:30081"), "denied") << "there and back";
}

TEST(Walk, ANodePortIsThereInTheFamiliesOfItsService) {
  Cluster cluster(kNodes + R"(
---
apiVersion: v1
kind: Service
metadata: {name: four}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30084}]}
---
apiVersion: v1
kind: Service
metadata: {name: both}
spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80, nodePort: 30085}]}
)");
  auto node = cluster.trace("outside", "node/b:30084");
  EXPECT_EQ(node.outcome.verdict, Verdict::works) << node.to_text();
  EXPECT_THAT(steps(node.hops, "service"), SizeIs(1));
  EXPECT_THAT(steps(node.hops, "service")[0]->notes, Contains("Service default/four is of IPv4 alone"));
  EXPECT_EQ(cluster.verdict("outside", "service/four"), "works");
  EXPECT_EQ(cluster.verdict("far", "node/a:30084"), "works");
  EXPECT_THAT(steps(cluster.trace("outside", "node/b:30085").hops, "service"), SizeIs(2));
  EXPECT_EQ(cluster.verdict("2001:db8::7", "node/b:30084"), "no way") << "a client without IPv4";
  EXPECT_EQ(cluster.verdict("outside", "[fd00:172::3]:30084"), "unknown") << "who asks for that address";
}

TEST(Walk, OnANodeListensWhatPodsOnItsNetworkSay) {
  Cluster cluster(kNodes + R"(
---
apiVersion: v1
kind: Pod
metadata: {name: host}
spec: {nodeName: b, hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 9100}]}]}
)");
  auto trace = cluster.trace("near", "pod/host");
  EXPECT_EQ(trace.outcome.verdict, Verdict::works) << trace.to_text();
  EXPECT_EQ(steps(trace.hops, "pod").at(0)->by.at(0).str(), "Pod default/host");
  EXPECT_EQ(cluster.verdict("outside", "node/b:9100"), "works");
  EXPECT_EQ(cluster.verdict("near", "node/b:9101"), "unknown") << "nothing says so";
  EXPECT_EQ(cluster.verdict("near", "node/a:9100"), "unknown") << "on another node";
  EXPECT_EQ(cluster.verdict("near", "node/b:9100", {.protocol = IPPROTO_UDP, .port = {}, .headers = {}}),
            "unknown");
}

TEST(Walk, FromOutside) {
  Cluster cluster(kNodes);
  auto listed = cluster.trace("198.51.100.7", "service/public");
  EXPECT_EQ(listed.exit_code(), 0) << listed.to_text();
  EXPECT_THAT(steps(listed.hops, "service")[0]->text, HasSubstr("it comes in by a"))
      << "only there is an endpoint";
  auto other = cluster.trace("192.0.2.7", "service/public");
  EXPECT_EQ(other.outcome.verdict, Verdict::dropped);
  EXPECT_THAT(other.outcome.reason, HasSubstr("loadBalancerSourceRanges"));
  EXPECT_EQ(cluster.verdict("outside", "service/local"), "no way");
  EXPECT_EQ(cluster.verdict("192.0.2.7", "172.30.0.2:30080"), "works")
      << "ranges are for load balancers alone";
  EXPECT_EQ(cluster.verdict("192.0.2.7", "172.30.0.3:30080"), "dropped") << "node b has no endpoint";
  EXPECT_EQ(cluster.verdict("outside", "pod/web"), "no way");
}

TEST(Walk, WhichNodeAnnouncesAnExampleNobodyKnows) {
  Cluster cluster(R"(
apiVersion: v1
kind: Node
metadata: {name: a}
---
apiVersion: v1
kind: Node
metadata: {name: b}
---
apiVersion: v1
kind: Pod
metadata: {name: open, labels: {app: web}}
spec: {nodeName: a, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shut, labels: {app: web, shut: "yes"}}
spec: {nodeName: b, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none}
spec: {podSelector: {matchLabels: {shut: "yes"}}}
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: fixed}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerIP: 172.30.0.200, selector: {app: web}, ports: [{port: 80}]}
)");
  EXPECT_EQ(cluster.verdict("outside", "service/local"), "partly");
  EXPECT_NE(cluster.verdict("outside", "service/fixed"), "partly")
      << "its address is known, and so who has it";
}

TEST(Walk, AClusterNetworkPolicyNamesItsRule) {
  Cluster cluster(kShop + R"(
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: guard}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress:
    - {name: no-strangers, action: Deny, from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: default}}}]}
)");
  auto trace = cluster.trace("stranger", "service/shop/web");
  EXPECT_EQ(trace.outcome.verdict, Verdict::denied);
  auto hops = steps(trace.hops, "ingress");
  ASSERT_THAT(hops, SizeIs(2));
  EXPECT_EQ(hops[0]->by.at(0).str(), "ClusterNetworkPolicy guard spec.ingress[0]");
  EXPECT_EQ(hops[0]->by.at(0).line, 40);
}

TEST(Walk, WrongUseIsToldAsSuch) {
  Cluster cluster(kShop);
  auto error = [&](const char* from, const char* to) {
    auto result = cluster.try_trace(from, to);
    return result ? "none" : result.error().message;
  };
  EXPECT_THAT(error("shop/nobody", "http://web/"), HasSubstr("there is no pod shop/nobody"));
  EXPECT_THAT(error("deployment/web", "http://web/"), HasSubstr("Deployment default/web"));
  EXPECT_THAT(error("service/shop/web", "http://web/"), HasSubstr("begins no connections"));
  EXPECT_THAT(error("shop/client", "web"), HasSubstr("--port"));
  EXPECT_THAT(error("shop/client", "ftp://web/"), HasSubstr("http:// and https://"));
  EXPECT_THAT(error("shop/client", "service/shop/none"), HasSubstr("there is no Service shop/none"));
  EXPECT_THAT(error("shop/client", "web:99999"), HasSubstr("no port"));
}

TEST(Walk, JsonSaysTheSame) {
  Cluster cluster(kShop + policy("web", "podSelector: {}, ingress: []"));
  auto json = cluster.trace("shop/client", "service/shop/web").to_json();
  EXPECT_EQ(json["verdict"], "denied");
  const auto& from = json["hops"].at(0);
  EXPECT_EQ(from.at("step"), "from");
  const auto& service = from.at("hops").at(0);
  EXPECT_EQ(service.at("step"), "service");
  EXPECT_EQ(service.at("by").at(0).at("file"), "test.yaml");
  EXPECT_EQ(service.at("verdict"), "denied");
}

}  // namespace
}  // namespace weft::trace
