#include "service/local_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::service {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

IpAddr ip(const std::string& text) { return *IpAddr::parse(text); }
CheckTarget target(const std::string& text) { return {ip(text), 53}; }

/// Of one endpoint a node: 10.0.0.N on node-N.
kube::EndpointSlice slice_of(int nodes) {
  kube::EndpointSlice slice;
  slice.metadata.namespace_ = "kube-system";
  slice.metadata.name = "dns-v4";
  slice.metadata.labels["kubernetes.io/service-name"] = "dns";
  slice.addressType = "IPv4";
  for (const char* protocol : {"UDP", "TCP"}) {
    kube::EndpointPort port;
    port.name = protocol == std::string("UDP") ? "dns" : "dns-tcp";
    port.protocol = protocol;
    port.port = 53;
    slice.ports.push_back(port);
  }
  for (int i = 1; i <= nodes; ++i) {
    kube::Endpoint endpoint;
    endpoint.addresses = {"10.0.0." + std::to_string(i)};
    endpoint.nodeName = "node-" + std::to_string(i);
    endpoint.conditions.ready = true;
    endpoint.hints.emplace().forNodes.emplace_back().name = *endpoint.nodeName;
    slice.endpoints.push_back(endpoint);
  }
  return slice;
}

SlicePtr shared(kube::EndpointSlice slice) {
  return std::make_shared<const kube::EndpointSlice>(std::move(slice));
}

kube::Service service_of_dns(std::string check = "dns") {
  kube::Service service;
  service.metadata.namespace_ = "kube-system";
  service.metadata.name = "dns";
  service.metadata.annotations[std::string(kLocalCheckAnnotation)] = std::move(check);
  service.spec.type = "ClusterIP";
  service.spec.clusterIP = "10.96.0.10";
  service.spec.clusterIPs = {"10.96.0.10"};
  service.spec.trafficDistribution = "PreferSameNode";
  kube::ServicePort port;
  port.name = "dns";
  port.protocol = "UDP";
  port.port = 53;
  service.spec.ports = {port};
  return service;
}

/// Whom pods of node-1 ask.
std::vector<std::string> backends(const SlicePtr& slice) {
  auto plan =
      plan_service(service_of_dns(), std::array{slice}, {.name = "node-1", .zone = {}, .addresses = {}});
  std::vector<std::string> out;
  for (const auto& backend : plan.sets.at(plan.frontends.at(0).set).backends)
    out.push_back(backend.addr.str());
  return out;
}

TEST(PlanLocalCheck, TheOwnEndpointWhileNothingIsKnownAgainstIt) {
  auto slice = shared(slice_of(3));
  for (const Verdicts& verdicts : {Verdicts{}, Verdicts{{target("10.0.0.1"), Health::up}}}) {
    auto plan = plan_local_check(slice, "node-1", verdicts);
    EXPECT_THAT(plan.targets, ElementsAre(target("10.0.0.1")));
    EXPECT_EQ(plan.slice, slice);
  }
  EXPECT_THAT(backends(slice), ElementsAre("10.0.0.1"));
}

TEST(PlanLocalCheck, OthersWhileItIsDown) {
  auto slice = shared(slice_of(3));
  Verdicts verdicts{{target("10.0.0.1"), Health::down}};
  auto plan = plan_local_check(slice, "node-1", verdicts);
  EXPECT_THAT(plan.targets,
              testing::UnorderedElementsAre(target("10.0.0.1"), target("10.0.0.2"), target("10.0.0.3")));
  EXPECT_THAT(backends(plan.slice), ElementsAre("10.0.0.2", "10.0.0.3"));
  EXPECT_EQ(plan.slice->endpoints[0].nodeName, "node-2") << "no socket waits for what answers no more";
  verdicts[target("10.0.0.2")] = Health::down;
  EXPECT_THAT(backends(plan_local_check(slice, "node-1", verdicts).slice), ElementsAre("10.0.0.3"));
}

TEST(PlanLocalCheck, OneThatEndsIsStillThereButNotReady) {
  auto plan = plan_local_check(shared(slice_of(2)), "node-1", {{target("10.0.0.1"), Health::ending}});
  EXPECT_THAT(backends(plan.slice), ElementsAre("10.0.0.2"));
  EXPECT_EQ(plan.slice->endpoints.at(0).addresses, std::vector<std::string>{"10.0.0.1"});
  EXPECT_EQ(plan.slice->endpoints[0].conditions.serving, false) << "kept sockets have to move in time";
}

TEST(PlanLocalCheck, WhenAllAreDownTheApiDecides) {
  auto slice = shared(slice_of(3));
  Verdicts verdicts;
  for (const char* text : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) verdicts[target(text)] = Health::down;
  EXPECT_THAT(backends(plan_local_check(slice, "node-1", verdicts).slice),
              ElementsAre("10.0.0.2", "10.0.0.3"));
  auto alone = shared(slice_of(1));
  EXPECT_EQ(plan_local_check(alone, "node-1", verdicts).slice, alone) << "there is nobody else";
}

TEST(PlanLocalCheck, NotWhomTheApiCallsNotReady) {
  auto three = slice_of(3);
  three.endpoints[1].conditions.ready = false;
  auto plan = plan_local_check(shared(three), "node-1", {{target("10.0.0.1"), Health::down}});
  EXPECT_THAT(backends(plan.slice), ElementsAre("10.0.0.3"));
}

