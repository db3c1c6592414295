#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "standalone/cluster.h"
#include "standalone/sandbox/cleanup.h"

namespace weft::standalone {
namespace fs = std::filesystem;
namespace {

/// Pods get their grace periods when nobody hurries; a cluster that is taken down does not wait for them.
constexpr int kPatienceMs = 10'000;

/// The process that holds the cluster's lock, if there is one.
Fd find_up(const std::string& run_dir) {
  Fd lock(::open((run_dir + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return {};
  pid_t pid = 0;
  if (!(std::ifstream(run_dir + "/pids/up") >> pid) || pid <= 1) return {};
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

void end_process(const Fd& pidfd) {
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGTERM, nullptr, 0);
  pollfd ended{pidfd.get(), POLLIN, 0};
  if (::poll(&ended, 1, kPatienceMs) > 0) return;
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  ::poll(&ended, 1, kPatienceMs);
}

}  // namespace

Expected<bool> remove_cluster(const std::string& name) {
  WEFT_CHECK(check_cluster_name(name));
  if (::geteuid() != 0)
    return fail(ErrorCode::forbidden, "weft down removes network namespaces: run it with sudo");
  auto run_dir = fmt::format("{}/{}", kRunRoot, name);
  bool there = fs::exists(run_dir);
  if (auto up = find_up(run_dir)) end_process(up);
  WEFT_CHECK(clean_cluster(name));
  auto bpf_dir = run_dir + "/bpf";
  while (::umount2(bpf_dir.c_str(), MNT_DETACH) == 0) {
  }
  std::error_code error;
  fs::remove_all(run_dir, error);
  if (error) return fail(ErrorCode::system, fmt::format("{}: {}", run_dir, error.message()));
  return there;
}

}  // namespace weft::standalone
