#include "gateway/status_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/conditions.h"
#include "kube/client/testing/memory_api.h"
#include "kube/codec.h"
#include "kube/config.h"
#include "kube/gateway.h"
#include "kube/gateway_routes.h"
#include "kube/service.h"

namespace weft::gateway {
namespace {

constexpr const char* kClasses = "/apis/gateway.networking.k8s.io/v1/gatewayclasses";
constexpr const char* kGateways = "/apis/gateway.networking.k8s.io/v1/namespaces/infra/gateways";
constexpr const char* kRoutes = "/apis/gateway.networking.k8s.io/v1/namespaces/infra/httproutes";
constexpr const char* kServices = "/api/v1/namespaces/infra/services";

/// The engine against an API server over TLS on loopback.
class StatusControllerTest : public testing::Test, public kube::test::Fixture {
 public:
  kube::test::MemoryApi api{*this};
  kube::Client client{io, config()};
  std::map<std::string, bool> entrances;  ///< told last: asked for
  int completed = 0;
  StatusController controller{
      client,
      {.on_entrance = [this](const std::string& gateway,
                             const Entrance* entrance) { entrances[gateway] = entrance; },
       .on_complete = [this] { ++completed; }}};

  void SetUp() override {
    kube::GatewayClass class_;
    class_.metadata.name = "weft";
    class_.spec.controllerName = "weft.dev/gateway-controller";
    api.put(kClasses, kube::encode(class_));
    kube::Gateway gateway;
    gateway.metadata.name = "edge";
    gateway.metadata.namespace_ = "infra";
    gateway.metadata.generation = 1;
    gateway.spec.gatewayClassName = "weft";
    auto& listener = gateway.spec.listeners.emplace_back();
    listener.name = "http";
    listener.port = 80;
    listener.protocol = "HTTP";
    api.put(kGateways, kube::encode(gateway));
  }
  void put_route(const std::string& name, std::vector<kube::RouteParentStatus> parents = {}) {
    kube::HTTPRoute route;
    route.metadata.name = name;
    route.metadata.namespace_ = "infra";
    route.metadata.generation = 1;
    route.spec.parentRefs.emplace_back().name = "edge";
    route.status.parents = std::move(parents);
    api.put(kRoutes, kube::encode(route));
  }
  void put_entrance() {
    kube::Service service;
    service.metadata.name = "edge-weft";
    service.metadata.namespace_ = "infra";
    service.metadata.labels = {{"app.kubernetes.io/managed-by", "weft-gateway"},
                               {"gateway.networking.k8s.io/gateway-name", "edge"}};
    auto& port = service.spec.ports.emplace_back();
    port.port = 80;
    port.protocol = "TCP";
    port.targetPort.value = 61000;
    service.status.loadBalancer.ingress.emplace_back().ip = "192.0.2.1";
    api.put(kServices, kube::encode(service));
  }
  std::vector<kube::RouteParentStatus> parents(const std::string& name) {
    for (const auto& one : api.all(kRoutes)) {
      auto route = kube::decode<kube::HTTPRoute>(one).value();
      if (route.metadata.name == name) return route.status.parents;
    }
    return {};
  }
  std::string gateway_says(const std::string& type) {
    auto gateway = kube::decode<kube::Gateway>(api.all(kGateways).at(0)).value();
    for (const auto& one : gateway.status.conditions) {
      if (one.type == type) return one.status + "/" + one.reason;
    }
    return "";
  }
  void settle(int milliseconds = 200) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    run_until([&] { return std::chrono::steady_clock::now() > end; });
  }
};

TEST_F(StatusControllerTest, WritesOnceAndThenRests) {
  put_route("r");
  controller.start();
  run_until(
      [&] { return !parents("r").empty() && gateway_says("Programmed") == "False/AddressNotAssigned"; });
  settle();
  EXPECT_EQ(completed, 1);
  EXPECT_TRUE(entrances["infra/edge"]);
  auto class_ = kube::decode<kube::GatewayClass>(api.all(kClasses).at(0)).value();
  EXPECT_EQ(class_.status.conditions.at(0).status, "True");
  EXPECT_FALSE(class_.status.supportedFeatures.empty());

  put_entrance();
  run_until([&] { return gateway_says("Programmed") == "True/Programmed"; });
  settle();
  auto written = api.writes.size();
  EXPECT_LE(written, 6U);
  // Nothing about it is new: nothing is written.
  put_entrance();
  settle();
  EXPECT_EQ(api.writes.size(), written);
}

TEST_F(StatusControllerTest, LeavesOtherControllersEntriesAlone) {
  kube::RouteParentStatus theirs;
  theirs.parentRef.name = "edge";
  theirs.controllerName = "other.example/controller";
  theirs.conditions = {condition("Accepted", true, "Accepted", "", 1)};
  put_route("r", {theirs});
  controller.start();
  run_until([&] { return parents("r").size() == 2; });
  EXPECT_EQ(parents("r")[0].controllerName, "weft.dev/gateway-controller");
  EXPECT_EQ(parents("r")[1], theirs);
  // Somebody takes ours away: it is put right.
  put_route("r", {theirs});
  run_until([&] { return parents("r").size() == 2; });
  // The Gateway goes, and with it what we said of it.
  api.erase(kGateways, "edge");
  run_until([&] { return parents("r").size() == 1; });
  EXPECT_EQ(parents("r")[0], theirs);
  EXPECT_FALSE(entrances["infra/edge"]);
}

TEST_F(StatusControllerTest, ConflictsAreTriedAgainFromTheNewest) {
  api.conflict_one_in = 2;
  for (int i = 0; i < 10; ++i) put_route("r" + std::to_string(i));
  controller.start();
  run_until([&] {
    for (int i = 0; i < 10; ++i) {
      if (parents("r" + std::to_string(i)).empty()) return false;
    }
    return true;
  });
  run_until([&] { return controller.counters().written >= 10; });
  EXPECT_GE(controller.counters().failed, 1U);
}

}  // namespace
}  // namespace weft::gateway