TEST(PlanLocalCheck, AFewOfMany) {
  auto slice = shared(slice_of(100));
  auto one = plan_local_check(slice, "node-1", {{target("10.0.0.1"), Health::down}});
  ASSERT_THAT(one.targets, SizeIs(5));
  EXPECT_THAT(backends(one.slice), SizeIs(4));
  auto other = plan_local_check(slice, "node-7", {{target("10.0.0.7"), Health::down}});
  EXPECT_NE(std::vector(one.targets.begin() + 1, one.targets.end()),
            std::vector(other.targets.begin() + 1, other.targets.end()))
      << "nodes spread out";
  for (const auto& known : other.slice->endpoints) {
    if (known.nodeName != "node-7")
      EXPECT_EQ(known.conditions.serving.value_or(true), true) << *known.nodeName;
  }
}

TEST(PlanLocalCheck, WhatCannotBeAskedIsLeftAlone) {
  auto udp_only = slice_of(2);
  udp_only.ports.pop_back();
  auto broken = slice_of(2);
  broken.endpoints[0].addresses = {"not an address"};
  broken.endpoints[1].addresses.clear();
  for (const auto& slice : {shared(udp_only), shared(broken)}) {
    auto plan = plan_local_check(slice, "node-1", {{target("10.0.0.1"), Health::down}});
    EXPECT_THAT(plan.targets, IsEmpty());
    EXPECT_EQ(plan.slice, slice);
  }
}

/// What is followed, and a way to say how it is.
struct Followed {
  std::map<CheckTarget, LocalChecks::OnVerdict> all;
  std::map<std::string, SlicePtr> shown;  ///< as an engine would have them
  std::vector<SlicePtr> api;
  int changes = 0;
  LocalChecks checks{{.node = "node-1",
                      .follow = [this](const CheckTarget& where, const IpAddr& asked,
                                       LocalChecks::OnVerdict on_verdict) -> std::shared_ptr<void> {
                        EXPECT_EQ(asked, ip("10.96.0.10"));
                        all[where] = std::move(on_verdict);
                        return {static_cast<void*>(this), [this, where](void*) { all.erase(where); }};
                      },
                      .slices_of = [this](const std::string&) { return api; },
                      .on_slice =
                          [this](const SlicePtr& before, const SlicePtr& after) {
                            ++changes;
                            if (before) shown.erase(before->metadata.name);
                            if (after) shown[after->metadata.name] = after;
                          }}};

  void say(const std::string& where, bool up) {
    auto tell = all.at(target(where));
    tell(up ? Health::up : Health::down, up ? "" : "test");
  }
  void service(kube::Service after) {
    auto next = std::make_shared<const kube::Service>(std::move(after));
    checks.service_changed(known, next);
    known = next;
  }
  ServicePtr known;
};

TEST(LocalChecks, FollowsTheOwnEndpointAndOthersOnlyInNeed) {
  Followed f;
  f.service(service_of_dns());
  auto slice = shared(slice_of(3));
  f.checks.slice_changed(nullptr, slice);
  EXPECT_THAT(f.all, SizeIs(1));
  f.say("10.0.0.1", false);
  EXPECT_THAT(f.all, SizeIs(3));
  EXPECT_THAT(backends(f.shown.at("dns-v4")), ElementsAre("10.0.0.2", "10.0.0.3"));
  f.say("10.0.0.3", false);
  EXPECT_THAT(backends(f.shown.at("dns-v4")), ElementsAre("10.0.0.2"));
  f.say("10.0.0.1", true);
  EXPECT_THAT(f.all, SizeIs(1));
  EXPECT_EQ(*f.shown.at("dns-v4"), *slice);
  int before = f.changes;
  f.say("10.0.0.1", true);
  EXPECT_EQ(f.changes, before) << "no news";
  f.checks.slice_changed(slice, nullptr);
  EXPECT_THAT(f.all, IsEmpty());
  EXPECT_THAT(f.shown, IsEmpty());
}

TEST(LocalChecks, AChangeOfTheSliceKeepsWhatIsKnown) {
  Followed f;
  f.service(service_of_dns());
  auto slice = shared(slice_of(2));
  f.checks.slice_changed(nullptr, slice);
  f.say("10.0.0.1", false);
  auto more = shared(slice_of(3));
  f.checks.slice_changed(slice, more);
  EXPECT_THAT(backends(f.shown.at("dns-v4")), ElementsAre("10.0.0.2", "10.0.0.3"));
}

TEST(LocalChecks, TheSliceMayComeFirstAndTheServiceMayChangeItsMind) {
  Followed f;
  auto slice = shared(slice_of(2));
  f.api = {slice};
  f.checks.slice_changed(nullptr, slice);
  EXPECT_THAT(f.all, IsEmpty());
  f.service(service_of_dns());
  EXPECT_THAT(f.all, SizeIs(1));
  f.say("10.0.0.1", false);
  EXPECT_THAT(backends(f.shown.at("dns-v4")), ElementsAre("10.0.0.2"));
  f.service(service_of_dns("icmp"));
  EXPECT_THAT(f.all, IsEmpty());
  EXPECT_EQ(f.shown.at("dns-v4"), slice);
  f.checks.slice_changed(slice, nullptr);
  EXPECT_THAT(f.shown, IsEmpty());
}

}  // namespace
}  // namespace weft::service
