#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "standalone/sandbox/container_spec.h"

namespace weft::standalone::sandbox {

/// Where and with which descriptors sandbox-init is started.
struct SpawnRequest {
  std::string program;          ///< our own binary
  std::string cgroup;           ///< an existing cgroup, entered before the first instruction
  int stdin_fd = -1;            ///< -1: /dev/null; all borrowed
  int stdout_fd = -1;           ///< -1: /dev/null
  int stderr_fd = -1;           ///< -1: /dev/null
  int target_pidfd = -1;        ///< with ContainerSpec::enter: whom to enter
  int report_fd = -1;           ///< where to say why the program could not run; -1: Spawned::started
  bool tied_to_thread = false;  ///< SIGKILL when the calling thread ends
};

struct Spawned {
  pid_t pid = -1;
  Fd pidfd;    ///< readable when it has ended
  Fd started;  ///< non-blocking; end of file once the program runs, or one line that says why it cannot
};

/// Starts sandbox-init for `spec`. Needs time that does not depend on the size of this process, and is safe
/// in a program with threads: the child shares our memory and only makes system calls until it executes.
Expected<Spawned> spawn_init(const ContainerSpec& spec, const SpawnRequest& request);

/// The exit code (128 + N after signal N) of an ended child, which is gone then; nothing waits. -1: it has
/// not ended.
int reap(const Fd& pidfd);

struct Pipe {
  Fd read, write;
};
/// A pipe, close-on-exec, whose reading end does not block.
Expected<Pipe> make_pipe();

}  // namespace weft::standalone::sandbox
