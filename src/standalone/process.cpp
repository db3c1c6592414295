#include "standalone/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cstring>

#include "standalone/apiserver/priority.h"

namespace weft::standalone {

namespace {

/// Everything the child needs, prepared before the fork: after it, only system calls.
struct Prepared {
  std::vector<char*> argv;
  Fd netns;
  Fd cgroup_procs;
  Fd log;
  Fd null;
  uid_t uid;
  bool bind_low_ports;
};

Expected<Fd> open_file(const std::string& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("open " + path, errno);
  return fd;
}

bool set_capabilities(uint32_t mask) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  data[0].effective = data[0].permitted = data[0].inheritable = mask;
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

bool drop_privileges(uid_t uid, bool bind_low_ports) {
  uint32_t kept = bind_low_ports ? 1U << CAP_NET_BIND_SERVICE : 0;
  for (int cap = 0; ::prctl(PR_CAPBSET_READ, cap) >= 0; ++cap) {
    if (!(kept >> (cap & 31) & 1) || cap > 31) ::prctl(PR_CAPBSET_DROP, cap);
  }
  if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::syscall(SYS_setgroups, 0, nullptr) != 0) return false;
  if (::syscall(SYS_setresgid, uid, uid, uid) != 0 || ::syscall(SYS_setresuid, uid, uid, uid) != 0)
    return false;
  if (!set_capabilities(kept)) return false;
  if (bind_low_ports && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0)
    return false;
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

[[noreturn]] void run_child(const Prepared& p, pid_t parent) {
  auto die = [](const char* what) {
    [[maybe_unused]] auto n = ::write(2, what, std::strlen(what));
    ::_exit(127);
  };
  ::dup2(p.null.get(), 0);
  ::dup2(p.log.get(), 1);
  ::dup2(p.log.get(), 2);
  ::setsid();
  session_goes_before_pods();
  go_before_pods();
  if (p.cgroup_procs && ::write(p.cgroup_procs.get(), "0", 1) != 1) die("join cgroup\n");
  if (p.netns && ::setns(p.netns.get(), CLONE_NEWNET) != 0) die("enter network namespace\n");
  if (p.uid != 0 && !drop_privileges(p.uid, p.bind_low_ports)) die("drop privileges\n");
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv("/proc/self/exe", p.argv.data());
  die("exec\n");
  ::_exit(127);
}

}  // namespace

Expected<Process> spawn(const ProcessSpec& spec) {
  Prepared p;
  std::string program = "weft";
  auto args = spec.args;
  p.argv.push_back(program.data());
  for (auto& arg : args) p.argv.push_back(arg.data());
  p.argv.push_back(nullptr);
  p.uid = spec.uid;
  p.bind_low_ports = spec.bind_low_ports;
  WEFT_TRY(p.null, open_file("/dev/null", O_RDONLY));
  WEFT_TRY(p.log, open_file(spec.log_file, O_WRONLY | O_CREAT | O_APPEND));
  if (!spec.netns.empty()) {
    WEFT_TRY(p.netns, open_file("/run/netns/" + spec.netns, O_RDONLY));
  }
  if (!spec.cgroup.empty()) {
    WEFT_TRY(p.cgroup_procs, open_file(spec.cgroup + "/cgroup.procs", O_WRONLY));
  }

  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork " + spec.name, errno);
  if (pid == 0) run_child(p, parent);
  Process process;
  process.pid = pid;
  process.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.pidfd) return fail_errno("pidfd_open " + spec.name, errno);
  return process;
}

void stop(Process& process, int grace_ms) {
  if (process.pid <= 0) return;
  ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), SIGTERM, nullptr, 0);
  pollfd ended{process.pidfd.get(), POLLIN, 0};
  if (::poll(&ended, 1, grace_ms) == 0) {
    ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), SIGKILL, nullptr, 0);
  }
  ::waitpid(process.pid, nullptr, 0);
  process.pid = -1;
}

}  // namespace weft::standalone
