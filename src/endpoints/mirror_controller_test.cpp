#include "endpoints/mirror_controller.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "endpoints/mirror_plan.h"
#include "endpoints/test_objects.h"
#include "kube/client/testing/memory_api.h"
#include "kube/codec.h"

namespace weft::endpoints {
namespace {

constexpr const char* kEndpoints = "/api/v1/namespaces/a/endpoints";
constexpr const char* kServices = "/api/v1/namespaces/a/services";
constexpr const char* kSlices = "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices";
constexpr const char* kEvents = "/api/v1/namespaces/a/events";

kube::Service make_service(const std::string& name = "db") {
  auto out = test::make_service(name);
  out.spec.selector.clear();
  return out;
}

kube::Endpoints make_endpoints(const std::vector<int>& hosts, const std::string& name = "db") {
  kube::Endpoints out;
  out.metadata.name = name;
  out.metadata.namespace_ = "a";
  out.metadata.uid = name + "-endpoints";
  auto& subset = out.subsets.emplace_back();
  for (int host : hosts) subset.addresses.emplace_back().ip = fmt::format("192.0.2.{}", host);
  auto& port = subset.ports.emplace_back();
  port.name = "sql";
  port.port = 5432;
  port.protocol = "TCP";
  return out;
}

/// The engine against an API server over TLS on loopback.
class MirrorControllerTest : public testing::Test, public kube::test::Fixture {
 public:
  kube::test::MemoryApi api{*this};
  kube::Client client{io, config()};
  MirrorController controller{client};

