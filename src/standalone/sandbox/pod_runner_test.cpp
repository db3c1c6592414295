#include "standalone/sandbox/pod_runner.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/wait.h>

#include <fstream>

#include "standalone/sandbox/spawn.h"
#include "standalone/sandbox/test_host.h"

/// Real pods: processes in namespaces and cgroups of this kernel.
namespace weft::standalone::sandbox {

std::string TestHost::log(const std::string& container, bool previous) {
  auto path = registry_.log_path("test", "pod", container, previous);
  if (!path) return path.error().message;
  std::ifstream file(*path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string TestHost::exec(const std::vector<std::string>& command, bool tty) {
  auto process = registry_.exec({"test", "pod", "", command, false, tty});
  if (!process) return process.error().message;
  std::string out;
  char buffer[4096];
  auto take = [&](const Fd& fd) {
    for (ssize_t n; fd && (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
      out.append(buffer, static_cast<size_t>(n));
  };
  pollfd ended{process->pidfd.get(), POLLIN, 0};
  while (::poll(&ended, 1, 5) == 0) {
    take(process->out);
    take(tty ? process->in : process->err);
  }
  take(process->out);
  take(tty ? process->in : process->err);
  return std::to_string(reap(process->pidfd)) + ":" + out;
}

namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class PodRunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const auto& event : host.events) std::cout << "event " << event << "\n";
    std::cout << json::serialize(kube::encode(host.status)) << "\n";
  }
  TestHost host;
};

TEST_F(PodRunnerTest, EchoIsReadyAtOnce) {
  auto pod = host.make_pod(
      R"({"containers":[{"name":"c","image":"weft/echo","ports":[{"name":"http","containerPort":80}],
    "readinessProbe":{"httpGet":{"path":"/healthz","port":"http"},"periodSeconds":10}}]})");
  auto begun = std::chrono::steady_clock::now();
  host.run(pod);
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  auto took = std::chrono::steady_clock::now() - begun;
  std::cout << "ready after " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count()
            << " ms\n";
  EXPECT_LT(took, 2s) << "far less than the probe's period";
  EXPECT_EQ(host.status.phase, "Running");
  EXPECT_EQ(host.status.podIP, "127.0.0.1");
  EXPECT_EQ(host.status.hostIP, "172.30.0.2");
  EXPECT_TRUE(host.has_event("Started: Started container c"));
}

TEST_F(PodRunnerTest, ContainerSeesItsOwnWorld) {
  auto pod = host.make_pod(R"j({"hostname":"inside","containers":[{"name":"c","command":["sh","-c",
    "hostname; cat /etc/resolv.conf /etc/hosts; echo pid $$$$; ls /sys/class/net; id -u; pwd; echo $GREETING; exec sleep 1000"],
    "workingDir":"/usr","env":[{"name":"GREETING","value":"hello $(HOSTNAME)"}],
    "securityContext":{"runAsUser":65534}}]})j");
  auto& runner = host.run(pod);
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  ASSERT_TRUE(host.until([&] { return host.log().find("hello") != std::string::npos; }));
  auto log = host.log();
  EXPECT_THAT(log, HasSubstr("Z stdout F inside\n"));
  EXPECT_THAT(log, HasSubstr("nameserver 10.96.0.10"));
  EXPECT_THAT(log, HasSubstr("search test.svc.cluster.local svc.cluster.local cluster.local"));
  EXPECT_THAT(log, HasSubstr("127.0.0.1\tinside"));
  EXPECT_THAT(log, HasSubstr("pid 2\n")) << "a PID namespace of its own";
  EXPECT_THAT(log, HasSubstr(" F lo\n"));
  EXPECT_THAT(log, Not(HasSubstr(" F eth0\n")));
  EXPECT_THAT(log, HasSubstr(" F 65534\n"));
  EXPECT_THAT(log, HasSubstr(" F /usr\n"));
  EXPECT_EQ(host.exec({"cat", "/proc/1/comm"}).substr(0, 2), "0:");
  EXPECT_THAT(host.exec({"sh", "-c", "hostname; id -u; exit 7"}), testing::Eq("7:inside\n65534\n"));
  EXPECT_THAT(host.exec({"no-such-command"}),
              HasSubstr("127:exec: \"no-such-command\": executable file not found in $PATH"));
  EXPECT_THAT(host.exec({"tty"}, true), HasSubstr("/dev/pts/"));
  EXPECT_TRUE(std::filesystem::exists(netns_path(runner.identity().netns)));
}

