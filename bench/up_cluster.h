#pragma once

/// A real cluster for benchmarks: `weft up` beside this program, and a client of its API server.

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.h"
#include "kube/client/client.h"
#include "must.h"
#include "standalone/apiserver/priority.h"

namespace weft::bench {

/// Ends with this object or its process.
class UpCluster {
 public:
  explicit UpCluster(std::vector<std::string> flags) : name_(fmt::format("b{}", getpid())) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    auto weft = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "weft";
    std::vector<std::string> words{weft, "--log-level", "warn", "up", "--name", name_, "-o", "json"};
    words.insert(words.end(), flags.begin(), flags.end());
    pid_ = fork();
    if (pid_ == 0) exec(words, ends[1]);
    close(ends[1]);
    from_.reset(ends[0]);
    std::string said;
    char buffer[4096];
    while (said.find(R"("up":)") == std::string::npos) {
      auto n = read(from_.get(), buffer, sizeof(buffer));
      if (n <= 0) break;
      said.append(buffer, static_cast<size_t>(n));
    }
    if (said.find(R"("up":true)") == std::string::npos) throw std::runtime_error("weft up: " + said);
    client_.emplace(io_, must(kube::load_kubeconfig(fmt::format("/run/weft/{}/admin.kubeconfig", name_))));
  }
  ~UpCluster() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  UpCluster(const UpCluster&) = delete;

  kube::Client& client() { return *client_; }
  asio::io_context& io() { return io_; }
  /// Runs until it is done.
  template <class T>
  T wait(asio::awaitable<T> work) {
    std::optional<T> result;
    std::exception_ptr problem;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr thrown, T value) {
      problem = thrown;
      result = std::move(value);
      io_.stop();
    });
    io_.restart();
    io_.run();
    if (problem) std::rethrow_exception(problem);
    return std::move(*result);
  }

  /// work(0) to work(count - 1), awaitables of Expected<void>, some at a time. Throws when one of them fails.
  template <class Work>
  void each(int count, Work work) {
    constexpr int kAtATime = 8;
    int next = 0, running = kAtATime;
    std::string problem;
    auto worker = [&]() -> asio::awaitable<void> {
      while (next < count && problem.empty()) {
        if (auto done = co_await work(next++); !done) problem = done.error().message;
      }
      if (--running == 0) io_.stop();
    };
    auto rethrow = [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    };
    for (int i = 0; i < kAtATime; ++i) asio::co_spawn(io_, worker, rethrow);
    io_.restart();
    io_.run();
    if (!problem.empty()) throw std::runtime_error(problem);
  }

  std::string bpf_dir(int node) const { return fmt::format("/run/weft/{}/bpf/node-{}", name_, node); }
  std::string netns(int node) const { return fmt::format("/run/netns/weft-{}-node-{}", name_, node); }
  /// For processes of the node itself; below the cgroup v2 root.
  std::string cgroup(int node) const { return fmt::format("weft-{}/node-{}/system", name_, node); }
  /// Of the processes that the cluster has: "agent-node-1", "controller", "up".
  int pid_of(const std::string& process) const {
    int pid = 0;
    std::ifstream(fmt::format("/run/weft/{}/pids/{}", name_, process)) >> pid;
    return pid;
  }
  double memory_mib(const std::string& process) const {
    std::ifstream status(fmt::format("/proc/{}/status", pid_of(process)));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
    }
    return 0;
  }
  /// Until they have nothing more to do.
  void settle(const std::vector<std::string>& processes) const {
    for (double before = cpu_seconds(processes);; before = cpu_seconds(processes)) {
      sleep(1);
      if (cpu_seconds(processes) - before < 0.05) return;
    }
  }
  double cpu_seconds(const std::vector<std::string>& processes) const {
    double sum = 0;
    for (const auto& process : processes) sum += cpu_seconds(process);
    return sum;
  }
  /// Processor time of a process up to now.
  double cpu_seconds(const std::string& process) const {
    std::ifstream stat(fmt::format("/proc/{}/stat", pid_of(process)));
    std::string text(std::istreambuf_iterator<char>(stat), {});
    std::istringstream fields(text.substr(text.rfind(')') + 1));
    std::string skipped;
    double user = 0, system = 0;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  [[noreturn]] static void exec(const std::vector<std::string>& words, int out) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    // As `weft up --detach` has it.
    setsid();
    standalone::session_goes_before_pods();
    dup2(out, 1);
    std::vector<char*> args;
    for (const auto& word : words) args.push_back(const_cast<char*>(word.c_str()));
    args.push_back(nullptr);
    execv(args[0], args.data());
    perror(args[0]);
    _exit(127);
  }

  std::string name_;
  pid_t pid_ = -1;
  Fd from_;
  asio::io_context io_{1};
  std::optional<kube::Client> client_;
};

}  // namespace weft::bench
