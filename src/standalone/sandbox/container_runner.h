#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "standalone/sandbox/action.h"
#include "standalone/sandbox/exec.h"
#include "standalone/sandbox/pod_status.h"

namespace weft::standalone::sandbox {

/// What a container's runs have in common.
struct ContainerPlace {
  std::string program;  ///< our own binary
  std::string cgroup;   ///< of this container
  std::string log_dir;  ///< holds N.log for run N
  std::string netns;    ///< path, of the node: probes come from there
  std::string pod_uid;
};

/// One container of a pod through all its runs: starts it, notices its end, probes it, stops it. Decides
/// nothing: when to start is the pod's business. All on one event loop; `changed` is called whenever `view`
/// may have.
class ContainerRunner : public std::enable_shared_from_this<ContainerRunner> {
 public:
  using Changed = std::function<void()>;
  using Event = std::function<void(bool warning, const std::string& reason, const std::string& message)>;

  ContainerRunner(boost::asio::io_context& io, kube::Container spec, bool sidecar, Changed changed,
                  Event event);
  ~ContainerRunner();

  enum class Phase { waiting, starting, running, stopping, ended };
  Phase phase() const;
  bool alive() const;  ///< starting, running or stopping
  const kube::Container& spec() const;
  bool sidecar() const;
  /// Takes a changed spec (its image) for the next run.
  void set_spec(kube::Container spec);
  /// How often it was restarted before this process knew it.
  void set_restart_count(int32_t count);

  /// Says why it cannot be started yet. True when that is news.
  bool set_waiting(const std::string& reason, const std::string& message);
  /// waiting or ended → starting. `address`: the pod's, for probes.
  void start(const ContainerPlace& place, ContainerSpec process, const std::string& address);
  /// preStop hook, SIGTERM, and SIGKILL for everything in it after `grace`. Again with a shorter grace: that
  /// one holds.
  void stop(std::chrono::milliseconds grace);

  /// Exit code of the last run; valid in phase ended.
  int exit_code() const;
  /// How long to wait before the next run; zero when it may start.
  std::chrono::milliseconds backoff_left() const;
  /// The full length of the wait that is going on.
  std::chrono::milliseconds backoff() const;

  ContainerView view() const;
  ContainerRegistry::Entry registry_entry() const;

 private:
  struct Run;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::standalone::sandbox
