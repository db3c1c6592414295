#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace weft::standalone {

/// How a process of the cluster (agent, dns, controller) is started.
struct ProcessSpec {
  std::string name;               ///< for messages and as the log's name
  std::vector<std::string> args;  ///< of our own binary, without argv[0]
  std::string netns;              ///< name in /run/netns; "": the caller's
  std::string cgroup;             ///< absolute path of an existing cgroup; "": the caller's
  std::string log_file;           ///< stdout and stderr, appended
  uid_t uid = 0;                  ///< 0: stays root
  bool bind_low_ports = false;    ///< keeps CAP_NET_BIND_SERVICE when uid != 0
};

struct Process {
  pid_t pid = -1;
  Fd pidfd;  ///< readable when the process has ended
};

/// Starts it. From its first instruction it is in its namespace and cgroup and, where uid != 0, has no
/// capability but the one named, and may gain none. It gets SIGKILL when `weft up` dies. Safe in a program
/// with threads.
Expected<Process> spawn(const ProcessSpec& spec);

/// SIGTERM, then SIGKILL after `grace_ms`; returns when the process is gone and reaped.
void stop(Process& process, int grace_ms);

}  // namespace weft::standalone
