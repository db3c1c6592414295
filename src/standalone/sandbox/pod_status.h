#pragma once

#include <string>
#include <vector>

#include "kube/json.h"
#include "kube/pod.h"

namespace weft::standalone::sandbox {

/// How one container stands, as far as the pod's status needs it.
struct ContainerView {
  const kube::Container* spec = nullptr;
  bool sidecar = false;  ///< an init container with restartPolicy Always
  kube::ContainerState state;
  kube::ContainerState last_state;
  int32_t restart_count = 0;
  bool ready = false;
  bool started = false;
  std::string container_id;  ///< "weft://…"; "" before the first start
};

/// How a pod stands on its node.
struct PodView {
  std::vector<ContainerView> init, main;
  bool network_ready = false;
  std::vector<std::string> pod_ips;
  std::vector<std::string> host_ips;
  std::string start_time;
  /// Set when the pod as a whole was ended or refused; phase Failed.
  std::string failed_reason, failed_message;
};

/// The whole of status, as kubelet computes it: phase, conditions (with the transition times, readiness gates
/// and foreign conditions of the object), addresses and container statuses. `last`: what was computed before,
/// which the object may not show yet; `now`: for changed conditions.
kube::PodStatus compute_status(const kube::Pod& pod, const PodView& view, const kube::PodStatus& last,
                               const kube::Time& now);

/// Guaranteed, Burstable or BestEffort.
std::string qos_class(const kube::PodSpec& spec);

/// May a container that ended with `exit_code` run again?
bool should_restart(const std::string& restart_policy, bool sidecar, int exit_code);

/// The JSON merge patch (RFC 7396) that turns `before` into `after`; empty when they are equal.
json::object merge_diff(const json::object& before, const json::object& after);

}  // namespace weft::standalone::sandbox
