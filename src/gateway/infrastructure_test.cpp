#include "gateway/infrastructure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/codec.h"

namespace weft::gateway {
namespace {

constexpr PortKey kHttp{80, false};
constexpr PortKey kHttps{443, false};
constexpr PortKey kDns{53, true};

Entrance entrance(const std::string& name = "edge") {
  Entrance out;
  out.namespace_ = "shop";
  out.gateway = name;
  out.uid = "uid-" + name;
  out.class_ = "weft";
  out.ports = {kHttp, kDns};
  return out;
}

kube::Node node(const std::string& name, const std::vector<std::string>& addresses, bool ready = true) {
  kube::Node out;
  out.metadata.name = name;
  for (const auto& address : addresses) {
    auto& entry = out.status.addresses.emplace_back();
    entry.type = "InternalIP";
    entry.address = address;
  }
  auto& condition = out.status.conditions.emplace_back();
  condition.type = "Ready";
  condition.status = ready ? "True" : "Unknown";
  return out;
}

TEST(BindPortTable, KeepsWhatAGatewayHasAndGivesNobodyTheSame) {
  BindPortTable table;
  table.put("shop/edge", {{kHttp, 61000}});
  auto edge = table.assign("shop/edge", {kHttp, kHttps});
  ASSERT_TRUE(edge);
  EXPECT_EQ(edge->at(kHttp), 61000);
  EXPECT_EQ(edge->at(kHttps), 61001);
  auto other = table.assign("shop/other", {kHttp});
  ASSERT_TRUE(other);
  EXPECT_EQ(other->at(kHttp), 61002);
}

TEST(BindPortTable, TcpAndUdpAreApart) {
  BindPortTable table;
  table.put("shop/edge", {{{53, false}, 61000}});
  auto ports = table.assign("shop/other", {kDns});
  ASSERT_TRUE(ports);
  EXPECT_EQ(ports->at(kDns), 61000);
}

TEST(BindPortTable, OneThatIsGivenBackIsTheLastToBeGivenAgain) {
  BindPortTable table;
  ASSERT_TRUE(table.assign("shop/edge", {kHttp}));
  table.erase("shop/edge");
  EXPECT_EQ(table.assign("shop/other", {kHttp})->at(kHttp), kFirstBindPort + 1);
}

TEST(BindPortTable, ClaimedByTwoThePortIsTheFirstOnes) {
  BindPortTable table;
  table.put("shop/a", {{kHttp, 61000}});
  table.put("shop/b", {{kHttp, 61000}});
  EXPECT_EQ(table.assign("shop/b", {kHttp})->at(kHttp), 61001);
  EXPECT_EQ(table.assign("shop/a", {kHttp})->at(kHttp), 61000);
}

TEST(BindPortTable, SaysWhenThereIsNoneLeft) {
  BindPortTable table;
  std::set<PortKey> all;
  for (int port = 1; port <= kLastBindPort - kFirstBindPort + 1; ++port)
    all.insert({static_cast<uint16_t>(port), false});
  ASSERT_TRUE(table.assign("shop/edge", all));
  auto none = table.assign("shop/other", {kHttp});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::exhausted);
  EXPECT_TRUE(table.assign("shop/other", {kDns}));
}

TEST(Infrastructure, AServiceTellsWhatItWasMadeFrom) {
  const BindPorts ports{{kHttp, 61000}, {kDns, 61007}};
  auto service = kube::decode<kube::Service>(entrance_service(entrance(), ports));
  ASSERT_TRUE(service) << service.error().message;
  EXPECT_EQ(service->metadata.name, "edge-weft");
  EXPECT_EQ(gateway_of(*service), "shop/edge");
  service->status.loadBalancer.ingress.emplace_back().ip = "192.0.2.7";
  auto read = infrastructure_of(*service);
  EXPECT_EQ(read.bind_ports, ports);
  EXPECT_THAT(read.addresses, testing::ElementsAre(*IpAddr::parse("192.0.2.7")));
  service->metadata.labels.erase("app.kubernetes.io/managed-by");
  EXPECT_FALSE(gateway_of(*service)) << "somebody else's";
}

TEST(Infrastructure, LabelsAnnotationsAndAddressesOfTheGatewayAreOnTheService) {
  auto wanted = entrance();
  wanted.labels = {{"team", "edge"}};
  wanted.annotations = {{"note", "a"}};
  wanted.addresses = {*IpAddr::parse("192.0.2.7"), *IpAddr::parse("2001:db8::7")};
  auto service = kube::decode<kube::Service>(entrance_service(wanted, {}));
  ASSERT_TRUE(service);
  EXPECT_EQ(service->metadata.labels.at("team"), "edge");
  EXPECT_EQ(service->metadata.annotations.at("note"), "a");
  EXPECT_EQ(service->metadata.annotations.at("weft.dev/addresses"), "192.0.2.7,2001:db8::7");
  ASSERT_EQ(service->metadata.ownerReferences.size(), 1U);
  EXPECT_EQ(service->metadata.ownerReferences[0].uid, "uid-edge");
}

TEST(Infrastructure, NamesFitAService) {
  EXPECT_EQ(service_name(entrance(std::string(100, 'a'))).size(), 60U);
  EXPECT_NE(service_name(entrance(std::string(100, 'a'))), service_name(entrance(std::string(101, 'a'))));
  EXPECT_THAT(service_name(entrance("1st.example")), testing::StartsWith("gw-1st-example-weft-"));
}

TEST(Infrastructure, EndpointsAreTheReadyNodesByFamily) {
  auto a = node("a", {"172.30.0.2", "fd00::2"});
  auto b = node("b", {"172.30.0.3"});
  auto away = node("c", {"172.30.0.4"}, false);
  auto slices = entrance_slices(entrance(), "uid", {{kHttp, 61000}}, {{"a", &a}, {"b", &b}, {"c", &away}});
  ASSERT_EQ(slices.size(), 2U);
  auto v4 = kube::decode<kube::EndpointSlice>(slices[0]);
  ASSERT_TRUE(v4) << v4.error().message;
  ASSERT_EQ(v4->endpoints.size(), 2U);
  EXPECT_EQ(v4->endpoints[1].addresses[0], "172.30.0.3");
  EXPECT_EQ(v4->endpoints[1].hints->forNodes[0].name, "b");
  EXPECT_EQ(v4->ports[0].port, 61000);
  EXPECT_EQ(kube::decode<kube::EndpointSlice>(slices[1])->endpoints.size(), 1U);
}

TEST(Infrastructure, HasAllLooksAtWhatIsWantedAlone) {
  auto has = [](const char* actual, const char* wanted) {
    return has_all(json::parse(actual), json::parse(wanted));
  };
  EXPECT_TRUE(has(R"({"a":1,"b":[{"c":2,"d":3}]})", R"({"b":[{"c":2}]})"));
  EXPECT_FALSE(has(R"({"b":[{"c":2},{"c":3}]})", R"({"b":[{"c":2}]})"));
  EXPECT_FALSE(has(R"({"a":1})", R"({"a":2})"));
  EXPECT_FALSE(has(R"({"a":1})", R"({"c":null})"));
}

}  // namespace
}  // namespace weft::gateway
