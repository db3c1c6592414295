#pragma once

#include <string>

#include "base/error.h"
#include "trace/ends.h"

namespace weft::probe {

/// Where a probe begins. Empty: in the machine's own network, which is outside of the clusters on it.
struct Place {
  std::string cgroup;  ///< the folder of it that is joined: programs at sockets are attached to cgroups
  std::string netns;   ///< path of a network namespace
  int pid = 0;         ///< instead: a process whose network, files (resolv.conf) and host name are used

  /// Takes the calling process there, which may have one thread only.
  Expected<void> enter() const;
};

/// Where a source is in the cluster NAME that `weft up` made on this machine. Fails for pods of which no
/// container runs.
Expected<Place> place_of(const std::string& cluster, const trace::World& world, const trace::Source& source);

/// The machine's own addresses on the segment of that cluster's nodes: those that `outside` has.
Expected<std::vector<IpAddr>> outside_of(const std::string& cluster);

}  // namespace weft::probe
