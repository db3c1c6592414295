#include "standalone/sandbox/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace weft::standalone::sandbox {

namespace {

constexpr int kFixedFds = 6;

/// Everything the child uses; made before it exists.
struct Plan {
  std::array<int, kFixedFds> fds;  ///< what its descriptors 0 to 5 shall be; all above 5; -1: closed
  const char* program;
  std::array<char*, 3> argv;
  std::array<char*, 1> env;
  int nice;  ///< of the program itself; a command for a pod starts on the API server's thread, which goes
             ///< before all
  bool tied_to_thread;
};

/// The child has our memory and our stack (as with vfork), so nothing here may return, allocate or lock.
[[noreturn, gnu::noinline]] __attribute__((no_sanitize("address", "undefined", "thread"))) void run_child(
    const Plan& plan) {
  for (int i = 0; i < kFixedFds; ++i) {
    if (plan.fds[static_cast<size_t>(i)] >= 0) {
      ::dup2(plan.fds[static_cast<size_t>(i)], i);
    } else {
      ::close(i);
    }
  }
  // Whatever another thread opened without close-on-exec stays out of the container.
  ::syscall(SYS_close_range, kFixedFds, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  ::setpriority(PRIO_PROCESS, 0, plan.nice);
  if (plan.tied_to_thread) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execve(plan.program, plan.argv.data(), plan.env.data());
  static const char kMessage[] = "cannot execute our own binary for sandbox-init";
  [[maybe_unused]] auto n = ::write(4, kMessage, sizeof kMessage - 1);
  ::_exit(128);
}

/// The system call itself, without a function around it: a return address on the shared stack would be
/// overwritten by the child before we return through it.
[[gnu::always_inline]] inline long clone3(clone_args* args) {
#if defined(__x86_64__)
  long result = SYS_clone3;
  asm volatile("syscall" : "+a"(result) : "D"(args), "S"(sizeof(clone_args)) : "rcx", "r11", "memory", "cc");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = SYS_clone3;
  register long x0 asm("x0") = reinterpret_cast<long>(args);
  register long x1 asm("x1") = sizeof(clone_args);
  asm volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x8) : "memory", "cc");
  return x0;
#else
#error "clone3 for this processor"
#endif
}

[[gnu::noinline]] __attribute__((no_sanitize("address", "undefined", "thread"))) long start_child(
    clone_args* args, const Plan* plan) {
  long pid = clone3(args);
  if (pid == 0) run_child(*plan);
  return pid;
}

/// A copy above the descriptors that are going to be replaced.
Expected<Fd> lift(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kFixedFds));
  if (!copy) return fail_errno("duplicate a descriptor", errno);
  return copy;
}

Expected<Fd> open_null() {
  Fd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!fd) return fail_errno("open /dev/null", errno);
  return fd;
}

Expected<Fd> spec_file(const ContainerSpec& spec) {
  Fd fd(::memfd_create("container", MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create", errno);
  std::string text = encode_spec(spec);
  for (size_t done = 0; done < text.size();) {
    ssize_t n = ::write(fd.get(), text.data() + done, text.size() - done);
    if (n < 0) return fail_errno("write the container's description", errno);
    done += static_cast<size_t>(n);
  }
  return fd;
}

uint64_t namespaces_of(const ContainerSpec& spec) {
  if (spec.enter) return 0;
  return CLONE_NEWNS | CLONE_NEWUTS | (spec.own_pids ? CLONE_NEWPID : 0);
}

/// No signal handler of ours may run in the child while it shares our memory.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

Expected<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

Expected<Spawned> spawn_init(const ContainerSpec& spec, const SpawnRequest& request) {
  WEFT_TRY(auto null, open_null());
  WEFT_TRY(auto description, spec_file(spec));
  Pipe started;
  if (request.report_fd < 0) {
    WEFT_TRY(started, make_pipe());
  }
  Fd cgroup(::open(request.cgroup.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!cgroup) return fail_errno("open cgroup " + request.cgroup, errno);

  auto or_null = [&](int fd) { return fd >= 0 ? fd : null.get(); };
  const int sources[kFixedFds] = {or_null(request.stdin_fd),
                                  or_null(request.stdout_fd),
                                  or_null(request.stderr_fd),
                                  description.get(),
                                  request.report_fd < 0 ? started.write.get() : request.report_fd,
                                  request.target_pidfd};
  std::array<Fd, kFixedFds> lifted;
  Plan plan{};
  for (size_t i = 0; i < kFixedFds; ++i) {
    if (sources[i] >= 0) {
      WEFT_TRY(lifted[i], lift(sources[i]));
    }
    plan.fds[i] = lifted[i].get();
  }
  char name[] = "weft", subcommand[] = "sandbox-init";
  plan.argv = {name, subcommand, nullptr};
  plan.env = {nullptr};
  plan.program = request.program.c_str();
  plan.tied_to_thread = request.tied_to_thread;
  plan.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::getpid()));

  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP | namespaces_of(spec);
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(cgroup.get());
  long pid = 0;
  {
    SignalsBlocked blocked;
    pid = start_child(&args, &plan);
  }
  if (pid < 0) return fail_errno("clone3 into " + request.cgroup, static_cast<int>(-pid));
  return Spawned{static_cast<pid_t>(pid), Fd(pidfd), std::move(started.read)};
}

int reap(const Fd& pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
    return -1;
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

}  // namespace weft::standalone::sandbox
