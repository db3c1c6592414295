#include "endpoints/mirror_plan.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "endpoints/test_objects.h"

namespace weft::endpoints {
namespace {

using test::writes;

kube::EndpointsPort port(const std::string& name, int number) {
  kube::EndpointsPort out;
  out.name = name;
  out.port = number;
  out.protocol = "TCP";
  return out;
}

kube::EndpointAddress address(const std::string& ip) {
  kube::EndpointAddress out;
  out.ip = ip;
  return out;
}

/// Endpoints "db" without a selector behind them, and their slices; plans are applied as the API server
/// would.
struct Mirror {
  std::optional<kube::Endpoints> endpoints = make();
  std::optional<kube::Service> service = without_selector();
  std::map<std::string, kube::EndpointSlice> slices;
  size_t most_per_subset = 1000;
  int names = 0;

  static kube::Endpoints make() {
    kube::Endpoints out;
    out.metadata.name = "db";
    out.metadata.namespace_ = "a";
    out.metadata.uid = "db-endpoints";
    auto& subset = out.subsets.emplace_back();
    subset.addresses = {address("192.0.2.1")};
    subset.ports = {port("sql", 5432)};
    return out;
  }
  static kube::Service without_selector() {
    auto out = test::make_service("db");
    out.spec.selector.clear();
    return out;
  }

  MirrorPlan plan() const {
    MirrorInput input{.endpoints = endpoints ? &*endpoints : nullptr,
                      .service = service ? &*service : nullptr,
                      .slices = {},
                      .most_per_subset = most_per_subset};
    for (const auto& [name, slice] : slices)
      input.slices.push_back(std::make_shared<const kube::EndpointSlice>(slice));
    return plan_mirror(input);
  }
  MirrorPlan apply() {
    auto plan_now = plan();
    for (auto slice : plan_now.create) {
      slice.metadata.name = fmt::format("{}{:04}", slice.metadata.generateName, names++);
      slices[slice.metadata.name] = slice;
    }
    for (const auto& slice : plan_now.update) slices.at(slice.metadata.name) = slice;
    for (const auto& slice : plan_now.remove) slices.erase(slice->metadata.name);
    return plan_now;
  }
  kube::EndpointSubset& subset() { return endpoints->subsets.at(0); }
  kube::EndpointSlice& slice() { return slices.begin()->second; }

