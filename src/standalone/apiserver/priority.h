#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace weft::standalone {

/// How much the control plane goes before pods. As little processor time as it takes, it takes it first:
/// nodes that learn late what has changed send connections to pods that have ended. Where the kernel does not
/// allow it (or has no autogroups) nothing happens. Both are safe between fork and exec.
inline constexpr int kControlPlaneNice = -10;

/// Of the calling thread and what it starts from here on, among the processes of its session.
inline void go_before_pods() { ::setpriority(PRIO_PROCESS, 0, kControlPlaneNice); }

/// Of the calling process' session among all others: with autogroups (sched(7)) the kernel first shares the
/// processors out evenly among sessions, and each pod is one. Only for a session that is ours alone.
inline void session_goes_before_pods() {
  int fd = ::open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] auto n = ::write(fd, "-10", 3);
  ::close(fd);
}

}  // namespace weft::standalone
