#include "endpoints/plan.h"

#include <gtest/gtest.h>

#include "endpoints/endpoint.h"
#include "endpoints/test_objects.h"
#include "endpoints/trigger_time.h"

namespace weft::endpoints {
namespace {

using test::make_node;
using test::make_pod;
using test::World;
using test::writes;
using Sizes = std::vector<size_t>;

TEST(Plan, NoPodsLeaveAPlaceholder) {
  World w;
  EXPECT_EQ(writes(w.apply()), "1 0 0");
  const auto& slice = w.slices.begin()->second;
  EXPECT_EQ(slice.metadata.generateName, "web-");
  EXPECT_EQ(slice.addressType, "IPv4");
  EXPECT_TRUE(slice.ports.empty());
  EXPECT_TRUE(slice.endpoints.empty());
  EXPECT_EQ(slice.metadata.labels,
            (kube::StringMap{{"kubernetes.io/service-name", "web"},
                             {"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"}}));
  ASSERT_EQ(slice.metadata.ownerReferences.size(), 1U);
  const auto& owner = slice.metadata.ownerReferences[0];
  EXPECT_EQ(owner.apiVersion + owner.kind + owner.name + owner.uid, "v1Servicewebweb-uid");
  EXPECT_TRUE(owner.controller.value_or(false));
  EXPECT_TRUE(owner.blockOwnerDeletion.value_or(false));
  EXPECT_EQ(writes(w.apply()), "0 0 0") << "and leave it at that";
}

TEST(Plan, OnePod) {
  World w;
  w.trigger_time = "2026-01-01T00:01:00Z";
  w.service.metadata.labels = {
      {"team", "x"}, {kServiceName, "forged"}, {kManagedBy, "me"}, {kHeadless, "no"}};
  w.add_pod(1);
  EXPECT_EQ(writes(w.apply()), "1 0 0");
  const auto& slice = w.slices.begin()->second;
  EXPECT_EQ(slice.metadata.labels,
            (kube::StringMap{{"team", "x"}, {kServiceName, "web"}, {kManagedBy, kController}}));
  EXPECT_EQ(slice.metadata.annotations.at(kTriggerTime), w.trigger_time);
  ASSERT_EQ(slice.ports.size(), 1U);
  EXPECT_EQ(slice.ports[0].name, "http");
  EXPECT_EQ(slice.ports[0].port, 8080);
  EXPECT_EQ(slice.ports[0].protocol, "TCP");
  ASSERT_EQ(slice.endpoints.size(), 1U);
  const auto& endpoint = slice.endpoints[0];
  EXPECT_EQ(endpoint.addresses, (std::vector<std::string>{"10.244.0.2"}));
  EXPECT_EQ(endpoint.conditions.ready, true);
  EXPECT_EQ(endpoint.conditions.serving, true);
  EXPECT_EQ(endpoint.conditions.terminating, false);
  EXPECT_EQ(endpoint.nodeName, "node-1");
  EXPECT_EQ(endpoint.zone, "zone-a");
  EXPECT_EQ(endpoint.hostname, std::nullopt);
  EXPECT_EQ(endpoint.hints, std::nullopt);
  ASSERT_TRUE(endpoint.targetRef.has_value());
  EXPECT_EQ(endpoint.targetRef->kind + "/" + endpoint.targetRef->namespace_ + "/" + endpoint.targetRef->name +
                "/" + endpoint.targetRef->uid,
            "Pod/a/pod-0001/pod-uid-1");
  EXPECT_EQ(writes(w.apply()), "0 0 0");
}

TEST(Plan, Families) {
  struct Case {
    std::vector<std::string> families;
    std::string cluster_ip;
    std::set<std::string> types;
  };
  for (const auto& c : std::vector<Case>{{{"IPv4"}, "10.0.0.1", {"IPv4"}},
                                         {{"IPv6"}, "fd00::1", {"IPv6"}},
                                         {{"IPv4", "IPv6"}, "10.0.0.1", {"IPv4", "IPv6"}},
                                         {{}, "10.0.0.1", {"IPv4"}},
                                         {{}, "fd00::1", {"IPv6"}},
                                         {{}, "None", {"IPv4", "IPv6"}}}) {
    World w;
    w.service.spec.ipFamilies = c.families;
    w.service.spec.clusterIP = c.cluster_ip;
    w.add_pod(1);
    w.apply();
    std::set<std::string> types;
    for (const auto& [name, slice] : w.slices) {
      types.insert(slice.addressType);
      ASSERT_EQ(slice.endpoints.size(), 1U);
      EXPECT_EQ(slice.endpoints[0].addresses[0], slice.addressType == "IPv4" ? "10.244.0.2" : "fd00:244::2");
      EXPECT_EQ(slice.metadata.labels.contains(kHeadless), c.cluster_ip == "None");
    }
    EXPECT_EQ(types, c.types);
    EXPECT_EQ(writes(w.apply()), "0 0 0");
  }
}

TEST(Plan, FamilyThatIsNoLongerWantedGoes) {
  World w;
  w.service.spec.ipFamilies = {"IPv4", "IPv6"};
  w.add_pods(0, 3);
  w.apply();
  EXPECT_EQ(w.slices.size(), 2U);
  w.service.spec.ipFamilies = {"IPv6"};
  EXPECT_EQ(writes(w.apply()), "0 0 1");
  EXPECT_EQ(w.slices.begin()->second.addressType, "IPv6");
}

TEST(Plan, PodWithoutAnAddressOfTheFamily) {
  World w;
  w.service.spec.ipFamilies = {"IPv4", "IPv6"};
  w.add_pod(1).status.podIPs.pop_back();
  w.apply();
  ASSERT_EQ(w.slices.size(), 2U);
  for (const auto& [name, slice] : w.slices)
    EXPECT_EQ(slice.endpoints.size(), slice.addressType == "IPv4" ? 1U : 0U);
}

TEST(Plan, ReadyServingTerminating) {
  struct Case {
    const char* what;
    bool ready, deleted, publish;
    bool want_ready, want_serving, want_terminating;
  };
  for (const auto& c : std::vector<Case>{{"ready", true, false, false, true, true, false},
                                         {"not ready", false, false, false, false, false, false},
                                         {"terminating, still serving", true, true, false, false, true, true},
                                         {"terminating", false, true, false, false, false, true},
                                         {"published", false, false, true, true, false, false},
                                         {"published, terminating", false, true, true, true, false, true}}) {
    World w;
    w.service.spec.publishNotReadyAddresses = c.publish;
    auto& pod = w.add_pod(1);
    if (!c.ready) pod.status.conditions[0].status = "False";
    if (c.deleted) pod.metadata.deletionTimestamp = "2026-01-01T00:02:00Z";
    w.apply();
    const auto& got = w.slices.begin()->second.endpoints.at(0).conditions;
    EXPECT_EQ(got.ready, c.want_ready) << c.what;
    EXPECT_EQ(got.serving, c.want_serving) << c.what;
    EXPECT_EQ(got.terminating, c.want_terminating) << c.what;
  }
}

TEST(Plan, WhoIsLeftOutAndWhy) {
  World w;
  w.add_pod(1).status.phase = "Succeeded";
  w.add_pod(2).status.phase = "Failed";
  auto& no_address = w.add_pod(3);
  no_address.status.podIP.clear();
  no_address.status.podIPs.clear();
  w.add_pod(4).spec.nodeName = "gone";
  auto plan = w.apply();
  EXPECT_TRUE(w.slices.begin()->second.endpoints.empty());
  std::vector<std::string> why;
  for (const auto& left : plan.left_out) why.push_back(left.pod->metadata.name + ": " + left.why);
  EXPECT_EQ(why, (std::vector<std::string>{"pod-0001: its phase is Succeeded",
                                           "pod-0002: its phase is Failed", "pod-0003: it has no address yet",
                                           "pod-0004: its node \"gone\" does not exist"}));
  w.service.spec.publishNotReadyAddresses = true;
  w.apply();
  EXPECT_EQ(w.sizes(), Sizes{1}) << "addresses that shall be published anyhow need no node";
}

TEST(Plan, Hostname) {
  World w;
  auto& named = w.add_pod(1);
  named.spec.hostname = "db-0";
  named.spec.subdomain = "web";
  auto& elsewhere = w.add_pod(2);
  elsewhere.spec.hostname = "db-1";
  elsewhere.spec.subdomain = "other";
  w.apply();
  const auto& endpoints = w.slices.begin()->second.endpoints;
  EXPECT_EQ(endpoints.at(0).hostname, "db-0");
  EXPECT_EQ(endpoints.at(1).hostname, std::nullopt);
}

TEST(Plan, NamedPortsGroupPods) {
  World w;
  w.service.spec.ports[0].targetPort.value = std::string("web");
  auto add_port = [](std::vector<kube::Container>& containers, int number, const std::string& protocol) {
    auto& port = containers.emplace_back().ports.emplace_back();
    port.name = "web";
    port.containerPort = number;
    port.protocol = protocol;
  };
  add_port(w.add_pod(1).spec.containers, 8080, "TCP");
  add_port(w.add_pod(2).spec.containers, 8080, "");
  add_port(w.add_pod(3).spec.containers, 9090, "TCP");
  auto& sidecar = w.add_pod(4);
  add_port(sidecar.spec.initContainers, 9090, "TCP");
  sidecar.spec.initContainers[0].restartPolicy = "Always";
  add_port(w.add_pod(5).spec.initContainers, 9090,
           "TCP");  // an init container that ends has no port for others
  add_port(w.add_pod(6).spec.containers, 9090, "UDP");
  w.apply();
  std::map<int, std::vector<std::string>> by_port;
  for (const auto& [name, slice] : w.slices) {
    for (const auto& endpoint : slice.endpoints)
      by_port[slice.ports.empty() ? 0 : *slice.ports[0].port].push_back(endpoint.targetRef->name);
  }
  EXPECT_EQ(by_port, (std::map<int, std::vector<std::string>>{{0, {"pod-0005", "pod-0006"}},
                                                              {8080, {"pod-0001", "pod-0002"}},
                                                              {9090, {"pod-0003", "pod-0004"}}}));
  EXPECT_EQ(writes(w.apply()), "0 0 0");
}

TEST(Plan, PortsAreTheSameInAnyOrderAndWithDefaults) {
  World w;
  auto& second = w.service.spec.ports.emplace_back();
  second.name = "a";
  second.port = 53;
  second.protocol = "UDP";
  second.appProtocol = "dns";
  w.add_pod(1);
  w.apply();
  auto& slice = w.slices.begin()->second;
  ASSERT_EQ(slice.ports.size(), 2U);
  EXPECT_EQ(slice.ports[0].port, 53) << "targetPort 0 is the port itself";
  EXPECT_EQ(slice.ports[0].appProtocol, "dns");
  std::swap(slice.ports[0], slice.ports[1]);
  std::swap(w.service.spec.ports[0], w.service.spec.ports[1]);
  EXPECT_EQ(writes(w.apply()), "0 0 0");
}

TEST(Plan, HeadlessWithoutPorts) {
  World w;
  w.service.spec.ports.clear();
  w.service.spec.clusterIP = "None";
  w.apply();
  w.add_pod(1);
  EXPECT_EQ(writes(w.apply()), "0 1 0") << "the placeholder takes the endpoint";
  EXPECT_EQ(w.sizes(), Sizes{1});
}

TEST(Plan, PlaceholderBecomesTheFirstSliceAndBack) {
  World w;
  w.apply();
  w.slices.begin()->second.metadata.uid = "u";
  w.slices.begin()->second.metadata.resourceVersion = "7";
  w.add_pod(1);
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(w.slices.begin()->second.metadata.resourceVersion, "7")
      << "a change in between must show as a conflict";
  EXPECT_EQ(w.slices.begin()->second.metadata.uid, "u");
  EXPECT_EQ(w.sizes(), Sizes{1});
  w.pods.clear();
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(w.sizes(), Sizes{0});
  EXPECT_TRUE(w.slices.begin()->second.ports.empty());
}

TEST(Plan, ManyPodsFillSlices) {
  World w;
  w.add_pods(0, 250);
  EXPECT_EQ(writes(w.apply()), "3 0 0");
  EXPECT_EQ(w.sizes(), (Sizes{100, 100, 50}));
  w.add_pods(250, 251);
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(w.sizes(), (Sizes{100, 100, 51}));
}

TEST(Plan, ExistingSlicesTakeTheRestOnlyIfItFitsIntoOne) {
  World w;
  w.add_pods(0, 250);
  w.existing("s1", 1, 5);
  w.existing("s2", 100, 110);
  EXPECT_EQ(writes(w.apply()), "2 1 0") << "236 more: two new slices, and 36 into the one that ends fuller";
  EXPECT_EQ(w.slices.at("s1").endpoints.size(), 4U);
  EXPECT_EQ(w.slices.at("s2").endpoints.size(), 46U);
}

TEST(Plan, NeverRebalances) {
  World w;
  w.add_pods(0, 300);
  for (int i = 0; i < 4; ++i) w.existing(fmt::format("s{}", i), i * 61, i * 61 + 60);
  EXPECT_EQ(writes(w.apply()), "1 0 0") << "60 more do not fit into any one slice";
  EXPECT_EQ(w.sizes(), (Sizes{60, 60, 60, 60, 60}));
}

TEST(Plan, WhatIsWrittenAnyhowTakesTheNewOnes) {
  World w;
  w.add_pods(0, 200);
  w.existing("full", 0, 90);
  w.existing("half", 90, 140);
  w.existing("other", 140, 200);
  w.pods.erase(make_pod(10).metadata.name);
  w.pods.erase(make_pod(100).metadata.name);
  w.add_pods(200, 215);
  EXPECT_EQ(writes(w.apply()), "0 2 0");
  EXPECT_EQ(w.slices.at("full").endpoints.size(), 100U) << "the fullest first";
  EXPECT_EQ(w.slices.at("half").endpoints.size(), 53U);
  EXPECT_EQ(w.slices.at("other").endpoints.size(), 60U);
}

TEST(Plan, StateChangeWritesOnlyItsSlice) {
  World w;
  w.add_pods(0, 250);
  w.apply();
  auto& pod = w.pods.at(make_pod(120).metadata.name);
  pod.status.conditions[0].status = "False";
  auto plan = w.apply();
  EXPECT_EQ(writes(plan), "0 1 0");
  EXPECT_EQ(plan.update[0].endpoints.size(), 100U);
  pod.metadata.resourceVersion = "9";
  pod.status.message = "changed";
  EXPECT_EQ(writes(w.apply()), "0 0 0") << "what endpoints do not show is no reason to write";
}

TEST(Plan, RecreatedPodIsAnotherEndpoint) {
  World w;
  w.add_pods(0, 2);
  w.apply();
  w.pods.at(make_pod(1).metadata.name).metadata.uid = "again";
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(w.slices.begin()->second.endpoints.at(1).targetRef->uid, "again");
}

TEST(Plan, LabelsAreMirrored) {
  World w;
  w.add_pods(0, 150);
  w.apply();
  w.service.metadata.labels = {{"team", "x"}};
  EXPECT_EQ(writes(w.apply()), "0 2 0");
  EXPECT_EQ(w.slices.begin()->second.metadata.labels.at("team"), "x");
  w.service.metadata.labels.clear();
  w.slices.begin()->second.metadata.labels["stray"] = "y";
  EXPECT_EQ(writes(w.apply()), "0 2 0");
  EXPECT_FALSE(w.slices.begin()->second.metadata.labels.contains("stray"));
}

TEST(Plan, PortChangeReusesSlices) {
  World w;
  w.add_pods(0, 250);
  w.apply();
  w.service.spec.ports[0].targetPort.value = 9090;
  EXPECT_EQ(writes(w.apply()), "0 3 0") << "no slice is made or removed";
  for (const auto& [name, slice] : w.slices) EXPECT_EQ(slice.ports.at(0).port, 9090);
  EXPECT_EQ(writes(w.apply()), "0 0 0");
}

TEST(Plan, SlicesOfAnEarlierServiceAreReplaced) {
  World w;
  w.add_pods(0, 2);
  w.apply();
  w.service.metadata.uid = "another";
  EXPECT_EQ(writes(w.apply()), "1 0 1") << "not taken over: the garbage collector is after them";
  EXPECT_EQ(w.slices.begin()->second.metadata.ownerReferences.at(0).uid, "another");
}

TEST(Plan, DuplicatesOfAnEndpointGo) {
  World w;
  w.add_pods(0, 10);
  w.existing("s1", 0, 10);
  w.existing("s2", 5, 8);
  EXPECT_EQ(writes(w.apply()), "0 0 1");
  EXPECT_EQ(w.sizes(), Sizes{10});
}

TEST(Plan, EmptiedSliceIsRemovedUnlessItIsTheLast) {
  World w;
  w.add_pods(0, 150);
  w.apply();
  for (int n = 100; n < 150; ++n) w.pods.erase(make_pod(n).metadata.name);
  EXPECT_EQ(writes(w.apply()), "0 0 1");
  w.pods.clear();
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(w.sizes(), Sizes{0});
}

TEST(Plan, ServiceThatGoesGetsNoNewSlices) {
  World w;
  w.add_pods(0, 5);
  w.apply();
  w.service.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  w.add_pods(5, 105);
  EXPECT_EQ(writes(w.apply()), "0 0 0");
  w.pods.erase(make_pod(1).metadata.name);
  EXPECT_EQ(writes(w.apply()), "0 1 0");
}

TEST(Plan, OthersSlicesAreNotOurs) {
  World w;
  w.add_pods(0, 5);
  w.service.spec.selector.clear();
  EXPECT_EQ(writes(w.plan()), "0 0 0");
  w.service = test::make_service();
  w.service.spec.type = "ExternalName";
  EXPECT_EQ(writes(w.plan()), "0 0 0");
}

TEST(Plan, TrafficDistributionGivesHints) {
  World w;
  w.nodes["node-2"] = make_node("node-2", "");
  w.add_pod(1);
  w.add_pod(2).spec.nodeName = "node-2";
  w.add_pod(3).status.conditions[0].status = "False";
  auto hints = [&](size_t n) {
    std::string out;
    const auto& endpoint = w.slices.begin()->second.endpoints.at(n);
    if (!endpoint.hints) return std::string("none");
    for (const auto& zone : endpoint.hints->forZones) out += "zone " + zone.name;
    for (const auto& node : endpoint.hints->forNodes) out += " node " + node.name;
    return out;
  };
  w.service.spec.trafficDistribution = "PreferSameZone";
  w.apply();
  EXPECT_EQ(hints(0) + "|" + hints(1) + "|" + hints(2), "zone zone-a|none|none");
  w.service.spec.trafficDistribution = "PreferSameNode";
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(hints(0) + "|" + hints(1) + "|" + hints(2), "zone zone-a node node-1| node node-2|none");
  w.service.spec.trafficDistribution = "PreferClose";
  w.service.metadata.annotations["service.kubernetes.io/topology-mode"] = "Auto";
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(hints(0) + hints(1), "nonenone");
  w.add_pod(4);
  w.add_pod(5).spec.nodeName = "node-2";
  w.nodes["node-2"] = make_node("node-2", "zone-b");
  w.zone_shares = {{"zone-a", 0.5}, {"zone-b", 0.5}};
  EXPECT_EQ(writes(w.apply()), "0 1 0");
  EXPECT_EQ(hints(0) + "|" + hints(1) + "|" + hints(2), "zone zone-a|zone zone-b|none");
  EXPECT_EQ(hints(3) + "|" + hints(4), "zone zone-a|zone zone-b");
  EXPECT_EQ(writes(w.apply()), "0 0 0") << "what fits stays";
}

TEST(Plan, TriggerTimeIsClearedWhenNothingCarriesOne) {
  World w;
  w.trigger_time = "2026-01-01T00:01:00Z";
  w.add_pods(0, 2);
  w.apply();
  w.pods.erase(make_pod(0).metadata.name);
  w.trigger_time = "";
  w.apply();
  EXPECT_FALSE(w.slices.begin()->second.metadata.annotations.contains(kTriggerTime));
}

TEST(TriggerTimes, OldestChangeThatIsNew) {
  TriggerTimes times;
  auto service = test::make_service();
  auto pod = [](int n, const std::string& time) {
    auto out = make_pod(n);
    out.status.conditions[0].lastTransitionTime = time;
    return std::make_shared<const kube::Pod>(out);
  };
  EXPECT_EQ(times.compute("a/web", service, {pod(1, "2026-01-01T00:05:00Z")}), "2026-01-01T00:00:00Z")
      << "of a Service that is new: its creation";
  EXPECT_EQ(times.compute("a/web", service, {pod(1, "2026-01-01T00:05:00Z")}), "");
  EXPECT_EQ(times.compute("a/web", service, {pod(1, "2026-01-01T00:09:00Z"), pod(2, "2026-01-01T00:08:00Z")}),
            "2026-01-01T00:08:00Z");
  EXPECT_EQ(times.compute("a/web", service, {pod(2, "2026-01-01T00:08:00Z")}), "")
      << "a pod that went has no time";
}

}  // namespace
}  // namespace weft::endpoints
