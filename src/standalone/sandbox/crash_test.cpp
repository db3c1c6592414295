#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "standalone/sandbox/test_host.h"

/// The process that runs pods is killed: nothing of them may go on.
namespace weft::standalone::sandbox {
namespace {

using namespace std::chrono_literals;

/// Processes in each pod's cgroup, by the name of the pod's folder.
std::map<std::string, size_t> processes_of(const std::string& pods) {
  std::map<std::string, size_t> out;
  std::error_code error;
  for (const auto& pod : std::filesystem::directory_iterator(pods, error)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(pod, error)) {
      if (entry.path().filename() != "cgroup.procs") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) ++out[pod.path().filename()];
    }
  }
  return out;
}

template <class Condition>
bool wait_for(Condition condition) {
  for (auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return condition();
}

/// One pod with a command that was executed in it, and one that shares the machine's PID namespace, as
/// another user; both leave processes behind that ignore signals and have a session of their own. Never
/// returns.
[[noreturn]] void run_pods(const std::string& dir) {
  TestHost host(dir);
  host.run(host.make_pod(R"j({"containers":[{"name":"c","command":["sh","-c",
    "trap '' TERM HUP; setsid sleep 1000 & while :; do sleep 1000; done"]}]})j"));
  host.run(host.make_pod(R"j({"hostPID":true,"containers":[{"name":"c","command":["sh","-c",
    "trap '' TERM HUP; setsid sleep 1000 & while :; do sleep 1000; done"],
    "securityContext":{"runAsUser":65534,"runAsGroup":65534}}]})j",
                         "host"));
  Expected<ExecProcess> command = fail(ErrorCode::unavailable, "");
  host.until(
      [&] {
        if (!command) command = host.registry().exec({"test", "pod", "", {"sleep", "1000"}, false, false});
        return false;
      },
      60s);
  ::_exit(1);
}

TEST(Crash, KillsTheProcessesOfEveryPod) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  char name[] = "/tmp/wt-sandbox-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::string dir = name;
  pid_t runner = ::fork();
  if (runner == 0) run_pods(dir);
  const std::string cluster = "wt-sandbox-" + std::to_string(runner);
  const std::string pods = *cgroup2_root() + "/weft-" + cluster + "/node-1/pods";
  // sandbox-init, the shell and its two children; with the executed command and its own sandbox-init in one.
  EXPECT_TRUE(wait_for([&] {
    auto running = processes_of(pods);
    return running.size() == 2 && running.begin()->second == 6 && running.rbegin()->second == 4;
  }));
  ::kill(runner, SIGKILL);
  ::waitpid(runner, nullptr, 0);
  EXPECT_TRUE(wait_for([&] { return processes_of(pods).empty(); })) << "what they started lives on";
  EXPECT_TRUE(clean_cluster(cluster));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace weft::standalone::sandbox
