#pragma once

/// For tests and benchmarks of this room: a cgroup, a bpffs and a network namespace of their own, processes
/// inside them, and short ways to write the objects. Everything goes when the World does, also when its
/// process is killed.

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/ip.h"
#include "kube/service.h"
#include "service/plan.h"

namespace weft::service::test {

inline void require(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno));
}

inline void shell(const std::string& command) { require(std::system(command.c_str()) == 0, command); }

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  require(file.good(), "write " + path);
}

inline std::string cgroup2_root() {
  std::ifstream mounts("/proc/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, where, type;
    fields >> device >> where >> type;
    if (type == "cgroup2") return where;
  }
  throw std::runtime_error("no cgroup2 is mounted");
}

/// A process that is killed when this object goes.
class Child {
 public:
  Child() = default;
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    kill();
    pid_ = std::exchange(other.pid_, -1);
    return *this;
  }
  ~Child() { kill(); }
  pid_t pid() const { return pid_; }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    if (pid_ > 0) waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
};

class World {
 public:
  World() {
    char folder[] = "/tmp/wt-service-XXXXXX";
    require(mkdtemp(folder) != nullptr, "mkdtemp");
    folder_ = folder;
    cgroup_ = cgroup2_root() + "/" + std::filesystem::path(folder_).filename().string();
    start_guardian();
    require(mkdir(cgroup_.c_str(), 0755) == 0, "mkdir " + cgroup_);
    require(::mount("bpf", folder, "bpf", 0, nullptr) == 0, "mount bpffs");
    netns_ = new_namespace();
    in(netns_, [] { shell("ip link set lo up"); });
  }
  ~World() {
    lifeline_.reset();
    waitpid(guardian_, nullptr, 0);
  }
  World(const World&) = delete;

  std::string bpf_dir() const { return folder_ + "/node"; }
  const std::string& cgroup() const { return cgroup_; }
  int netns() const { return netns_.get(); }

  static Fd new_namespace() {
    Fd fd;
    std::thread([&] {
      require(unshare(CLONE_NEWNET) == 0, "unshare");
      fd.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
    return fd;
  }
  /// Runs `work` in a thread inside a namespace.
  static void in(const Fd& netns, const std::function<void()>& work) {
    std::thread([&] {
      require(setns(netns.get(), CLONE_NEWNET) == 0, "setns");
      work();
    }).join();
  }

  /// A process in the cgroup (unless told otherwise) and in `netns` (the World's by default).
  Child spawn(const std::function<int()>& work, bool in_cgroup = true, int netns = -1) {
    fflush(nullptr);
    pid_t pid = fork();
    require(pid >= 0, "fork");
    if (pid > 0) return Child(pid);
    try {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      lifeline_.reset();
      close_bpf_files();
      if (in_cgroup) write_file(cgroup_ + "/cgroup.procs", "0");
      require(setns(netns < 0 ? netns_.get() : netns, CLONE_NEWNET) == 0, "setns");
      int code = work();
      fflush(nullptr);
      _exit(code);
    } catch (const std::exception& e) {
      fprintf(stderr, "child: %s\n", e.what());
      _exit(99);
    }
  }
  /// What `work` gives when it runs in such a process.
  std::string run(const std::function<std::string()>& work, bool in_cgroup = true, int netns = -1) {
    int ends[2];
    require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    Fd from(ends[0]), to(ends[1]);
    Child child = spawn(
        [&] {
          std::string text = work();
          return write(to.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 98;
        },
        in_cgroup, netns);
    to.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(from.get(), buffer, sizeof(buffer))) > 0;) text.append(buffer, n);
    if (child.wait() != 0) text += " (child failed)";
    return text;
  }

 private:
  /// A child must not hold the lock of its parent's engine.
  void close_bpf_files() const {
    for (int fd = 3; fd < 256; ++fd) {
      char target[256] = {};
      std::string link = "/proc/self/fd/" + std::to_string(fd);
      if (readlink(link.c_str(), target, sizeof(target) - 1) > 0 && std::string(target).starts_with(folder_))
        close(fd);
    }
  }

  /// A process that sees the lifeline end, however that comes about, and cleans up.
  void start_guardian() {
    int ends[2];
    require(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    guardian_ = fork();
    require(guardian_ >= 0, "fork");
    if (guardian_ > 0) {
      close(ends[0]);
      lifeline_.reset(ends[1]);
      return;
    }
    setsid();
    close(ends[1]);
    char byte;
    while (read(ends[0], &byte, 1) > 0) {
    }
    umount2(folder_.c_str(), MNT_DETACH);
    rmdir(folder_.c_str());
    if (int fd = open((cgroup_ + "/cgroup.kill").c_str(), O_WRONLY); fd >= 0) {
      if (write(fd, "1", 1) < 0) perror("cgroup.kill");
      close(fd);
    }
    for (int i = 0; i < 200 && rmdir(cgroup_.c_str()) != 0 && errno == EBUSY; ++i) usleep(10'000);
    _exit(0);
  }

  std::string folder_, cgroup_;
  Fd netns_, lifeline_;
  pid_t guardian_ = -1;
};

// Objects

struct Port {
  std::string name;
  std::string protocol;
  int port;
};

inline std::shared_ptr<kube::Service> service(const std::string& name, std::vector<std::string> ips,
                                              const std::vector<Port>& ports) {
  auto out = std::make_shared<kube::Service>();
  out->metadata.namespace_ = "shop";
  out->metadata.name = name;
  out->spec.type = "ClusterIP";
  out->spec.clusterIP = ips.empty() ? "" : ips[0];
  out->spec.clusterIPs = std::move(ips);
  for (const auto& port : ports) {
    kube::ServicePort p;
    p.name = port.name;
    p.protocol = port.protocol;
    p.port = port.port;
    out->spec.ports.push_back(std::move(p));
  }
  return out;
}

inline kube::Endpoint endpoint(const std::string& ip) {
  kube::Endpoint out;
  out.addresses = {ip};
  out.conditions.ready = true;
  out.conditions.serving = true;
  out.conditions.terminating = false;
  return out;
}

/// State in a word: "ready", "terminating" (and serving), "gone" (terminating, not serving), "unready".
inline kube::Endpoint endpoint(const std::string& ip, const std::string& state,
                               const std::string& node = {}) {
  auto out = endpoint(ip);
  out.conditions.ready = state == "ready";
  out.conditions.serving = state == "ready" || state == "terminating";
  out.conditions.terminating = state == "terminating" || state == "gone";
  if (!node.empty()) out.nodeName = node;
  return out;
}

inline std::shared_ptr<kube::EndpointSlice> slice(const std::string& name, const std::string& of,
                                                  const std::vector<Port>& ports,
                                                  std::vector<kube::Endpoint> endpoints) {
  auto out = std::make_shared<kube::EndpointSlice>();
  out->metadata.namespace_ = "shop";
  out->metadata.name = name;
  out->metadata.labels["kubernetes.io/service-name"] = of;
  bool v6 = !endpoints.empty() && endpoints[0].addresses[0].find(':') != std::string::npos;
  out->addressType = v6 ? "IPv6" : "IPv4";
  for (const auto& port : ports) {
    kube::EndpointPort p;
    p.name = port.name;
    p.protocol = port.protocol;
    p.port = port.port;
    out->ports.push_back(std::move(p));
  }
  out->endpoints = std::move(endpoints);
  return out;
}

}  // namespace weft::service::test
