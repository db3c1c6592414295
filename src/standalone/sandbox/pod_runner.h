#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "kube/pod.h"
#include "standalone/sandbox/pod_host.h"

namespace weft::standalone::sandbox {

/// The name of a pod's network namespace in /run/netns.
std::string pod_netns_name(const std::string& cluster, const std::string& uid);
/// What `object` (kind "ConfigMap" or "Secret") a pod's volumes and environment name.
bool refers_to(const kube::PodSpec& spec, const std::string& kind, const std::string& name);

/// One pod on its node, from its binding to its end. Looks at the whole pod after every event (an update, a
/// process that ended, a probe's answer, a timer) and does what is to be done next; so every step may fail
/// and be taken again.
class PodRunner : public std::enable_shared_from_this<PodRunner> {
 public:
  PodRunner(PodHost& host, std::shared_ptr<const kube::Pod> pod);
  ~PodRunner();

  void start();
  /// A newer state of the same object (same uid).
  void update(std::shared_ptr<const kube::Pod> pod);
  /// The object is gone from the API: end it shortly.
  void object_gone();
  /// A ConfigMap or Secret it names has changed.
  void config_changed();
  /// Kills everything; nothing is published any more. The namespace is the caller's to remove.
  void abandon();

  const kube::Pod& pod() const;
  const PodIdentity& identity() const;
  /// Nothing is left of it.
  bool ended() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace weft::standalone::sandbox
