#include "standalone/sandbox/pod_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/codec.h"

namespace weft::standalone::sandbox {
namespace {

kube::Pod make_pod(const std::string& policy) {
  kube::Pod pod;
  pod.metadata.name = "p";
  pod.spec.restartPolicy = policy;
  pod.spec.containers.resize(1);
  pod.spec.containers[0].name = "c";
  return pod;
}

ContainerView waiting(const kube::Container& spec) {
  ContainerView v;
  v.spec = &spec;
  v.state.waiting.emplace().reason = "ContainerCreating";
  return v;
}
ContainerView running(const kube::Container& spec, bool ready = true) {
  ContainerView v;
  v.spec = &spec;
  v.state.running.emplace();
  v.ready = ready;
  v.started = true;
  return v;
}
ContainerView terminated(const kube::Container& spec, int code) {
  ContainerView v;
  v.spec = &spec;
  v.state.terminated.emplace().exitCode = code;
  return v;
}

std::string phase(const kube::Pod& pod, ContainerView c) {
  PodView view;
  view.main.push_back(std::move(c));
  return compute_status(pod, view, {}, "now").phase;
}

TEST(PodStatus, Phase) {
  for (const char* policy : {"Always", "OnFailure", "Never"}) {
    auto pod = make_pod(policy);
    EXPECT_EQ(phase(pod, waiting(pod.spec.containers[0])), "Pending");
    EXPECT_EQ(phase(pod, running(pod.spec.containers[0])), "Running");
    auto crashed = waiting(pod.spec.containers[0]);
    crashed.last_state.terminated.emplace().exitCode = 1;
    if (pod.spec.restartPolicy != "Never") EXPECT_EQ(phase(pod, crashed), "Running") << "between two runs";
  }
  auto always = make_pod("Always"), failure = make_pod("OnFailure"), never = make_pod("Never");
  EXPECT_EQ(phase(always, terminated(always.spec.containers[0], 0)), "Running");
  EXPECT_EQ(phase(failure, terminated(failure.spec.containers[0], 0)), "Succeeded");
  EXPECT_EQ(phase(failure, terminated(failure.spec.containers[0], 1)), "Running");
  EXPECT_EQ(phase(never, terminated(never.spec.containers[0], 0)), "Succeeded");
  EXPECT_EQ(phase(never, terminated(never.spec.containers[0], 1)), "Failed");
}

const kube::PodCondition& condition(const kube::PodStatus& status, const std::string& type) {
  for (const auto& c : status.conditions) {
    if (c.type == type) return c;
  }
  throw std::runtime_error("no condition " + type);
}

TEST(PodStatus, InitContainersGateTheRest) {
  auto pod = make_pod("Never");
  kube::Container init;
  init.name = "i";
  PodView view;
  view.init.push_back(running(init));
  view.main.push_back(waiting(pod.spec.containers[0]));
  auto status = compute_status(pod, view, {}, "now");
  EXPECT_EQ(status.phase, "Pending");
  EXPECT_EQ(condition(status, "Initialized").status, "False");
  EXPECT_EQ(condition(status, "Initialized").message, "containers with incomplete status: [i]");
  EXPECT_EQ(condition(status, "Ready").message, "containers with unready status: [c]");
  view.init[0] = terminated(init, 1);
  EXPECT_EQ(compute_status(pod, view, {}, "now").phase, "Failed");
  view.init[0] = terminated(init, 0);
  status = compute_status(pod, view, {}, "now");
  EXPECT_EQ(condition(status, "Initialized").status, "True");
  EXPECT_TRUE(status.initContainerStatuses[0].ready);
}

TEST(PodStatus, ReadinessGatesAndForeignConditions) {
  auto pod = make_pod("Always");
  pod.spec.readinessGates.push_back({{}, "example.com/gate"});
  PodView view;
  view.main.push_back(running(pod.spec.containers[0]));
  auto status = compute_status(pod, view, {}, "now");
  EXPECT_EQ(condition(status, "ContainersReady").status, "True");
  EXPECT_EQ(condition(status, "Ready").status, "False");
  EXPECT_EQ(condition(status, "Ready").reason, "ReadinessGatesNotReady");
  kube::PodCondition gate;
  gate.type = "example.com/gate";
  gate.status = "True";
  pod.status.conditions.push_back(gate);
  status = compute_status(pod, view, status, "later");
  EXPECT_EQ(condition(status, "Ready").status, "True");
  EXPECT_EQ(condition(status, "Ready").lastTransitionTime, "later");
  EXPECT_EQ(condition(status, "ContainersReady").lastTransitionTime, "now");
  EXPECT_EQ(condition(status, "example.com/gate").status, "True");
}

TEST(PodStatus, AddressesAndFailure) {
  auto pod = make_pod("Always");
  PodView view;
  view.main.push_back(running(pod.spec.containers[0]));
  view.pod_ips = {"10.0.0.1", "fd00::1"};
  view.host_ips = {"172.30.0.2"};
  view.failed_reason = "DeadlineExceeded";
  auto status = compute_status(pod, view, {}, "now");
  EXPECT_EQ(status.podIP, "10.0.0.1");
  EXPECT_EQ(status.podIPs.size(), 2U);
  EXPECT_EQ(status.hostIP, "172.30.0.2");
  EXPECT_EQ(status.phase, "Failed");
  EXPECT_EQ(status.reason, "DeadlineExceeded");
}

TEST(PodStatus, QosClass) {
  auto pod = make_pod("Always");
  EXPECT_EQ(qos_class(pod.spec), "BestEffort");
  pod.spec.containers[0].resources.requests = {{"cpu", "1"}};
  EXPECT_EQ(qos_class(pod.spec), "Burstable");
  pod.spec.containers[0].resources.requests =
      pod.spec.containers[0].resources.limits = {{"cpu", "1"}, {"memory", "1Gi"}};
  EXPECT_EQ(qos_class(pod.spec), "Guaranteed");
}

TEST(ShouldRestart, ByPolicy) {
  EXPECT_TRUE(should_restart("Always", false, 0));
  EXPECT_TRUE(should_restart("OnFailure", false, 1));
  EXPECT_FALSE(should_restart("OnFailure", false, 0));
  EXPECT_FALSE(should_restart("Never", false, 1));
  EXPECT_TRUE(should_restart("Never", true, 0));
}

TEST(MergeDiff, IsAMergePatch) {
  auto before = json::parse(R"({"a":1,"b":{"c":1,"d":2},"e":[1],"f":1})").as_object();
  auto after = json::parse(R"({"a":1,"b":{"c":1,"d":3},"e":[1,2],"g":1})").as_object();
  EXPECT_EQ(merge_diff(before, after), json::parse(R"({"f":null,"b":{"d":3},"e":[1,2],"g":1})").as_object());
  EXPECT_TRUE(merge_diff(before, before).empty());
}

}  // namespace
}  // namespace weft::standalone::sandbox
