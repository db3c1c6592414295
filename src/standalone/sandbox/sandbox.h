#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/client/kubeconfig.h"
#include "standalone/apiserver/pod_runtime.h"
#include "standalone/sandbox/cni_calls.h"

namespace weft::standalone {

/// A simulated node: where its pods run and what its Node object says.
struct SandboxNode {
  std::string name;
  std::string netns;                   ///< name in /run/netns; exists
  std::string zone;                    ///< label topology.kubernetes.io/zone; "": none
  std::vector<std::string> addresses;  ///< InternalIP; the first is the pods' status.hostIP
  std::vector<std::string> pod_cidrs;
  std::map<std::string, std::string> annotations;
  std::string cni_socket;  ///< of the node's agent; may come later
  std::string cgroup;      ///< absolute path in the cgroup v2 hierarchy; pods are put under its pods/
  std::string state_dir;   ///< pods' files and logs are put under its pods/
};

struct SandboxOptions {
  std::string cluster;
  std::vector<SandboxNode> nodes;
  CniCalls cni;
  std::map<std::string, std::string> images;  ///< image name to program of the host
  std::vector<std::string> dns_addresses;     ///< name servers of pods with ClusterFirst
  std::string cluster_domain = "cluster.local";
  std::string node_resolv_conf = "/etc/resolv.conf";  ///< of pods with dnsPolicy Default; its search list
  std::string program = "/proc/self/exe";             ///< our own binary, for sandbox-init and weft/echo
  /// Whether the node's kubelet reaches the API now; asked often, from the sandbox's thread. Not set: always.
  std::function<bool(const SandboxNode&)> reachable;
};

/// The kubelets of a standalone cluster's nodes in one: registers the Nodes and keeps their Leases, binds
/// pods that have no node, and runs the pods bound to its nodes as network namespaces and processes. A node
/// that does not reach the API neither tells nor learns anything until it does again. Works on a thread of
/// its own. Pods' processes end with this process, however it ends.
class Sandbox {
 public:
  explicit Sandbox(SandboxOptions options);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// For the API server's exec and logs; usable before `start` (nothing runs then) and until destruction.
  PodRuntime& runtime();

  /// Removes what an earlier run left on these nodes, then begins to serve. The API server may come later: it
  /// is retried.
  Expected<void> start(kube::ClientConfig api);

  /// Kills every pod at once and removes their namespaces and cgroups; the objects in the API stay as they
  /// are. Idempotent.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::standalone
