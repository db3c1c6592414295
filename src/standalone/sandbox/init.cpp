#include "standalone/sandbox/init.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/fd.h"
#include "base/mounts.h"
#include "standalone/sandbox/container_spec.h"
#include "standalone/sandbox/init_mounts.h"

namespace weft::standalone::sandbox {

namespace {

constexpr int kSpecFd = 3;
constexpr int kStartedFd = 4;
constexpr int kTargetFd = 5;
/// What container runtimes report for a container whose program could not be started, and shells for a
/// command.
constexpr int kStartFailed = 128;
constexpr int kCommandFailed = 127;
/// How the kernel tells sandbox-init of a container without a PID namespace that whoever started it is gone.
/// No container is stopped with it.
const int kParentGone = SIGRTMAX;

Expected<ContainerSpec> read_spec() {
  std::string text;
  char buffer[8192];
  ::lseek(kSpecFd, 0, SEEK_SET);
  for (ssize_t n; (n = ::read(kSpecFd, buffer, sizeof buffer)) != 0;) {
    if (n < 0)
      return fail_errno("read the container's description (sandbox-init is not for use by hand)", errno);
    text.append(buffer, static_cast<size_t>(n));
  }
  ::close(kSpecFd);
  return decode_spec(text);
}

Expected<void> enter_namespaces(const ContainerSpec& spec) {
  if (spec.enter) {
    if (::setns(kTargetFd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID) == 0) return {};
    return fail_errno("enter the container", errno);
  }
  if (!spec.netns.empty()) {
    Fd fd(::open(spec.netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::setns(fd.get(), CLONE_NEWNET) != 0)
      return fail_errno("enter network namespace " + spec.netns, errno);
  }
  if (!spec.hostname.empty() && ::sethostname(spec.hostname.c_str(), spec.hostname.size()) != 0)
    return fail_errno("set host name " + spec.hostname, errno);
  return set_up_mounts(spec);
}

std::string path_variable(const ContainerSpec& spec) {
  for (const auto& variable : spec.env) {
    if (variable.starts_with("PATH=")) return variable.substr(5);
  }
  return {};
}

bool is_program(const std::string& path) {
  struct stat st{};
  return ::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

Expected<std::string> find_program(const ContainerSpec& spec) {
  const std::string& name = spec.program;
  if (name.find('/') != std::string::npos) {
    struct stat st{};
    if (::stat(name.c_str(), &st) != 0) return fail_errno(fmt::format("exec: \"{}\"", name), errno);
    if (!is_program(name))
      return fail(ErrorCode::forbidden, fmt::format("exec: \"{}\": permission denied", name));
    return name;
  }
  std::string path = path_variable(spec);
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find(':', begin), path.size());
    auto candidate = path.substr(begin, end - begin) + "/" + name;
    if (is_program(candidate)) return candidate;
    begin = end + 1;
  }
  return fail(ErrorCode::not_found, fmt::format("exec: \"{}\": executable file not found in $PATH", name));
}

Expected<void> become_user(const ContainerSpec& spec) {
  if (::setgroups(spec.groups.size(), spec.groups.data()) != 0) return fail_errno("setgroups", errno);
  if (::setresgid(spec.gid, spec.gid, spec.gid) != 0) return fail_errno("setgid", errno);
  if (::setresuid(spec.uid, spec.uid, spec.uid) != 0) return fail_errno("setuid", errno);
  return {};
}

Expected<void> run_program(const ContainerSpec& spec, const std::string& program) {
  ::setsid();
  if (spec.tty) ::ioctl(0, TIOCSCTTY, 0);
  if (::chdir(spec.cwd.c_str()) != 0) return fail_errno("working directory " + spec.cwd, errno);
  WEFT_CHECK(become_user(spec));
  // After the change of user, which takes it back.
  if (spec.enter || !spec.own_pids) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<char*> argv, env;
  for (const auto& arg : spec.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  for (const auto& variable : spec.env) env.push_back(const_cast<char*>(variable.c_str()));
  argv.push_back(nullptr);
  env.push_back(nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(program.c_str(), argv.data(), env.data());
  return fail_errno(fmt::format("exec: \"{}\"", program), errno);
}

int exit_code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

/// Makes the end of whoever started us the end of all our processes, also where no PID namespace does that:
/// the result is this cgroup's kill switch.
Expected<Fd> tie_cgroup_to_parent() {
  WEFT_TRY(auto root, cgroup2_root());
  std::ifstream file("/proc/self/cgroup");
  std::string own;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) own = line.substr(3);
  }
  Fd fd(::open((root + own + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open cgroup.kill of " + own, errno);
  ::prctl(PR_SET_PDEATHSIG, kParentGone);
  return fd;
}

/// Hands signals on to the program and buries every orphan, until the program itself has ended.
int look_after(pid_t program, const sigset_t& all, const Fd& cgroup_kill) {
  while (true) {
    siginfo_t info{};
    int signal = ::sigwaitinfo(&all, &info);
    if (signal < 0) continue;
    if (signal == kParentGone && cgroup_kill) {
      [[maybe_unused]] auto n = ::write(cgroup_kill.get(), "1", 1);
      continue;
    }
    if (signal != SIGCHLD) {
      ::kill(program, signal);
      continue;
    }
    int status = 0;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == program) return exit_code_of(status);
    }
  }
}

int report(const Error& error, bool command = false) {
  auto text = error.message + (command ? "\n" : "");
  [[maybe_unused]] auto n = ::write(kStartedFd, text.data(), text.size());
  return command ? kCommandFailed : kStartFailed;
}

}  // namespace

int run_sandbox_init() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  ::signal(SIGCHLD, SIG_DFL);
  ::fcntl(kStartedFd, F_SETFD, FD_CLOEXEC);
  auto spec = read_spec();
  if (!spec) return report(spec.error());
  Fd cgroup_kill;
  if (!spec->enter && !spec->own_pids) {
    auto tied = tie_cgroup_to_parent();
    if (!tied) return report(tied.error());
    cgroup_kill = std::move(*tied);
  }
  if (auto entered = enter_namespaces(*spec); !entered) return report(entered.error(), spec->enter);
  if (spec->enter) ::close(kTargetFd);
  auto program = find_program(*spec);
  if (!program) return report(program.error(), spec->enter);

  // Without a PID namespace of its own the container's orphans would go to the host's init.
  if (!spec->enter && !spec->own_pids) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t pid = ::fork();
  if (pid < 0) return report(fail_errno("fork", errno).error(), spec->enter);
  if (pid == 0) {
    auto failed = run_program(*spec, *program);
    ::_exit(report(failed.error(), spec->enter));
  }
  ::close(kStartedFd);
  ::close(0);
  ::close(1);
  ::close(2);
  return look_after(pid, all, cgroup_kill);
}

}  // namespace weft::standalone::sandbox
