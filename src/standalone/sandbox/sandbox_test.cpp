#include "standalone/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/mounts.h"
#include "base/netns.h"
#include "kube/client/testing/memory_api.h"
#include "standalone/sandbox/cleanup.h"

/// The whole sandbox against an API server in memory: what it writes there, and what it runs.
namespace weft::standalone {
namespace {

using kube::string_at;
using testing::Contains;
using testing::HasSubstr;
using testing::MatchesRegex;

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    cluster = "wt-sandbox-e-" + std::to_string(::getpid());
    char name[] = "/tmp/wt-sandbox-e-XXXXXX";
    dir = ::mkdtemp(name);
    ASSERT_TRUE(create_netns("weft-" + cluster + "-node-1", {}));
    box = std::make_unique<Sandbox>(options());
    ASSERT_TRUE(box->start(fixture.config()));
  }
  void TearDown() override {
    if (box) box->stop();
    EXPECT_EQ(list_netns("weft-" + cluster + "-p-").size(), 0U);
    EXPECT_TRUE(clean_cluster(cluster));
    EXPECT_EQ(list_netns("weft-" + cluster).size(), 0U);
    std::filesystem::remove_all(dir);
  }
  SandboxOptions options() {
    SandboxOptions o;
    o.cluster = cluster;
    SandboxNode node;
    node.name = "node-1";
    node.netns = "weft-" + cluster + "-node-1";
    node.zone = "z";
    node.addresses = {"172.30.0.2", "fd00:172::2"};
    node.pod_cidrs = {"10.244.0.0/24"};
    node.cgroup = *cgroup2_root() + "/weft-" + cluster + "/node-1";
    node.state_dir = dir;
    o.nodes = {node};
    o.dns_addresses = {"10.96.0.10"};
    o.cni.add = [this](const std::string&, const PodIdentity&) -> Expected<std::vector<std::string>> {
      ++added;
      return std::vector<std::string>{"10.244.0.9", "fd00:244::9"};
    };
    o.reachable = [this](const SandboxNode&) { return reachable.load(); };
    o.cni.remove = [this](const std::string&, const PodIdentity&) -> Expected<void> {
      ++removed;
      return {};
    };
    return o;
  }
  json::object pod(const std::string& name, const std::string& uid, bool bound) {
    json::object spec{
        {"restartPolicy", "Always"},
        {"containers",
         json::array{json::object{{"name", "c"}, {"command", {"sh", "-c", "echo hi; exec sleep 1000"}}}}}};
    if (bound) spec["nodeName"] = "node-1";
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}, {"namespace", "test"}, {"uid", uid}}},
            {"spec", spec}};
  }
  json::value get(const std::string& collection, const std::string& name) {
    for (auto& object : api.all(collection)) {
      if (string_at(object, "metadata.name") == name) return object;
    }
    return nullptr;
  }
  std::string phase(const std::string& name) {
    return std::string(string_at(get(kPods, name), "status.phase"));
  }

  static constexpr const char* kPods = "/api/v1/namespaces/test/pods";
  kube::test::Fixture fixture;
  kube::test::MemoryApi api{fixture};
  std::string cluster, dir;
  std::atomic<int> added{0}, removed{0};
  std::atomic<bool> reachable{true};
  std::unique_ptr<Sandbox> box;
};

TEST_F(SandboxTest, RegistersTheNodeAndItsLease) {
  ASSERT_TRUE(fixture.run_until([&] {
    return !get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", "node-1").is_null();
  }));
  auto node = get("/api/v1/nodes", "node-1");
  EXPECT_EQ(string_at(node, "spec.podCIDR"), "10.244.0.0/24");
  EXPECT_EQ(kube::at_path(node, "metadata.labels")->at("topology.kubernetes.io/zone"), "z");
  EXPECT_EQ(kube::at_path(node, "status.addresses")->at(1).at("address"), "172.30.0.2");
}

