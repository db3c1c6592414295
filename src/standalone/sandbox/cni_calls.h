#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"

namespace weft::standalone {

/// A pod as its network needs it.
struct PodIdentity {
  std::string ns, name;  ///< "" for what is left of a pod of an earlier run
  std::string uid;
  std::string netns;                           ///< name in /run/netns
  std::map<std::string, std::string> sysctls;  ///< set when the namespace is made
};

/// How a node's agent is asked, over its CNI socket, to connect a pod and to disconnect it. Both calls block
/// and come from several threads; both are repeated after a failure, so doing them again must be harmless.
struct CniCalls {
  /// ADD: gives the namespace its interface and addresses; the addresses come back, the first is
  /// status.podIP.
  std::function<Expected<std::vector<std::string>>(const std::string& socket, const PodIdentity& pod)> add;
  /// DEL: gives the addresses back. A pod the agent does not know is good; the namespace may be gone.
  std::function<Expected<void>(const std::string& socket, const PodIdentity& pod)> remove;
};

}  // namespace weft::standalone
