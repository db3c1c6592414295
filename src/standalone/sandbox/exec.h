#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "standalone/apiserver/pod_runtime.h"
#include "standalone/sandbox/container_spec.h"

namespace weft::standalone::sandbox {

/// What is needed to run one more program in a running container.
struct ExecTarget {
  std::shared_ptr<const Fd> pidfd;  ///< of its first process
  std::string cgroup;
  std::string program;  ///< our own binary
  std::vector<std::string> env;
  std::string cwd;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

/// Runs `command` in the container: same namespaces, cgroup, user and environment. A command that cannot be
/// executed ends with 127 and says why on standard error.
Expected<ExecProcess> exec_in_container(const ExecTarget& target, const std::vector<std::string>& command,
                                        bool with_stdin, bool tty);

/// The running containers and their logs by name, for other threads.
class ContainerRegistry : public PodRuntime {
 public:
  struct Entry {
    std::string container;
    std::shared_ptr<const ExecTarget> running;  ///< null: not running now
    std::string log, previous_log;              ///< "": none yet
  };
  /// Replaces what is known of a pod; no entries: forget it. `key` is "namespace/name".
  void set(const std::string& key, std::vector<Entry> entries);

  Expected<ExecProcess> exec(const ExecRequest& request) override;
  Expected<std::string> log_path(const std::string& ns, const std::string& pod, const std::string& container,
                                 bool previous) override;

 private:
  Expected<Entry> find(const std::string& ns, const std::string& pod, const std::string& container);

  std::mutex mutex_;
  std::map<std::string, std::vector<Entry>> pods_;
};

}  // namespace weft::standalone::sandbox