TEST_F(PodRunnerTest, DeletionIsGracefulAndLeavesNothing) {
  auto pod =
      host.make_pod(R"j({"terminationGracePeriodSeconds":20,"containers":[{"name":"c","command":["bash","-c",
    "trap 'echo got TERM; exit 3' TERM; sleep 1000 & echo up; wait"],
    "lifecycle":{"preStop":{"exec":{"command":["sh","-c","echo stopping > /proc/1/fd/1 2>/dev/null || true"]}}}}]})j");
  auto& runner = host.run(pod);
  ASSERT_TRUE(host.until([&] { return host.log().find("up") != std::string::npos; }));
  auto deleted = std::make_shared<kube::Pod>(*pod);
  deleted->metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  deleted->metadata.deletionGracePeriodSeconds = 20;
  auto begun = std::chrono::steady_clock::now();
  runner.update(deleted);
  ASSERT_TRUE(host.until([&] { return host.finished_calls == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_TRUE(runner.ended());
  EXPECT_EQ(host.status.containerStatuses[0].state.terminated->exitCode, 3);
  EXPECT_FALSE(host.is_ready());
  EXPECT_FALSE(std::filesystem::exists(netns_path(runner.identity().netns)));
  EXPECT_FALSE(std::filesystem::exists(host.node().cgroup + "/pods/" + pod->metadata.uid));
  EXPECT_FALSE(std::filesystem::exists(host.node().state_dir + "/pods/" + pod->metadata.uid));
}

TEST_F(PodRunnerTest, WhatIgnoresSigtermIsKilledWithAllItsChildren) {
  auto pod = host.make_pod(R"j({"containers":[{"name":"c","command":["bash","-c",
    "trap '' TERM; (trap '' TERM; setsid sleep 1000) & echo up; while :; do sleep 1; done"]}]})j");
  auto& runner = host.run(pod);
  ASSERT_TRUE(host.until([&] { return host.log().find("up") != std::string::npos; }));
  auto deleted = std::make_shared<kube::Pod>(*pod);
  deleted->metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  deleted->metadata.deletionGracePeriodSeconds = 1;
  runner.update(deleted);
  ASSERT_TRUE(host.until([&] { return host.finished_calls == 1; }, 5s));
  EXPECT_EQ(host.status.containerStatuses[0].state.terminated->exitCode, 137);
  EXPECT_FALSE(std::filesystem::exists(host.node().cgroup + "/pods/" + pod->metadata.uid));
}

TEST_F(PodRunnerTest, CrashIsRestartedOnceAndThenBackedOff) {
  host.run(host.make_pod(R"j({"containers":[{"name":"c","command":["sh","-c","echo run; exit 4"]}]})j"));
  ASSERT_TRUE(host.until([&] {
    return !host.status.containerStatuses.empty() && host.status.containerStatuses[0].state.waiting &&
           host.status.containerStatuses[0].state.waiting->reason == "CrashLoopBackOff";
  }));
  const auto& c = host.status.containerStatuses[0];
  EXPECT_EQ(c.restartCount, 1);
  EXPECT_EQ(c.lastState.terminated->exitCode, 4);
  EXPECT_THAT(c.state.waiting->message,
              StartsWith("back-off 10s restarting failed container=c pod=pod_test("));
  EXPECT_EQ(host.status.phase, "Running");
  EXPECT_TRUE(host.has_event("BackOff: Back-off restarting failed container c"));
  EXPECT_THAT(host.log("c"), HasSubstr("run"));
  EXPECT_THAT(host.log("c", true), HasSubstr("run")) << "of the run before";
  auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(host.until([&] { return host.status.containerStatuses[0].restartCount == 2; }, 15s));
  EXPECT_GT(std::chrono::steady_clock::now() - begun, 8s);
  ASSERT_TRUE(host.until([&] {
    const auto& waiting = host.status.containerStatuses[0].state.waiting;
    return waiting && waiting->message.starts_with("back-off 20s ");
  }));
}

