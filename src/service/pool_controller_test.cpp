#include "service/pool_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/client/testing/memory_api.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/service.h"
#include "kube/weft_types.h"

namespace weft::service {
namespace {

constexpr const char* kServices = "/api/v1/namespaces/shop/services";
constexpr const char* kPools = "/apis/weft.dev/v1alpha1/addresspools";

/// The engine against an API server over TLS on loopback.
class PoolControllerTest : public testing::Test, public kube::test::Fixture {
 public:
  kube::test::MemoryApi api{*this};
  kube::Client client{io, config()};
  PoolController controller{client};

  void SetUp() override {
    kube::Namespace ns;
    ns.metadata.name = "shop";
    api.put("/api/v1/namespaces", kube::encode(ns));
  }
  void put_pool(std::vector<std::string> addresses) {
    kube::AddressPool pool;
    pool.metadata.name = "a";
    pool.spec.addresses = std::move(addresses);
    api.put(kPools, kube::encode(pool));
  }
  void put_service(const std::string& name, const std::string& type = "LoadBalancer") {
    kube::Service service;
    for (const auto& one : api.all(kServices)) {
      auto known = kube::decode<kube::Service>(one).value();
      if (known.metadata.name == name) service = known;
    }
    service.metadata.name = name;
    service.metadata.namespace_ = "shop";
    service.spec.type = type;
    service.spec.ipFamilies = {"IPv4"};
    api.put(kServices, kube::encode(service));
  }
  std::string address(const std::string& name) {
    std::string out;
    for (const auto& one : api.all(kServices)) {
      auto service = kube::decode<kube::Service>(one).value();
      if (service.metadata.name != name) continue;
      for (const auto& way : service.status.loadBalancer.ingress)
        out += way.ip + " " + way.ipMode.value_or("");
    }
    return out;
  }
  /// "Reason xCOUNT: message" of each, in any order.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const auto& one : api.all("/api/v1/namespaces/shop/events")) {
      auto event = kube::decode<kube::Event>(one).value();
      out.push_back(event.reason + " x" + std::to_string(event.count) + ": " + event.message);
    }
    return out;
  }
  kube::AddressPoolStatus status() {
    auto all = api.all(kPools);
    return all.empty() ? kube::AddressPoolStatus() : kube::decode<kube::AddressPool>(all[0]).value().status;
  }
  void settle(int milliseconds = 100) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    run_until([&] { return std::chrono::steady_clock::now() > end; });
  }
};

TEST_F(PoolControllerTest, GivesTellsAndTakes) {
  put_pool({"192.0.2.1-192.0.2.1"});
  put_service("a");
  controller.start();
  ASSERT_TRUE(run_until([&] { return address("a") == "192.0.2.1 VIP"; }));
  put_service("b");
  ASSERT_TRUE(run_until([&] { return told().size() == 2; }));
  EXPECT_THAT(told(), testing::UnorderedElementsAre(
                          "AddressAssigned x1: Assigned 192.0.2.1 from AddressPool a",
                          "AddressAllocationFailed x1: no IPv4 address is free in AddressPool a"));
  ASSERT_TRUE(run_until([&] { return status().assigned == 1 && status().available == 0; }));
  ASSERT_EQ(status().conditions.size(), 1U);
  EXPECT_EQ(status().conditions[0].status, "True");
  put_service("a", "ClusterIP");
  ASSERT_TRUE(run_until([&] { return address("a").empty() && address("b") == "192.0.2.1 VIP"; }));
  put_pool({"192.0.2.1-192.0.2.1", "nonsense"});
  ASSERT_TRUE(
      run_until([&] { return !status().conditions.empty() && status().conditions[0].status == "False"; }));
  EXPECT_EQ(address("b"), "192.0.2.1 VIP");
  settle(700);
  auto writes = api.writes.size();
  settle(700);
  EXPECT_EQ(api.writes.size(), writes) << "at rest it writes nothing";
}

TEST_F(PoolControllerTest, PutsRightWhatOthersWriteAndTriesAgain) {
  put_pool({"192.0.2.0/24"});
  api.conflict_one_in = 2;
  for (const auto* name : {"a", "b", "c", "d"}) put_service(name);
  controller.start();
  ASSERT_TRUE(run_until([&] {
    return !address("a").empty() && !address("b").empty() && !address("c").empty() && !address("d").empty();
  }));
  auto had = address("b");
  kube::Service service = kube::decode<kube::Service>(api.all(kServices)[1]).value();
  service.status.loadBalancer.ingress[0].ip = "203.0.113.9";
  api.put(kServices, kube::encode(service));
  ASSERT_TRUE(run_until([&] { return address("b") == had; }));
}

}  // namespace
}  // namespace weft::service
