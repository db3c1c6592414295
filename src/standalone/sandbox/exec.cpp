#include "standalone/sandbox/exec.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

#include "standalone/sandbox/spawn.h"

namespace weft::standalone::sandbox {

namespace {

ContainerSpec spec_for(const ExecTarget& target, const std::vector<std::string>& command, bool tty) {
  ContainerSpec spec;
  spec.enter = true;
  spec.tty = tty;
  spec.program = command.front();
  spec.argv = command;
  spec.env = target.env;
  if (tty) spec.env.push_back("TERM=xterm");
  spec.cwd = target.cwd;
  spec.uid = target.uid;
  spec.gid = target.gid;
  spec.groups = target.groups;
  return spec;
}

SpawnRequest request_for(const ExecTarget& target) {
  SpawnRequest request;
  request.program = target.program;
  request.cgroup = target.cgroup;
  request.target_pidfd = target.pidfd->get();
  return request;
}

struct Terminal {
  Fd master, slave;
};

Expected<Terminal> open_terminal() {
  Terminal t;
  t.master = Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  char name[64];
  if (!t.master || ::grantpt(t.master.get()) != 0 || ::unlockpt(t.master.get()) != 0 ||
      ::ptsname_r(t.master.get(), name, sizeof name) != 0)
    return fail_errno("open a terminal", errno);
  t.slave = Fd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!t.slave) return fail_errno(fmt::format("open {}", name), errno);
  ::fcntl(t.master.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  return t;
}

Expected<ExecProcess> exec_with_tty(const ExecTarget& target, const std::vector<std::string>& command) {
  WEFT_TRY(auto terminal, open_terminal());
  auto request = request_for(target);
  request.stdin_fd = request.stdout_fd = request.stderr_fd = request.report_fd = terminal.slave.get();
  WEFT_TRY(auto spawned, spawn_init(spec_for(target, command, true), request));
  ExecProcess process;
  process.pidfd = std::move(spawned.pidfd);
  process.in = std::move(terminal.master);
  return process;
}

}  // namespace

Expected<ExecProcess> exec_in_container(const ExecTarget& target, const std::vector<std::string>& command,
                                        bool with_stdin, bool tty) {
  if (command.empty()) return fail(ErrorCode::bad_request, "exec: no command given");
  if (tty) return exec_with_tty(target, command);
  WEFT_TRY(auto out, make_pipe());
  WEFT_TRY(auto err, make_pipe());
  auto request = request_for(target);
  Fd stdin_read, stdin_write;
  if (with_stdin) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe", errno);
    stdin_read = Fd(ends[0]);
    stdin_write = Fd(ends[1]);
    ::fcntl(stdin_write.get(), F_SETFL, O_NONBLOCK);
    request.stdin_fd = stdin_read.get();
  }
  request.stdout_fd = out.write.get();
  request.stderr_fd = request.report_fd = err.write.get();
  WEFT_TRY(auto spawned, spawn_init(spec_for(target, command, false), request));
  return ExecProcess{std::move(spawned.pidfd), std::move(stdin_write), std::move(out.read),
                     std::move(err.read)};
}

void ContainerRegistry::set(const std::string& key, std::vector<Entry> entries) {
  std::lock_guard lock(mutex_);
  if (entries.empty()) {
    pods_.erase(key);
  } else {
    pods_[key] = std::move(entries);
  }
}

Expected<ContainerRegistry::Entry> ContainerRegistry::find(const std::string& ns, const std::string& pod,
                                                           const std::string& container) {
  std::lock_guard lock(mutex_);
  auto it = pods_.find(ns + "/" + pod);
  if (it == pods_.end())
    return fail(ErrorCode::bad_request,
                fmt::format("pod \"{}\" in namespace \"{}\" has no container yet", pod, ns));
  for (const auto& entry : it->second) {
    if (container.empty() || entry.container == container) return entry;
  }
  return fail(ErrorCode::bad_request, fmt::format("container {} is not valid for pod {}", container, pod));
}

Expected<ExecProcess> ContainerRegistry::exec(const ExecRequest& request) {
  WEFT_TRY(auto entry, find(request.ns, request.pod, request.container));
  if (!entry.running)
    return fail(ErrorCode::bad_request,
                fmt::format("container \"{}\" of pod \"{}\" is not running", entry.container, request.pod));
  return exec_in_container(*entry.running, request.command, request.with_stdin, request.tty);
}

Expected<std::string> ContainerRegistry::log_path(const std::string& ns, const std::string& pod,
                                                  const std::string& container, bool previous) {
  WEFT_TRY(auto entry, find(ns, pod, container));
  if (previous && entry.previous_log.empty())
    return fail(
        ErrorCode::bad_request,
        fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", entry.container, pod));
  if (entry.log.empty())
    return fail(ErrorCode::bad_request,
                fmt::format("container \"{}\" in pod \"{}\" is waiting to start", entry.container, pod));
  return previous ? entry.previous_log : entry.log;
}

}  // namespace weft::standalone::sandbox