TEST_F(PodRunnerTest, CompletedPodSucceeds) {
  auto pod = host.make_pod(R"j({"restartPolicy":"Never","containers":[
    {"name":"a","command":["true"]},{"name":"b","command":["sh","-c","echo done"]}]})j");
  auto& runner = host.run(pod);
  ASSERT_TRUE(host.until([&] { return host.status.phase == "Succeeded"; }));
  ASSERT_TRUE(host.until([&] { return !std::filesystem::exists(netns_path(runner.identity().netns)); }));
  EXPECT_THAT(host.log("b"), HasSubstr("done")) << "logs stay until the pod is deleted";
  EXPECT_EQ(host.finished_calls, 0);
}

TEST_F(PodRunnerTest, InitContainersRunInOrderBeforeTheRest) {
  host.run(host.make_pod(R"j({"volumes":[{"name":"v","emptyDir":{}}],"initContainers":[
    {"name":"one","command":["sh","-c","echo one >> /shared-by-test/log"],"volumeMounts":[{"name":"v","mountPath":"/shared-by-test"}]},
    {"name":"side","restartPolicy":"Always","command":["sh","-c","echo side >> /shared-by-test/log; exec sleep 1000"],"volumeMounts":[{"name":"v","mountPath":"/shared-by-test"}]},
    {"name":"two","command":["sh","-c","until grep -q side /shared-by-test/log; do sleep 0.01; done; echo two >> /shared-by-test/log"],"volumeMounts":[{"name":"v","mountPath":"/shared-by-test"}]}],
    "containers":[{"name":"c","command":["sh","-c","cat /shared-by-test/log; exec sleep 1000"],"volumeMounts":[{"name":"v","mountPath":"/shared-by-test"}]}]})j"));
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  ASSERT_TRUE(host.until([&] { return host.log("c").find("two") != std::string::npos; }));
  EXPECT_THAT(host.log("c"), MatchesRegex(".* one\n.* side\n.* two\n"));
  EXPECT_FALSE(std::filesystem::exists("/shared-by-test")) << "mount points are made for the container alone";
  EXPECT_TRUE(host.status.initContainerStatuses[1].state.running);
}

TEST_F(PodRunnerTest, FailedInitContainerFailsANeverPod) {
  host.run(host.make_pod(R"j({"restartPolicy":"Never","initContainers":[{"name":"i","command":["false"]}],
    "containers":[{"name":"c","command":["true"]}]})j"));
  ASSERT_TRUE(host.until([&] { return host.status.phase == "Failed"; }));
  EXPECT_EQ(host.status.containerStatuses[0].state.waiting->reason, "PodInitializing");
}

TEST_F(PodRunnerTest, UnknownImageWaitsWithAReason) {
  host.run(host.make_pod(R"({"containers":[{"name":"c","image":"nginx:1.27"}]})"));
  ASSERT_TRUE(host.until([&] {
    return !host.status.containerStatuses.empty() && host.status.containerStatuses[0].state.waiting &&
           host.status.containerStatuses[0].state.waiting->reason == "ErrImagePull";
  }));
  EXPECT_THAT(host.status.containerStatuses[0].state.waiting->message, HasSubstr("--image nginx=PATH"));
  EXPECT_TRUE(host.has_event("Failed: Failed to pull image \"nginx:1.27\""));
  EXPECT_EQ(host.status.phase, "Pending");
}

