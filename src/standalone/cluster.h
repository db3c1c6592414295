#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "kube/client/client.h"
#include "standalone/cluster_options.h"
#include "standalone/demo.h"

namespace weft::standalone {

/// One step of coming up, for the user: "API server on 127.0.0.1:6443".
using Progress = std::function<void(const std::string& step)>;

/// A cluster in a box: node namespaces, the embedded API server, the sandbox, the workload controllers, and
/// the processes `weft agent`, `weft dns` and `weft controller`. It is there as long as the object; what the
/// kernel holds of it is removed with it, and by remove_cluster() if the process was killed.
class Cluster {
 public:
  /// Needs root. Fails when a cluster of this name is up. `io` runs the workload controllers and watches the
  /// processes; it has to be run.
  static Expected<std::unique_ptr<Cluster>> start(boost::asio::io_context& io, ClusterOptions options,
                                                  const Progress& progress);
  /// Ends everything and removes all traces but the --data folder.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const ClusterLayout& layout() const;
  /// As administrator; runs on `io`.
  kube::Client& client();
  /// Runs a command in a pod and waits for it.
  Expected<std::string> exec(const std::string& ns, const std::string& pod,
                             const std::vector<std::string>& command);

 private:
  struct Impl;
  explicit Cluster(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Takes down the cluster NAME, whether `weft up` still runs or was killed: asks it to end, then removes what
/// is left: processes, namespaces, links, cgroups, mounts, and the folder /run/weft/NAME. False when there
/// was nothing.
Expected<bool> remove_cluster(const std::string& name);

}  // namespace weft::standalone