TEST_F(SandboxTest, PodFromItsBindingToItsDeletion) {
  api.put(kPods, pod("web", "11111111-2222-3333-4444-555555555555", true));
  ASSERT_TRUE(fixture.run_until([&] { return phase("web") == "Running"; }));
  auto running = get(kPods, "web");
  EXPECT_EQ(string_at(running, "status.podIP"), "10.244.0.9");
  EXPECT_EQ(string_at(running, "status.hostIP"), "172.30.0.2");
  EXPECT_EQ(added, 1);
  auto exec = box->runtime().exec({"test", "web", "", {"true"}, false, false});
  EXPECT_TRUE(exec) << exec.error().message;
  EXPECT_TRUE(box->runtime().log_path("test", "web", "c", false));
  EXPECT_FALSE(box->runtime().log_path("test", "web", "nobody", false));
  ASSERT_TRUE(fixture.run_until([&] { return api.all("/api/v1/namespaces/test/events").size() >= 3; }));

  auto deleted = running.as_object();
  deleted["metadata"].as_object()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  deleted["metadata"].as_object()["deletionGracePeriodSeconds"] = 5;
  api.put(kPods, deleted);
  ASSERT_TRUE(fixture.run_until([&] { return get(kPods, "web").is_null(); }));
  EXPECT_THAT(api.writes, Contains(std::string("DELETE ") + kPods + "/web"));
  EXPECT_EQ(removed, 1);
  EXPECT_TRUE(list_netns("weft-" + cluster + "-p-").empty());
  EXPECT_FALSE(box->runtime().log_path("test", "web", "c", false));
}

TEST_F(SandboxTest, PodsThatCannotStartSayWhyAndHinderNoOther) {
  auto unknown = pod("unknown", "cccccccc-0001-3333-4444-555555555555", true);
  unknown["spec"].as_object()["containers"] =
      json::array{json::object{{"name", "c"}, {"image", "nginx:1.27"}}};
  api.put(kPods, unknown);
  auto late = pod("late", "cccccccc-0002-3333-4444-555555555555", true);
  late["spec"].as_object()["volumes"] =
      json::array{json::object{{"name", "v"}, {"configMap", json::object{{"name", "settings"}}}}};
  api.put(kPods, late);
  api.put(kPods, pod("web", "cccccccc-0003-3333-4444-555555555555", true));
  auto told = [&](const std::string& name, const std::string& reason, const std::string& text) {
    return std::ranges::any_of(api.all("/api/v1/namespaces/test/events"), [&](const json::value& event) {
      return string_at(event, "involvedObject.name") == name && string_at(event, "reason") == reason &&
             string_at(event, "message").find(text) != std::string_view::npos;
    });
  };
  ASSERT_TRUE(fixture.run_until([&] {
    return phase("web") == "Running" && told("unknown", "Failed", "--image nginx=PATH") &&
           told("late", "FailedMount", "settings");
  }));
  auto refused = get(kPods, "unknown");
  const auto& state = kube::at_path(refused, "status.containerStatuses")->at(0).at("state");
  EXPECT_THAT(std::string(string_at(state, "waiting.reason")), MatchesRegex("ErrImagePull|ImagePullBackOff"));
  EXPECT_THAT(std::string(string_at(state, "waiting.message")), HasSubstr("--image nginx=PATH"));
  EXPECT_EQ(phase("unknown"), "Pending");
  EXPECT_EQ(phase("late"), "Pending");
  api.put("/api/v1/namespaces/test/configmaps", {{"apiVersion", "v1"},
                                                 {"kind", "ConfigMap"},
                                                 {"metadata", {{"name", "settings"}, {"namespace", "test"}}},
                                                 {"data", {{"key", "value"}}}});
  ASSERT_TRUE(fixture.run_until([&] { return phase("late") == "Running"; }));
}

TEST_F(SandboxTest, PodWithoutNodeIsBound) {
  api.put(kPods, pod("lost", "11111111-2222-3333-4444-666666666666", false));
  ASSERT_TRUE(fixture.run_until(
      [&] { return std::ranges::count(api.writes, std::string("POST ") + kPods + "/lost/binding") == 1; }));
}

TEST_F(SandboxTest, SameNameWithAnotherUidIsAnotherPod) {
  api.put(kPods, pod("web", "11111111-2222-3333-4444-777777777777", true));
  ASSERT_TRUE(fixture.run_until([&] { return phase("web") == "Running"; }));
  api.erase(kPods, "web");
  api.put(kPods, pod("web", "88888888-2222-3333-4444-777777777777", true));
  ASSERT_TRUE(fixture.run_until([&] { return phase("web") == "Running" && removed >= 1; }));
  ASSERT_TRUE(fixture.run_until([&] { return list_netns("weft-" + cluster + "-p-").size() == 1; }));
}

