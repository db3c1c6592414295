#include "gateway/ingress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_plan.h"

namespace weft::gateway {
namespace {

using test::World;
using testing::ElementsAre;
using testing::SizeIs;

constexpr const char* kGateway = "kube-system/weft-ingress";

struct Ingresses : World {
  Ingresses() {
    put("{kind: IngressClass, metadata: {name: weft}, spec: {controller: weft.dev/ingress-controller}}");
    put("{kind: IngressClass, metadata: {name: other}, spec: {controller: other.example/ingress}}");
    service("infra/web");
    address(kGateway);
  }
  void ingress(const std::string& spec, const std::string& meta = "") {
    put(fmt::format("{{kind: Ingress, metadata: {{name: i, namespace: infra{}}}, spec: {{{}}}}}",
                    meta.empty() ? "" : ", " + meta, spec));
  }
  bool ours() {
    settle();
    return plan.ingress_status("infra/i") != nullptr;
  }
};

constexpr const char* kRules =
    "rules: [{host: a.example, http: {paths: [{path: /foo, pathType: Prefix, backend: {service: {name: "
    "web, port: {number: 80}}}}]}}]";

TEST(Ingress, FromPathsToRules) {
  Ingresses world;
  world.ingress(R"(ingressClassName: weft,
    defaultBackend: {service: {name: web, port: {number: 80}}},
    rules: [{host: a.example, http: {paths: [
      {path: /foo, pathType: Prefix, backend: {service: {name: web, port: {name: web}}}},
      {path: /bar/, pathType: Exact, backend: {service: {name: none, port: {number: 80}}}},
      {pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}]}},
      {host: "*.b.example", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}])");
  auto rules = world.rules("a.example", 80, kGateway);
  ASSERT_THAT(rules, SizeIs(3));
  EXPECT_EQ(rules[0]->matches[0], (Match{PathKind::prefix, "/foo", "", {}, {}}));
  EXPECT_EQ(rules[0]->backends[0].backend, "infra/web:80");
  EXPECT_EQ(rules[1]->matches[0], (Match{PathKind::exact, "/bar/", "", {}, {}}));
  EXPECT_EQ(rules[1]->backends[0].backend, "");
  EXPECT_EQ(rules[2]->matches[0], (Match{PathKind::prefix, "/", "", {}, {}}));
  EXPECT_THAT(world.rules("", 80, kGateway), SizeIs(1));
  for (const auto& host : world.port(80, kGateway)->listeners[0]->hosts)
    EXPECT_EQ(host->one_label, host->hostname == "*.b.example") << host->hostname;
  EXPECT_FALSE(world.port(443, kGateway));
  EXPECT_EQ(world.plan.ingress_status("infra/i")->loadBalancer.ingress.at(0).ip, "192.0.2.1");
  EXPECT_THAT(world.plan.entrance(kGateway)->ports, ElementsAre(PortKey{80, false}, PortKey{443, false}));
}

TEST(Ingress, Classes) {
  Ingresses world;
  world.ingress(kRules);
  EXPECT_FALSE(world.ours());
  EXPECT_FALSE(world.plan.entrance(kGateway)) << "no address is taken for nobody";
  world.ingress(std::string("ingressClassName: weft, ") + kRules);
  EXPECT_TRUE(world.ours());
  EXPECT_TRUE(world.plan.entrance(kGateway));
  world.ingress(std::string("ingressClassName: other, ") + kRules);
  EXPECT_FALSE(world.ours());
  EXPECT_FALSE(world.plan.entrance(kGateway));
  EXPECT_TRUE(world.rules("a.example", 80, kGateway).empty());
  world.ingress(kRules, "annotations: {kubernetes.io/ingress.class: weft}");
  EXPECT_TRUE(world.ours());
  world.ingress(kRules);
  EXPECT_FALSE(world.ours());
  world.put(
      "{kind: IngressClass, metadata: {name: weft, creationTimestamp: '2026-01-01T00:00:00Z', annotations: "
      "{ingressclass.kubernetes.io/is-default-class: 'true'}}, spec: {controller: "
      "weft.dev/ingress-controller}}");
  EXPECT_TRUE(world.ours());
  world.put(
      "{kind: IngressClass, metadata: {name: newer, creationTimestamp: '2026-01-02T00:00:00Z', annotations: "
      "{ingressclass.kubernetes.io/is-default-class: 'true'}}, spec: {controller: other.example/ingress}}");
  EXPECT_FALSE(world.ours());
}

TEST(Ingress, CertificatesOpenHttps) {
  Ingresses world;
  world.tls_secret("infra/c", test::make_certificate());
  world.ingress(std::string("ingressClassName: weft, tls: [{hosts: [a.example], secretName: c}], ") + kRules);
  EXPECT_THAT(world.rules("a.example", 443, kGateway), SizeIs(1));
  EXPECT_THAT(world.rules("a.example", 80, kGateway), SizeIs(1));
  EXPECT_THAT(world.port(443, kGateway)->listeners[0]->certificates, ElementsAre("infra/c"));
  EXPECT_TRUE(world.plan.snapshot().certificates->pairs.contains("infra/c"));
  world.erase<kube::Secret>("infra/c");
  EXPECT_FALSE(world.port(443, kGateway));
}

}  // namespace
}  // namespace weft::gateway