TEST_F(PodRunnerTest, ProgramThatIsNotThereIsAStartError) {
  host.run(host.make_pod(
      R"({"restartPolicy":"Never","containers":[{"name":"c","command":["/no/such/program"]}]})"));
  ASSERT_TRUE(host.until([&] { return host.status.phase == "Failed"; }));
  const auto& t = *host.status.containerStatuses[0].state.terminated;
  EXPECT_EQ(t.reason, "StartError");
  EXPECT_EQ(t.exitCode, 128);
  EXPECT_THAT(t.message, HasSubstr("exec: \"/no/such/program\""));
  EXPECT_FALSE(host.has_event("Started:"));
}

std::shared_ptr<const kube::ConfigMap> config_map(kube::StringMap data) {
  auto map = std::make_shared<kube::ConfigMap>();
  map->data = std::move(data);
  return map;
}

TEST_F(PodRunnerTest, LateConfigMapIsWaitedForAndFollowed) {
  auto& runner = host.run(host.make_pod(R"j({"volumes":[{"name":"v","configMap":{"name":"late"}}],
    "containers":[{"name":"c","command":["sleep","1000"],"volumeMounts":[{"name":"v","mountPath":"/etc/late","readOnly":true}]}]})j"));
  ASSERT_TRUE(host.until([&] { return host.has_event("FailedMount"); }));
  EXPECT_EQ(host.status.containerStatuses[0].state.waiting->reason, "ContainerCreating");
  host.config_maps["late"] = config_map({{"key", "first"}, {"gone", "x"}});
  runner.config_changed();
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  EXPECT_EQ(host.exec({"cat", "/etc/late/key"}), "0:first");
  EXPECT_THAT(host.exec({"sh", "-c", "echo x > /etc/late/new"}), StartsWith("2:"));
  host.config_maps["late"] = config_map({{"key", "second"}, {"sub", "y"}});
  runner.config_changed();
  ASSERT_TRUE(host.until([&] { return host.exec({"cat", "/etc/late/key"}) == "0:second"; }));
  EXPECT_EQ(host.exec({"ls", "/etc/late"}), "0:key\nsub\n");
  EXPECT_FALSE(std::filesystem::exists("/etc/late"));
}

TEST_F(PodRunnerTest, NetworkIsTriedUntilTheAgentIsThere) {
  host.network_down = true;
  host.run(host.make_pod(R"({"containers":[{"name":"c","command":["sleep","1000"]}]})"));
  ASSERT_TRUE(host.until([&] { return host.attach_calls >= 3; }));
  EXPECT_TRUE(host.has_event("FailedCreatePodSandBox: Failed to create pod sandbox: the agent is away"));
  EXPECT_FALSE(host.has_event("Started"));
  host.network_down = false;
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
}

TEST_F(PodRunnerTest, FailedLivenessRestarts) {
  host.run(host.make_pod(R"j({"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"c",
    "command":["sh","-c","if [ -e /v-of-test/again ]; then rm -f /v-of-test/again; exec sleep 1000; fi; touch /v-of-test/again; trap 'exit 0' TERM; while :; do sleep 0.05; done"],
    "volumeMounts":[{"name":"v","mountPath":"/v-of-test"}],
    "livenessProbe":{"exec":{"command":["test","!","-e","/v-of-test/again"]},"periodSeconds":1,"failureThreshold":1,"initialDelaySeconds":1}}]})j"));
  ASSERT_TRUE(host.until([&] { return host.has_event("Unhealthy: Liveness probe failed"); }, 10s));
  ASSERT_TRUE(host.until(
      [&] {
        return !host.status.containerStatuses.empty() && host.status.containerStatuses[0].restartCount == 1;
      },
      10s));
  EXPECT_TRUE(host.has_event("Killing: Container c failed liveness probe, will be restarted"));
}

TEST_F(PodRunnerTest, UnreadyWhenTheProbeFails) {
  host.run(
      host.make_pod(R"j({"volumes":[{"name":"v","emptyDir":{}}],"containers":[{"name":"c","image":"weft/echo",
    "lifecycle":{"postStart":{"exec":{"command":["touch","/probe-of-test/ready"]}}},
    "volumeMounts":[{"name":"v","mountPath":"/probe-of-test"}],
    "readinessProbe":{"exec":{"command":["test","-e","/probe-of-test/ready"]},"periodSeconds":1,"failureThreshold":1}}]})j"));
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  EXPECT_EQ(host.exec({"rm", "/probe-of-test/ready"}), "0:");
  ASSERT_TRUE(host.until([&] { return !host.is_ready(); }, 3s));
  EXPECT_EQ(host.status.containerStatuses[0].restartCount, 0);
}

