#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace weft::standalone {

/// A command to run in a running container.
struct ExecRequest {
  std::string ns, pod, container;  ///< container empty: the first
  std::vector<std::string> command;
  bool with_stdin = false;
  bool tty = false;
};

/// The running command. Descriptors are non-blocking and the caller's.
struct ExecProcess {
  Fd pidfd;  ///< readable when it has ended; waitid(P_PIDFD) gives its exit code
  Fd in;     ///< its standard input, if asked for; with a tty: the terminal, for both ways
  Fd out;
  Fd err;  ///< not with a tty
};

/// What the API server asks of the node that runs a pod. Called on the API server's thread; thread-safe; must
/// not block for long.
class PodRuntime {
 public:
  virtual ~PodRuntime() = default;
  virtual Expected<ExecProcess> exec(const ExecRequest& request) = 0;
  /// The file a container logs to, a line an entry: "<RFC 3339 with nanoseconds> stdout|stderr F|P text".
  /// `previous`: of the container before its last restart. bad_request when it has not started yet.
  virtual Expected<std::string> log_path(const std::string& ns, const std::string& pod,
                                         const std::string& container, bool previous) = 0;
};

}  // namespace weft::standalone