  template <class T>
  void put(const char* path, const T& object) {
    api.put(path, kube::encode(object));
  }
  std::vector<kube::EndpointSlice> slices() {
    std::vector<kube::EndpointSlice> out;
    for (const auto& value : api.all(kSlices))
      out.push_back(kube::decode<kube::EndpointSlice>(value).value());
    return out;
  }
  /// "192.0.2.1 192.0.2.2" of one name.
  std::string mirrored(const std::string& name = "db") {
    std::multiset<std::string> addresses;
    for (const auto& slice : slices()) {
      if (slice.metadata.labels.at(kServiceName) != name) continue;
      for (const auto& endpoint : slice.endpoints) addresses.insert(endpoint.addresses.at(0));
    }
    std::string out;
    for (const auto& address : addresses) out += (out.empty() ? "" : " ") + address;
    return out;
  }
  size_t slice_writes() const {
    return static_cast<size_t>(std::ranges::count_if(api.writes, [](const std::string& line) {
      return line.find("endpointslices") != std::string::npos;
    }));
  }
  void settle(int milliseconds = 100) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    run_until([&] { return std::chrono::steady_clock::now() > end; });
  }
};

TEST_F(MirrorControllerTest, FollowsEndpoints) {
  put(kServices, make_service());
  put(kEndpoints, make_endpoints({1}));
  controller.start();
  ASSERT_TRUE(run_until([&] { return mirrored() == "192.0.2.1"; }));
  put(kEndpoints, make_endpoints({1, 2}));
  ASSERT_TRUE(run_until([&] { return mirrored() == "192.0.2.1 192.0.2.2"; }));
  settle();
  EXPECT_EQ(slice_writes(), 2U) << "no write came without a cause";
  EXPECT_EQ(controller.counters().looks, 2U) << "its own writes are no reason to look again";
  api.erase(kEndpoints, "db");
  ASSERT_TRUE(run_until([&] { return slices().empty(); }));
  EXPECT_EQ(controller.counters().failed, 0U);
}

TEST_F(MirrorControllerTest, FollowsTheService) {
  put(kEndpoints, make_endpoints({1}));
  controller.start();
  ASSERT_TRUE(run_until([&] { return controller.synced(); }));
  settle();
  EXPECT_TRUE(slices().empty()) << "there is no Service yet";
  put(kServices, make_service());
  ASSERT_TRUE(run_until([&] { return mirrored() == "192.0.2.1"; }));
  auto service = make_service();
  service.spec.selector = {{"app", "db"}};
  put(kServices, service);
  ASSERT_TRUE(run_until([&] { return slices().empty(); }));
  put(kServices, make_service());
  ASSERT_TRUE(run_until([&] { return mirrored() == "192.0.2.1"; }));
  api.erase(kServices, "db");
  ASSERT_TRUE(run_until([&] { return slices().empty(); }));
}

TEST_F(MirrorControllerTest, SkipsWhatAsksForItAndLeavesOthersSlicesAlone) {
  put(kServices, make_service());
  put(kServices, make_service("lock"));
  auto by_hand = kube::EndpointSlice{};
  by_hand.metadata.name = "db-by-hand";
  by_hand.metadata.namespace_ = "a";
  by_hand.metadata.labels = {{kServiceName, "db"}};
  by_hand.addressType = "IPv4";
  put(kSlices, by_hand);
  auto skipped = make_endpoints({1});
  skipped.metadata.labels[kSkipMirror] = "true";
  put(kEndpoints, skipped);
  auto lock = make_endpoints({2}, "lock");
  lock.metadata.annotations[kLeaderAnnotation] = "{}";
  put(kEndpoints, lock);
  controller.start();
  ASSERT_TRUE(run_until([&] { return controller.synced(); }));
  settle();
  const auto looks = controller.counters().looks;
  for (int n = 0; n < 5; ++n) {
    lock.metadata.annotations[kLeaderAnnotation] = fmt::format("{{\"n\":{}}}", n);
    put(kEndpoints, lock);
    settle(30);
  }
  EXPECT_EQ(controller.counters().looks, looks) << "a lock that is renewed costs nothing";
  EXPECT_EQ(slice_writes(), 0U);
  put(kEndpoints, make_endpoints({1}));
  ASSERT_TRUE(run_until([&] { return mirrored() == "192.0.2.1"; })) << "the label is gone";
  put(kEndpoints, skipped);
  ASSERT_TRUE(run_until([&] { return mirrored().empty(); }));
  ASSERT_EQ(slices().size(), 1U);
  EXPECT_EQ(slices()[0].metadata.name, "db-by-hand");
}

TEST_F(MirrorControllerTest, RemovesWhatIsLeftFromBeforeItsStart) {
  auto left = kube::EndpointSlice{};
  left.metadata.name = "gone-1";
  left.metadata.namespace_ = "a";
  left.metadata.uid = "u";
  left.metadata.labels = {{kServiceName, "gone"}, {kManagedBy, kMirrorController}};
  left.addressType = "IPv4";
  put(kSlices, left);
  controller.start();
  ASSERT_TRUE(run_until([&] { return slices().empty(); }));
}

TEST_F(MirrorControllerTest, TellsWhatItLeavesOut) {
  put(kServices, make_service());
  auto bad = make_endpoints({1});
  bad.subsets[0].addresses.emplace_back().ip = "db.example";
  put(kEndpoints, bad);
  controller.start();
  ASSERT_TRUE(run_until([&] { return mirrored() == "192.0.2.1" && !api.all(kEvents).empty(); }));
  const auto event = api.all(kEvents)[0].as_object();
  EXPECT_EQ(event.at("reason").as_string(), "InvalidIPAddress");
  EXPECT_EQ(event.at("involvedObject").at("kind").as_string(), "Endpoints");
}

TEST_F(MirrorControllerTest, RandomHistoryOnAnUnreliableServer) {
  std::mt19937 random(11);
  auto roll = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::vector<std::string> names{"db", "mail", "files"};
  api.conflict_one_in = 4;
  controller.start();
  std::map<std::string, std::set<int>> hosts;
  std::set<std::string> services, endpoints;
  for (int step = 0; step < 300; ++step) {
    const auto& name = names[static_cast<size_t>(roll(3))];
    if (roll(8) == 0) {
      if (services.erase(name) > 0) {
        api.erase(kServices, name);
      } else {
        services.insert(name);
        put(kServices, make_service(name));
      }
    } else if (roll(10) == 0 && endpoints.erase(name) > 0) {
      api.erase(kEndpoints, name);
    } else {
      auto host = 1 + roll(30);
      if (hosts[name].erase(host) == 0) hosts[name].insert(host);
      endpoints.insert(name);
      put(kEndpoints, make_endpoints({hosts[name].begin(), hosts[name].end()}, name));
    }
    if (roll(30) == 0) api.break_watches(roll(2) == 0);
    if (roll(40) == 0 && !slices().empty()) api.erase(kSlices, slices()[0].metadata.name);
    if (roll(4) == 0) settle(roll(10));
  }
  auto wanted = [&](const std::string& name) {
    std::multiset<std::string> addresses;
    if (services.contains(name) && endpoints.contains(name)) {
      for (int host : hosts[name]) addresses.insert(fmt::format("192.0.2.{}", host));
    }
    std::string out;
    for (const auto& address : addresses) out += (out.empty() ? "" : " ") + address;
    return out;
  };
  EXPECT_TRUE(run_until([&] {
    return std::ranges::all_of(names, [&](const auto& name) { return mirrored(name) == wanted(name); });
  })) << mirrored("db")
      << "\nwanted " << wanted("db");
  settle(300);
  auto at_rest = api.writes.size();
  settle(300);
  EXPECT_EQ(api.writes.size(), at_rest);
}

}  // namespace
}  // namespace weft::endpoints
