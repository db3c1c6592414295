#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "standalone/apimachinery/service_allocator.h"
#include "standalone/apimachinery/test_objects.h"

namespace weft::standalone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A server's part in writing Services.
class Services : public testing::Test {
 protected:
  static ServiceRanges dual() {
    return {.cluster_ips = {*IpPrefix::parse("10.96.0.0/16"), *IpPrefix::parse("fd00:96::/112")}};
  }
  static ServiceRanges single() { return {.cluster_ips = {*IpPrefix::parse("10.96.0.0/16")}}; }

  static json::value service(std::string_view spec) {
    return yaml("{apiVersion: v1, kind: Service, metadata: {name: s, namespace: ns}, spec: " +
                std::string(spec) + "}");
  }

  /// The stored object, or what is wrong with it.
  std::expected<json::value, std::vector<std::string>> write(json::value object,
                                                             const json::value& old = nullptr) {
    const auto& kind = kind_of("Service");
    drop_nulls(object, *kind.schema);
    default_object(kind.resource, *kind.schema, object);
    if (old.is_null()) {
      prepare_for_create(kind.resource, true, object);
    } else {
      prepare_for_update(kind.resource, true, object, old);
    }
    auto texts = [](const FieldErrors& errors) {
      std::vector<std::string> out;
      for (const auto& error : errors) out.push_back(error.text());
      return std::unexpected(out);
    };
    auto transaction = allocator_.allocate(object, old);
    if (!transaction) return texts(transaction.error());
    auto errors = old.is_null() ? validate_create(kind.resource, *kind.schema, object)
                                : validate_update(kind.resource, *kind.schema, object, old);
    if (!errors.empty()) return texts(errors);
    transaction->commit();
    return object;
  }

  std::vector<std::string> problems(std::string_view spec, const json::value& old = nullptr) {
    auto done = write(service(spec), old);
    return done ? std::vector<std::string>{} : done.error();
  }

  json::value stored(std::string_view spec, const json::value& old = nullptr) {
    auto done = write(service(spec), old);
    EXPECT_TRUE(done) << spec << testing::PrintToString(done ? std::vector<std::string>{} : done.error());
    return done ? *done : json::value();
  }

  ServiceAllocator allocator_{dual()};
};

TEST_F(Services, Defaults) {
  auto object = stored("{ports: [{port: 80}]}");
  auto spec = object.at("spec").as_object();
  auto ip = kube::string_at(object, "spec.clusterIP");
  EXPECT_TRUE(IpPrefix::parse("10.96.0.0/16")->contains(*IpAddr::parse(ip)));
  EXPECT_EQ(spec.at("clusterIPs"), json::array{ip});
  EXPECT_EQ(spec.at("ipFamilies"), json::array{"IPv4"});
  EXPECT_EQ(spec.at("ipFamilyPolicy"), "SingleStack");
  EXPECT_EQ(spec.at("type"), "ClusterIP");
  EXPECT_EQ(spec.at("sessionAffinity"), "None");
  EXPECT_EQ(spec.at("internalTrafficPolicy"), "Cluster");
  EXPECT_FALSE(spec.contains("externalTrafficPolicy"));
  EXPECT_EQ(spec.at("ports").at(0), json::parse(R"({"port":80,"protocol":"TCP","targetPort":80})"));
  auto sticky = stored("{sessionAffinity: ClientIP, ports: [{port: 80, targetPort: http}]}");
  EXPECT_EQ(sticky.at("spec").at("sessionAffinityConfig").at("clientIP").at("timeoutSeconds"), 10800);
  EXPECT_EQ(sticky.at("spec").at("ports").at(0).at("targetPort"), "http");
}