  /// "sql/5432/192.0.2.1" of each endpoint on each port; ! behind those that are not ready.
  std::multiset<std::string> content() const {
    std::multiset<std::string> out;
    for (const auto& [name, slice] : slices) {
      for (const auto& endpoint : slice.endpoints) {
        const auto is = endpoint.addresses.at(0) + (endpoint.conditions.ready.value() ? "" : "!");
        EXPECT_EQ(slice.addressType, is.find(':') == std::string::npos ? "IPv4" : "IPv6");
        for (const auto& each : slice.ports)
          out.insert(fmt::format("{}/{}/{}", each.name.value(), each.port.value(), is));
        if (slice.ports.empty()) out.insert("-/" + is);
      }
    }
    return out;
  }
};
using Content = std::multiset<std::string>;

TEST(Mirror, OneSliceLikeTheEndpoints) {
  Mirror m;
  auto& meta = m.endpoints->metadata;
  meta.labels = {{"team", "x"}, {kManagedBy, "someone"}};
  meta.annotations = {{"note", "y"},
                      {"kubectl.kubernetes.io/last-applied-configuration", "{}"},
                      {kTriggerTime, "2026-01-01T00:00:00Z"}};
  auto& from = m.subset().addresses[0];
  from.hostname = "first";
  from.nodeName = "node-1";
  from.targetRef.emplace().uid = "u";
  m.subset().ports[0].appProtocol = "sql";
  EXPECT_EQ(writes(m.apply()), "1 0 0");
  const auto& slice = m.slice();
  EXPECT_EQ(slice.metadata.generateName, "db-");
  EXPECT_EQ(slice.metadata.namespace_, "a");
  EXPECT_EQ(slice.metadata.labels,
            (kube::StringMap{{"team", "x"}, {kServiceName, "db"}, {kManagedBy, kMirrorController}}));
  EXPECT_EQ(slice.metadata.annotations, (kube::StringMap{{"note", "y"}}));
  ASSERT_EQ(slice.metadata.ownerReferences.size(), 1U);
  const auto& owner = slice.metadata.ownerReferences[0];
  EXPECT_EQ(owner.apiVersion + " " + owner.kind + " " + owner.name + " " + owner.uid,
            "v1 Endpoints db db-endpoints");
  EXPECT_TRUE(owner.controller.value_or(false));
  EXPECT_EQ(slice.addressType, "IPv4");
  ASSERT_EQ(slice.ports.size(), 1U);
  EXPECT_EQ(slice.ports[0].name, "sql");
  EXPECT_EQ(slice.ports[0].port, 5432);
  EXPECT_EQ(slice.ports[0].protocol, "TCP");
  EXPECT_EQ(slice.ports[0].appProtocol, "sql");
  ASSERT_EQ(slice.endpoints.size(), 1U);
  const auto& endpoint = slice.endpoints[0];
  EXPECT_EQ(endpoint.addresses, std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(endpoint.hostname, "first");
  EXPECT_EQ(endpoint.nodeName, "node-1");
  EXPECT_EQ(endpoint.targetRef->uid, "u");
  EXPECT_EQ(endpoint.conditions.ready, true);
  EXPECT_EQ(endpoint.conditions.serving, std::nullopt) << "the Endpoints do not tell";
  EXPECT_EQ(writes(m.plan()), "0 0 0");
}

TEST(Mirror, WhenNot) {
  Mirror m;
  m.apply();
  const auto mirrored = m;
  auto expect_gone = [&](const char* why, auto change) {
    auto world = mirrored;
    change(world);
    auto plan = world.apply();
    EXPECT_EQ(writes(plan), "0 0 1") << why;
    EXPECT_NE(plan.why_not.find(why), std::string::npos) << plan.why_not;
    EXPECT_EQ(writes(world.plan()), "0 0 0");
  };
  expect_gone("skip-mirror", [](Mirror& w) { w.endpoints->metadata.labels[kSkipMirror] = "true"; });
  expect_gone("leader election",
              [](Mirror& w) { w.endpoints->metadata.annotations[kLeaderAnnotation] = "{}"; });
  expect_gone("no Endpoints", [](Mirror& w) { w.endpoints.reset(); });
  expect_gone("no Service", [](Mirror& w) { w.service.reset(); });
  expect_gone("selector", [](Mirror& w) { w.service->spec.selector = {{"app", "db"}}; });
  auto no_skip = mirrored;
  no_skip.endpoints->metadata.labels[kSkipMirror] = "false";
  EXPECT_EQ(writes(no_skip.apply()), "0 1 0") << "only the label is new";
}

TEST(Mirror, NotReadyAddresses) {
  Mirror m;
  m.subset().notReadyAddresses = {address("192.0.2.2")};
  m.apply();
  EXPECT_EQ(m.content(), (Content{"sql/5432/192.0.2.1", "sql/5432/192.0.2.2!"}));
  std::swap(m.subset().addresses, m.subset().notReadyAddresses);
  EXPECT_EQ(writes(m.apply()), "0 1 0");
  EXPECT_EQ(m.content(), (Content{"sql/5432/192.0.2.1!", "sql/5432/192.0.2.2"}));
}

TEST(Mirror, FamiliesAndSubsetsHaveTheirSlices) {
  Mirror m;
  m.subset().addresses.push_back(address("2001:db8:0::1"));
  auto& other = m.endpoints->subsets.emplace_back();
  other.addresses = {address("192.0.2.9")};
  other.ports = {port("sql", 5433)};
  EXPECT_EQ(writes(m.apply()), "3 0 0");
  EXPECT_EQ(m.content(), (Content{"sql/5432/192.0.2.1", "sql/5432/2001:db8::1", "sql/5433/192.0.2.9"}));
  m.endpoints->subsets.pop_back();
  EXPECT_EQ(writes(m.apply()), "0 0 1");
  m.subset().ports[0].port = 5434;
  EXPECT_EQ(writes(m.apply()), "0 2 0") << "the slices are used again";
  EXPECT_EQ(m.content(), (Content{"sql/5434/192.0.2.1", "sql/5434/2001:db8::1"}));
  m.subset().addresses.clear();
  EXPECT_EQ(writes(m.apply()), "0 0 2") << "without an address there is no slice";
}

TEST(Mirror, SubsetsThatOverlapBecomeOne) {
  Mirror m;
  // The same addresses with another port: one slice with both ports.
  m.endpoints->subsets.push_back(m.subset());
  m.endpoints->subsets[1].ports = {port("admin", 9000)};
  m.apply();
  ASSERT_EQ(m.slices.size(), 1U);
  EXPECT_EQ(m.slice().ports.size(), 2U);
  EXPECT_EQ(m.slice().endpoints.size(), 1U);
  // The same port in two subsets: one slice with all addresses; not ready in one of them is not ready.
  m.endpoints->subsets[1] = m.endpoints->subsets[0];
  m.endpoints->subsets[1].addresses = {address("192.0.2.2")};
  m.endpoints->subsets[1].notReadyAddresses = {address("192.0.2.1")};
  m.apply();
  ASSERT_EQ(m.slices.size(), 1U);
  EXPECT_EQ(m.content(), (Content{"sql/5432/192.0.2.1!", "sql/5432/192.0.2.2"}));
}

TEST(Mirror, WithoutPorts) {
  Mirror m;
  m.subset().ports.clear();
  m.apply();
  EXPECT_EQ(m.content(), (Content{"-/192.0.2.1"}));
  EXPECT_EQ(writes(m.plan()), "0 0 0");
}

TEST(Mirror, AThousandAddressesASubset) {
  Mirror m;
  m.subset().addresses.clear();
  for (int n = 0; n < 999; ++n)
    m.subset().addresses.push_back(address(fmt::format("198.51.{}.{}", n / 250, n % 250 + 1)));
  m.subset().addresses.push_back(address("not an address"));
  m.subset().addresses.push_back(address("2001:db8::1"));
  m.subset().notReadyAddresses = {address("192.0.2.7"), address("192.0.2.8")};
  auto plan = m.apply();
  EXPECT_EQ(writes(plan), "2 0 0");
  EXPECT_EQ(plan.invalid, 1U);
  EXPECT_EQ(plan.over_limit, 2U);
  EXPECT_EQ(m.content().size(), 1000U);
  EXPECT_FALSE(m.content().contains("sql/5432/192.0.2.7!")) << "the ready ones come first";
}

TEST(Mirror, LabelsAndAnnotationsFollow) {
  Mirror m;
  m.apply();
  m.endpoints->metadata.labels["team"] = "x";
  EXPECT_EQ(writes(m.apply()), "0 1 0");
  EXPECT_TRUE(m.slice().metadata.labels.contains("team"));
  m.endpoints->metadata.annotations["note"] = "x";
  EXPECT_EQ(writes(m.apply()), "0 1 0");
  m.endpoints->metadata.annotations.clear();
  EXPECT_EQ(writes(m.apply()), "0 1 0");
  EXPECT_TRUE(m.slice().metadata.annotations.empty());
  m.endpoints->metadata.annotations[kTriggerTime] = "2026-01-01T00:00:00Z";
  EXPECT_EQ(writes(m.plan()), "0 0 0");
}

TEST(Mirror, SlicesOfEarlierEndpointsAreReplaced) {
  Mirror m;
  m.apply();
  m.endpoints->metadata.uid = "another";
  EXPECT_EQ(writes(m.apply()), "1 0 1");
  EXPECT_EQ(m.slice().metadata.ownerReferences[0].uid, "another");
}

TEST(Mirror, EndpointsThatGoGetNoNewSlices) {
  Mirror m;
  m.endpoints->metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  EXPECT_EQ(writes(m.plan()), "0 0 0");
}

/// What must be in the slices: for each port the addresses named with it; one that is anywhere not ready for
/// the port is not.
Content naive_content(const Mirror& m) {
  std::map<std::string, bool> ready;
  for (const auto& subset : m.endpoints->subsets) {
    for (const auto& each : subset.ports) {
      const auto prefix = fmt::format("{}/{}/", each.name, each.port);
      for (const auto& a : subset.addresses) ready.try_emplace(prefix + a.ip, true);
      for (const auto& a : subset.notReadyAddresses) ready[prefix + a.ip] = false;
    }
  }
  Content out;
  for (const auto& [key, is_ready] : ready) out.insert(key + (is_ready ? "" : "!"));
  return out;
}

class MirrorHistories : public testing::TestWithParam<unsigned> {};

TEST_P(MirrorHistories, AreRightAfterEachStep) {
  std::mt19937 random(GetParam());
  auto roll = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  Mirror m;
  auto random_ports = [&] {
    std::vector<kube::EndpointsPort> out{port("sql", 5432 + roll(3))};
    if (roll(3) == 0) out.push_back(port("admin", 9000));
    return out;
  };
  auto random_address = [&] {
    return address(fmt::format("{}{}", roll(4) == 0 ? "2001:db8::" : "192.0.2.", 1 + roll(9)));
  };
  for (int step = 0; step < 150; ++step) {
    auto& subsets = m.endpoints->subsets;
    auto* subset =
        subsets.empty() ? nullptr : &subsets[static_cast<size_t>(roll(static_cast<int>(subsets.size())))];
    switch (const int kind = roll(7); subset ? kind : 0) {
      case 0:
        subsets.emplace_back().ports = random_ports();
        break;
      case 1:
      case 2:
        subset->addresses.push_back(random_address());
        break;
      case 3:
        subset->notReadyAddresses.push_back(random_address());
        break;
      case 4:
        std::swap(subset->addresses, subset->notReadyAddresses);
        break;
      case 5:
        subset->ports = random_ports();
        break;
      default:
        if (roll(2) == 0) {
          subset->addresses.clear();
        } else {
          subsets.erase(subsets.begin());
        }
    }
    auto plan = m.apply();
    SCOPED_TRACE(fmt::format("seed {} step {} -> {}", GetParam(), step, writes(plan)));
    ASSERT_EQ(m.content(), naive_content(m));
    ASSERT_EQ(writes(m.plan()), "0 0 0") << "at rest";
    ASSERT_TRUE(plan.create.empty() || plan.remove.empty() ||
                plan.create[0].addressType != plan.remove[0]->addressType)
        << "a slice was made while another went";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MirrorHistories, testing::Range(1U, 11U));

}  // namespace
}  // namespace weft::endpoints