TEST_F(PodRunnerTest, ProbesOfEveryKind) {
  host.run(host.make_pod(R"j({"containers":[{"name":"c","image":"weft/echo","ports":[{"containerPort":8080}],
    "startupProbe":{"tcpSocket":{"port":8080}},
    "readinessProbe":{"grpc":{"port":8080}},"livenessProbe":{"httpGet":{"path":"/status/200","port":8080}}}]})j"));
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  EXPECT_TRUE(*host.status.containerStatuses[0].started);
}

/// A pod that serves only once a file is there, and how its readiness is asked for.
class ReadinessTest : public PodRunnerTest, public testing::WithParamInterface<const char*> {};

TEST_P(ReadinessTest, FollowsTheProbe) {
  auto program = std::filesystem::read_symlink("/proc/self/exe").string();
  host.run(
      host.make_pod(fmt::format(R"j({{"volumes":[{{"name":"v","emptyDir":{{}}}}],"containers":[{{"name":"c",
    "command":["sh","-c","until [ -e /gate-of-test/open ]; do sleep 0.02; done; exec {} echo"],
    "volumeMounts":[{{"name":"v","mountPath":"/gate-of-test"}}],
    "readinessProbe":{{{},"periodSeconds":1}}}}]}})j",
                                program, GetParam())));
  ASSERT_TRUE(host.until([&] { return host.has_event("Unhealthy: Readiness probe failed"); }));
  EXPECT_TRUE(host.status.containerStatuses[0].state.running);
  EXPECT_FALSE(host.is_ready());
  ASSERT_EQ(host.exec({"touch", "/gate-of-test/open"}), "0:");
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  EXPECT_EQ(host.status.containerStatuses[0].restartCount, 0);
}

INSTANTIATE_TEST_SUITE_P(EachKind, ReadinessTest,
                         testing::Values(R"("httpGet":{"path":"/healthz","port":8080})",
                                         R"("tcpSocket":{"port":8080})", R"("grpc":{"port":8080})",
                                         R"("exec":{"command":["test","-e","/gate-of-test/open"]})"));

TEST_F(PodRunnerTest, ProbeThatLeavesAProcessBehindTimesOut) {
  host.run(host.make_pod(R"j({"containers":[{"name":"c","command":["sleep","1000"],
    "readinessProbe":{"exec":{"command":["sh","-c","sleep 1000 & exit 0"]},"periodSeconds":1,"timeoutSeconds":1}}]})j"));
  ASSERT_TRUE(host.until([&] { return host.has_event("Readiness probe failed: command timed out"); }));
}

TEST_F(PodRunnerTest, ObjectThatVanishesEndsThePod) {
  auto& runner = host.run(host.make_pod(R"({"containers":[{"name":"c","command":["sleep","1000"]}]})"));
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  runner.object_gone();
  ASSERT_TRUE(host.until([&] { return runner.ended(); }, 5s));
}

TEST_F(PodRunnerTest, CleanupFindsEverythingAfterACrash) {
  auto& runner = host.run(host.make_pod(R"({"containers":[{"name":"c","command":["sleep","1000"]}]})"));
  ASSERT_TRUE(host.until([&] { return host.is_ready(); }));
  auto netns = netns_path(runner.identity().netns);
  ASSERT_TRUE(clean_cluster(host.node().cluster));
  EXPECT_FALSE(std::filesystem::exists(netns));
  EXPECT_FALSE(std::filesystem::exists(host.node().cgroup));
  ASSERT_TRUE(clean_cluster(host.node().cluster)) << "nothing to do is good";
}

}  // namespace
}  // namespace weft::standalone::sandbox