TEST_F(Services, RefusedAsUpstream) {
  struct {
    const char* spec;
    std::vector<std::string> problems;
  } cases[] = {
      {"{}", {"spec.ports: Required value"}},
      {"{ports: [{port: 70000}]}",
       {"spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        "spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive"}},
      {"{ports: [{port: 80}, {port: 81}]}",
       {"spec.ports[0].name: Required value", "spec.ports[1].name: Required value"}},
      {"{ports: [{port: 80, name: a}, {port: 80, name: b}]}",
       {"spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}"}},
      {"{ports: [{port: 80, name: a}, {port: 81, name: a}]}", {"spec.ports[1].name: Duplicate value: \"a\""}},
      {"{ports: [{port: 80, protocol: HTTP}]}",
       {"spec.ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\""}},
      {"{ports: [{port: 80, nodePort: 30000}]}",
       {"spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"}},
      {"{type: Foo, ports: [{port: 80}]}", {"spec.type: Unsupported value: \"Foo\""}},
      {"{type: ExternalName}", {"spec.externalName: Required value"}},
      {"{type: ExternalName, externalName: a_b}", {"spec.externalName: Invalid value: \"a_b\""}},
      {"{type: ExternalName, externalName: a.b., clusterIP: 10.96.0.9}",
       {"spec.clusterIPs: Forbidden: may not be set for ExternalName services"}},
      {"{type: NodePort, clusterIP: None, ports: [{port: 80}]}",
       {"spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"}},
      {"{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, ports: "
       "[{port: 80}]}",
       {"timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400"}},
      {"{externalTrafficPolicy: Local, ports: [{port: 80}]}",
       {"spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible "
        "services"}},
      {"{externalIPs: [127.0.0.1], ports: [{port: 80}]}",
       {"spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range"}},
      {"{loadBalancerSourceRanges: [10.0.0.0/8], ports: [{port: 80}]}",
       {"spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"}},
      {"{type: LoadBalancer, loadBalancerSourceRanges: [nope], ports: [{port: 80}]}",
       {"spec.LoadBalancerSourceRanges[0]: Invalid value: \"nope\": must be a valid CIDR value"}},
      {"{loadBalancerClass: a/b, ports: [{port: 80}]}",
       {"spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"}},
      {"{trafficDistribution: Near, ports: [{port: 80}]}",
       {"spec.trafficDistribution: Unsupported value: \"Near\""}},
      {"{selector: {'a b': c}, ports: [{port: 80}]}", {"spec.selector: Invalid value: \"a b\""}},
      {"{ports: [{port: 80, appProtocol: 'a b'}]}", {"spec.ports[0].appProtocol: Invalid value: \"a b\""}},
      {"{healthCheckNodePort: 30001, ports: [{port: 80}]}",
       {"spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer'"}},
  };
  for (const auto& c : cases) {
    auto got = problems(c.spec);
    ASSERT_EQ(got.size(), c.problems.size()) << c.spec << testing::PrintToString(got);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_THAT(got[i], HasSubstr(c.problems[i])) << c.spec;
  }
  EXPECT_EQ(allocator_.used_cluster_ips(true), 0U) << "a refused Service keeps no address";
  EXPECT_EQ(allocator_.used_node_ports(), 0U);
}

TEST_F(Services, NamesAreDns1035Labels) {
  auto object = service("{ports: [{port: 80}]}");
  object.at("metadata").as_object()["name"] = "1st";
  auto done = write(object);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error()[0],
              HasSubstr("metadata.name: Invalid value: \"1st\": a DNS-1035 label must consist of"));
}

TEST_F(Services, Addresses) {
  auto first = stored("{clusterIP: 10.96.0.10, ports: [{port: 53}]}");
  EXPECT_THAT(
      problems("{clusterIP: 10.96.0.10, ports: [{port: 53}]}"),
      ElementsAre("spec.clusterIPs: Invalid value: [\"10.96.0.10\"]: failed to allocate IP 10.96.0.10: "
                  "provided IP is already allocated"));
  EXPECT_THAT(
      problems("{clusterIP: 10.97.0.10, ports: [{port: 53}]}"),
      ElementsAre(
          "spec.clusterIPs: Invalid value: [\"10.97.0.10\"]: failed to allocate IP 10.97.0.10: the "
          "provided IP (10.97.0.10) is not in the valid range. The range of valid IPs is 10.96.0.0/16"));
  EXPECT_THAT(problems("{clusterIP: 10.96.0.0, ports: [{port: 53}]}").at(0),
              HasSubstr("is not in the valid range"));
  EXPECT_THAT(problems("{clusterIP: nope, ports: [{port: 53}]}").at(0),
              HasSubstr("spec.clusterIPs[0]: Invalid value: \"nope\": must be a valid IP address"));
  allocator_.release(first);
  EXPECT_THAT(problems("{clusterIP: 10.96.0.10, ports: [{port: 53}]}"), IsEmpty());
}

TEST_F(Services, DynamicAddressesLeaveTheLowerBandAlone) {
  for (int i = 0; i < 200; ++i) {
    auto object = stored("{ports: [{port: 80}]}");
    auto ip = *IpAddr::parse(kube::string_at(object, "spec.clusterIP"));
    auto bytes = ip.bytes();
    EXPECT_GT(bytes[2] * 256 + bytes[3], 256) << "10.96.0.1 to 10.96.1.0 are for those who ask";
  }
  allocator_ = ServiceAllocator({.cluster_ips = {*IpPrefix::parse("10.0.0.0/28")}});
  for (int i = 0; i < 14; ++i) stored("{ports: [{port: 80}]}");
  EXPECT_THAT(problems("{ports: [{port: 80}]}").at(0),
              HasSubstr("failed to allocate a serviceIP: range is full"));
}

TEST_F(Services, DualStack) {
  auto both = stored("{ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}");
  EXPECT_EQ(both.at("spec").at("ipFamilies"), (json::array{"IPv4", "IPv6"}));
  EXPECT_EQ(both.at("spec").at("clusterIPs").as_array().size(), 2U);
  EXPECT_EQ(both.at("spec").at("clusterIP"), both.at("spec").at("clusterIPs").at(0));
  auto six = stored("{ipFamilies: [IPv6], ports: [{port: 80}]}");
  EXPECT_TRUE(kube::string_at(six, "spec.clusterIP").starts_with("fd00:96::"));
  auto reversed = stored("{ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4], ports: [{port: 80}]}");
  EXPECT_TRUE(kube::string_at(reversed, "spec.clusterIP").starts_with("fd00:96::"));
  auto asked = stored("{clusterIPs: ['fd00:96::77'], clusterIP: 'fd00:96::77', ports: [{port: 80}]}");
  EXPECT_EQ(asked.at("spec").at("ipFamilies"), json::array{"IPv6"});
  EXPECT_THAT(
      problems("{ipFamilies: [IPv4, IPv6], ports: [{port: 80}]}").at(0),
      HasSubstr("must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"));
  EXPECT_THAT(
      problems("{ipFamilies: [IPv4, IPv4], ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}").at(0),
      HasSubstr("spec.ipFamilies[1]: Duplicate value: \"IPv4\""));

  // The second family comes and goes; the first stays.
  auto one = stored("{ports: [{port: 80}]}");
  auto used = allocator_.used_cluster_ips(false);
  auto upgraded = stored("{ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}", one);
  EXPECT_EQ(upgraded.at("spec").at("clusterIPs").at(0), one.at("spec").at("clusterIP"));
  EXPECT_EQ(allocator_.used_cluster_ips(false), used + 1);
  EXPECT_THAT(
      problems("{ipFamilies: [IPv4], ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}", upgraded).at(0),
      HasSubstr("must be 'SingleStack' to release the secondary IP family"));
  auto back = stored("{ipFamilyPolicy: SingleStack, ipFamilies: [IPv4], ports: [{port: 80}]}", upgraded);
  EXPECT_EQ(back.at("spec").at("clusterIPs").as_array().size(), 1U);
  EXPECT_EQ(allocator_.used_cluster_ips(false), used);
  EXPECT_THAT(problems("{ipFamilies: [IPv6], ports: [{port: 80}]}", one).size(), testing::Gt(0U));

  allocator_ = ServiceAllocator(single());
  EXPECT_THAT(problems("{ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}").at(0),
              HasSubstr("this cluster is not configured for dual-stack services"));
  EXPECT_THAT(problems("{ipFamilies: [IPv6], ports: [{port: 80}]}").at(0),
              HasSubstr("spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"));
  EXPECT_EQ(stored("{ipFamilyPolicy: PreferDualStack, ports: [{port: 80}]}").at("spec").at("ipFamilies"),
            json::array{"IPv4"});
}

TEST_F(Services, Headless) {
  auto plain = stored("{clusterIP: None, selector: {a: b}}");
  EXPECT_EQ(plain.at("spec").at("clusterIPs"), json::array{"None"});
  EXPECT_EQ(plain.at("spec").at("ipFamilies"), json::array{"IPv4"});
  auto open = stored("{clusterIP: None}");
  EXPECT_EQ(open.at("spec").at("ipFamilyPolicy"), "RequireDualStack");
  EXPECT_EQ(open.at("spec").at("ipFamilies"), (json::array{"IPv4", "IPv6"}));
  EXPECT_EQ(allocator_.used_cluster_ips(true), 0U);
}

TEST_F(Services, NodePorts) {
  auto object = stored(
      "{type: NodePort, ports: [{name: t, port: 53}, {name: u, port: 53, protocol: UDP}, {name: x, port: "
      "80}]}");
  const auto& ports = object.at("spec").at("ports").as_array();
  EXPECT_EQ(ports[0].at("nodePort"), ports[1].at("nodePort")) << "two protocols of a port share the number";
  EXPECT_NE(ports[0].at("nodePort"), ports[2].at("nodePort"));
  EXPECT_GE(ports[0].at("nodePort").as_int64(), 30086);
  EXPECT_EQ(object.at("spec").at("externalTrafficPolicy"), "Cluster");
  EXPECT_EQ(allocator_.used_node_ports(), 2U);
  auto taken = ports[2].at("nodePort").as_int64();
  EXPECT_THAT(problems("{type: NodePort, ports: [{port: 1, nodePort: " + std::to_string(taken) + "}]}"),
              ElementsAre("spec.ports[0].nodePort: Invalid value: " + std::to_string(taken) +
                          ": provided port is already allocated"));
  EXPECT_THAT(problems("{type: NodePort, ports: [{port: 1, nodePort: 80}]}").at(0),
              HasSubstr("provided port is not in the valid range. The range of valid ports is 30000-32767"));
  // An update that leaves the numbers out keeps them; one that drops a port gives its number back.
  auto same = stored("{type: NodePort, ports: [{name: t, port: 54}, {name: x, port: 80}]}", object);
  EXPECT_EQ(same.at("spec").at("ports").at(1).at("nodePort"), ports[2].at("nodePort"));
  EXPECT_EQ(same.at("spec").at("ports").at(0).at("nodePort"), ports[0].at("nodePort"));
  auto fewer = stored("{type: NodePort, ports: [{name: x, port: 80}]}", same);
  EXPECT_EQ(allocator_.used_node_ports(), 1U);
  auto inside = stored("{type: ClusterIP, ports: [{name: x, port: 80}]}", fewer);
  EXPECT_FALSE(inside.at("spec").at("ports").at(0).as_object().contains("nodePort"));
  EXPECT_FALSE(inside.at("spec").as_object().contains("externalTrafficPolicy"));
  EXPECT_EQ(allocator_.used_node_ports(), 0U);
}

TEST_F(Services, LoadBalancers) {
  auto object = stored(
      "{type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerClass: a/b, ports: [{port: 80}]}");
  auto health = object.at("spec").at("healthCheckNodePort").as_int64();
  EXPECT_GE(health, 30000);
  EXPECT_EQ(object.at("spec").at("allocateLoadBalancerNodePorts"), true);
  EXPECT_EQ(allocator_.used_node_ports(), 2U);
  auto again = stored(
      "{type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerClass: a/b, ports: [{port: 80}]}",
      object);
  EXPECT_EQ(again.at("spec").at("healthCheckNodePort"), health);
  EXPECT_THAT(
      problems(
          "{type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerClass: a/c, ports: [{port: 80}]}",
          again),
      ElementsAre("spec.loadBalancerClass: Invalid value: \"a/c\": may not change once set"));
  auto without = stored("{type: LoadBalancer, loadBalancerClass: a/b, ports: [{port: 80}]}", again);
  EXPECT_FALSE(without.at("spec").as_object().contains("healthCheckNodePort"));
  EXPECT_EQ(allocator_.used_node_ports(), 1U);
  stored("{type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{port: 80}]}");
  EXPECT_EQ(allocator_.used_node_ports(), 1U);
}

TEST_F(Services, ToExternalNameAndBack) {
  auto object = stored("{type: NodePort, ports: [{port: 80}]}");
  auto alias = object;
  alias.at("spec").as_object()["type"] = "ExternalName";
  alias.at("spec").as_object()["externalName"] = "example.com";
  auto done = write(alias, object);
  ASSERT_TRUE(done) << testing::PrintToString(done.error());
  EXPECT_FALSE(done->at("spec").as_object().contains("clusterIP"));
  EXPECT_EQ(allocator_.used_cluster_ips(true), 0U);
  EXPECT_EQ(allocator_.used_node_ports(), 0U);
  auto back = stored("{type: ClusterIP, ports: [{port: 80}]}", *done);
  EXPECT_FALSE(kube::string_at(back, "spec.clusterIP").empty());
}

TEST_F(Services, TheClusterIpStays) {
  auto object = stored("{clusterIP: 10.96.0.10, ports: [{port: 80}]}");
  EXPECT_THAT(problems("{clusterIP: 10.96.0.11, clusterIPs: [10.96.0.10], ports: [{port: 80}]}", object),
              ElementsAre("spec.clusterIPs[0]: Invalid value: [\"10.96.0.11\"]: may not change once set"));
  auto kept = stored("{ports: [{port: 81}]}", object);
  EXPECT_EQ(kept.at("spec").at("clusterIP"), "10.96.0.10");
  EXPECT_EQ(kept.at("spec").at("ipFamilies"), json::array{"IPv4"});
}

TEST_F(Services, AllOrNothing) {
  stored("{clusterIP: 10.96.0.10, type: NodePort, ports: [{port: 80, nodePort: 30000}]}");
  auto used = allocator_.used_cluster_ips(true);
  EXPECT_EQ(
      problems("{type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 81, nodePort: 30000}]}").size(),
      1U);
  EXPECT_EQ(allocator_.used_cluster_ips(true), used);
  EXPECT_EQ(allocator_.used_node_ports(), 1U);
  auto object = service("{type: NodePort, ports: [{port: 80}]}");
  default_object(kind_of("Service").resource, *kind_of("Service").schema, object);
  {
    auto dropped = allocator_.allocate(object, nullptr);
    ASSERT_TRUE(dropped);
    EXPECT_EQ(allocator_.used_node_ports(), 2U);
  }
  EXPECT_EQ(allocator_.used_node_ports(), 1U) << "what is not committed is given back";
}

TEST_F(Services, Restore) {
  auto object = stored(
      "{clusterIP: 10.96.0.10, type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]}");
  ServiceAllocator fresh(dual());
  EXPECT_THAT(fresh.restore(object), IsEmpty());
  EXPECT_EQ(fresh.used_cluster_ips(true), 1U);
  EXPECT_EQ(fresh.used_node_ports(), 2U);
  EXPECT_EQ(fresh.restore(object).size(), 3U) << "twice the same is told";
}

}  // namespace
}  // namespace weft::standalone