TEST_F(SandboxTest, LeftoversOfAnEarlierRunAreRemovedAndPodsStartAnew) {
  api.put(kPods, pod("web", "11111111-2222-3333-4444-999999999999", true));
  ASSERT_TRUE(fixture.run_until([&] { return phase("web") == "Running"; }));
  // As after a kill -9: the namespace and the pod's folder are still there.
  box->stop();
  ASSERT_TRUE(create_netns("weft-" + cluster + "-p-111111112222", {}));
  std::filesystem::create_directories(dir + "/pods/11111111-2222-3333-4444-999999999999/etc");
  box = std::make_unique<Sandbox>(options());
  ASSERT_TRUE(box->start(fixture.config()));
  auto restarts = [&]() -> int64_t {
    auto web = get(kPods, "web");
    const auto* statuses = kube::at_path(web, "status.containerStatuses");
    const auto* count = statuses ? kube::member(statuses->at(0), "restartCount") : nullptr;
    return count ? count->to_number<int64_t>() : 0;
  };
  ASSERT_TRUE(fixture.run_until([&] { return restarts() == 1 && phase("web") == "Running"; }));
  EXPECT_GE(removed, 1);
  EXPECT_EQ(added, 2);
}

TEST_F(SandboxTest, StatusArrivesAfterTheServerWasAway) {
  api.put(kPods, pod("web", "11111111-2222-3333-4444-aaaaaaaaaaaa", true));
  api.conflict_one_in = 0;
  ASSERT_TRUE(fixture.run_until([&] { return phase("web") == "Running"; }));
  api.break_watches(true);
  api.put(kPods, pod("two", "bbbbbbbb-2222-3333-4444-aaaaaaaaaaaa", true));
  ASSERT_TRUE(fixture.run_until([&] { return phase("two") == "Running"; }));
}

// As the kubelet of a node that is cut off, which learns what happened when it is back.
TEST_F(SandboxTest, ANodeThatIsAwayTellsNothingUntilItIsBack) {
  constexpr const char* kLeases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  for (const char* name : {"stays", "goes"}) {
    api.put(kPods, pod(name,
                       std::string(name == std::string("stays") ? "dddddddd" : "eeeeeeee") +
                           "-2222-3333-4444-aaaaaaaaaaaa",
                       true));
    ASSERT_TRUE(fixture.run_until([&] { return phase(name) == "Running"; }));
  }
  reachable = false;
  auto wait = [&](int milliseconds) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    fixture.run_until([&] { return std::chrono::steady_clock::now() > end; });
  };
  wait(500);
  auto ready = [&]() -> std::string {
    auto object = get(kPods, "stays");
    for (const auto& c : kube::at_path(object, "status.conditions")->as_array()) {
      if (string_at(c, "type") == "Ready") return std::string(string_at(c, "status"));
    }
    return "";
  };
  auto lost_pod = get(kPods, "stays").as_object();
  for (auto& c : lost_pod["status"].at("conditions").as_array()) {
    if (string_at(c, "type") == "Ready") c.as_object()["status"] = "False";
  }
  api.put(kPods, lost_pod);
  api.erase(kPods, "goes");
  api.put(kPods, pod("late", "ffffffff-2222-3333-4444-aaaaaaaaaaaa", true));
  auto lost_node = get("/api/v1/nodes", "node-1").as_object();
  for (auto& c : lost_node["status"].at("conditions").as_array()) c.as_object()["status"] = "Unknown";
  api.put("/api/v1/nodes", lost_node);
  auto lease = get(kLeases, "node-1");
  const std::string last_heard(string_at(lease, "spec.renewTime"));
  wait(2500);
  EXPECT_EQ(string_at(get(kLeases, "node-1"), "spec.renewTime"), last_heard);
  EXPECT_EQ(ready(), "False");
  EXPECT_EQ(phase("late"), "");
  EXPECT_EQ(list_netns("weft-" + cluster + "-p-").size(), 2U);

  reachable = true;
  ASSERT_TRUE(fixture.run_until([&] { return ready() == "True" && phase("late") == "Running"; }));
  ASSERT_TRUE(fixture.run_until([&] { return list_netns("weft-" + cluster + "-p-").size() == 2; }));
  EXPECT_NE(string_at(get(kLeases, "node-1"), "spec.renewTime"), last_heard);
  EXPECT_EQ(string_at(kube::at_path(get("/api/v1/nodes", "node-1"), "status.conditions")->at(3), "status"),
            "True");
}

}  // namespace
}  // namespace weft::standalone
