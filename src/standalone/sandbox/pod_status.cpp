#include "standalone/sandbox/pod_status.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace weft::standalone::sandbox {

namespace {

using kube::PodCondition;

/// An init container the later ones need not wait for any more.
bool init_done(const ContainerView& view) {
  if (view.sidecar) return view.started;
  return view.state.terminated && view.state.terminated->exitCode == 0;
}

bool all_init_done(const PodView& view) { return std::ranges::all_of(view.init, init_done); }

/// An init container failed for good.
bool init_failed(const kube::Pod& pod, const PodView& view) {
  return std::ranges::any_of(view.init, [&](const ContainerView& c) {
    return !c.sidecar && c.state.terminated && c.state.terminated->exitCode != 0 &&
           !should_restart(pod.spec.restartPolicy, false, c.state.terminated->exitCode);
  });
}

std::string phase_of(const kube::Pod& pod, const PodView& view) {
  if (!view.failed_reason.empty() || init_failed(pod, view)) return "Failed";
  int waiting = 0, running = 0, stopped = 0, succeeded = 0;
  for (const auto& c : view.main) {
    if (c.state.running) {
      ++running;
    } else if (c.state.terminated) {
      ++stopped;
      if (c.state.terminated->exitCode == 0) ++succeeded;
    } else if (c.last_state.terminated) {
      ++stopped;
    } else {
      ++waiting;
    }
  }
  if (!all_init_done(view) && running + stopped == 0) return "Pending";
  if (waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped == 0) return "Pending";
  if (pod.spec.restartPolicy.empty() || pod.spec.restartPolicy == "Always")
    return pod.metadata.deletionTimestamp ? (succeeded == stopped ? "Succeeded" : "Failed") : "Running";
  if (succeeded == stopped) return "Succeeded";
  return pod.spec.restartPolicy == "Never" || pod.metadata.deletionTimestamp ? "Failed" : "Running";
}

PodCondition condition(std::string type, bool holds, std::string reason = {}, std::string message = {}) {
  PodCondition c;
  c.type = std::move(type);
  c.status = holds ? "True" : "False";
  if (!holds) {
    c.reason = std::move(reason);
    c.message = std::move(message);
  }
  return c;
}

PodCondition initialized(const PodView& view) {
  std::vector<std::string> incomplete;
  for (const auto& c : view.init) {
    if (!init_done(c)) incomplete.push_back(c.spec->name);
  }
  return condition("Initialized", incomplete.empty(), "ContainersNotInitialized",
                   fmt::format("containers with incomplete status: [{}]", fmt::join(incomplete, " ")));
}

PodCondition containers_ready(const PodView& view, const std::string& phase) {
  std::vector<std::string> unready;
  for (const auto& c : view.init) {
    if (c.sidecar && !c.ready) unready.push_back(c.spec->name);
  }
  for (const auto& c : view.main) {
    if (!c.ready) unready.push_back(c.spec->name);
  }
  bool ended = phase == "Succeeded" || phase == "Failed";
  if (ended) return condition("ContainersReady", false, phase == "Succeeded" ? "PodCompleted" : "PodFailed");
  return condition("ContainersReady", unready.empty(), "ContainersNotReady",
                   fmt::format("containers with unready status: [{}]", fmt::join(unready, " ")));
}

PodCondition ready(const kube::Pod& pod, PodCondition containers) {
  containers.type = "Ready";
  if (containers.status != "True") return containers;
  std::vector<std::string> missing;
  for (const auto& gate : pod.spec.readinessGates) {
    auto it = std::ranges::find(pod.status.conditions, gate.conditionType, &PodCondition::type);
    if (it == pod.status.conditions.end()) {
      missing.push_back(fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.",
                                    gate.conditionType));
    } else if (it->status != "True") {
      missing.push_back(fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}",
                                    gate.conditionType, it->status));
    }
  }
  return condition("Ready", missing.empty(), "ReadinessGatesNotReady",
                   fmt::format("{}", fmt::join(missing, ", ")));
}

std::vector<PodCondition> conditions_of(const kube::Pod& pod, const PodView& view, const std::string& phase,
                                        const kube::PodStatus& last, const kube::Time& now) {
  auto keep_time = [](PodCondition& c, const std::vector<PodCondition>& before) {
    auto old = std::ranges::find(before, c.type, &PodCondition::type);
    if (old == before.end() || old->status != c.status || old->lastTransitionTime.empty()) return;
    c.lastTransitionTime = old->lastTransitionTime;
  };
  auto containers = containers_ready(view, phase);
  std::vector<PodCondition> out{condition("PodReadyToStartContainers", view.network_ready), initialized(view),
                                ready(pod, containers), containers, condition("PodScheduled", true)};
  for (auto& c : out) {
    c.observedGeneration = pod.metadata.generation;
    c.lastTransitionTime = now;
    keep_time(c, last.conditions.empty() ? pod.status.conditions : last.conditions);
  }
  for (const auto& old : pod.status.conditions) {
    if (std::ranges::find(out, old.type, &PodCondition::type) == out.end()) out.push_back(old);
  }
  return out;
}

kube::ContainerStatus container_status(const ContainerView& view) {
  kube::ContainerStatus s;
  s.name = view.spec->name;
  s.image = view.spec->image;
  s.imageID = view.container_id.empty() ? "" : view.spec->image;
  s.containerID = view.container_id;
  s.state = view.state;
  s.lastState = view.last_state;
  s.restartCount = view.restart_count;
  s.ready = view.ready;
  s.started = view.started;
  return s;
}

}  // namespace

bool should_restart(const std::string& restart_policy, bool sidecar, int exit_code) {
  if (sidecar || restart_policy.empty() || restart_policy == "Always") return true;
  return restart_policy == "OnFailure" && exit_code != 0;
}

std::string qos_class(const kube::PodSpec& spec) {
  bool any = false, guaranteed = true;
  auto look = [&](const std::vector<kube::Container>& containers) {
    for (const auto& c : containers) {
      for (const char* resource : {"cpu", "memory"}) {
        auto limit = c.resources.limits.find(resource);
        auto request = c.resources.requests.find(resource);
        bool has_limit = limit != c.resources.limits.end();
        bool has_request = request != c.resources.requests.end();
        any = any || has_limit || has_request;
        if (!has_limit || (has_request && request->second != limit->second)) guaranteed = false;
      }
    }
  };
  look(spec.initContainers);
  look(spec.containers);
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

kube::PodStatus compute_status(const kube::Pod& pod, const PodView& view, const kube::PodStatus& last,
                               const kube::Time& now) {
  kube::PodStatus s;
  s.observedGeneration = pod.metadata.generation;
  s.phase = phase_of(pod, view);
  s.reason = view.failed_reason;
  s.message = view.failed_message;
  s.conditions = conditions_of(pod, view, s.phase, last, now);
  s.qosClass = qos_class(pod.spec);
  s.startTime = view.start_time;
  for (const auto& ip : view.host_ips) s.hostIPs.push_back({{}, ip});
  if (!view.host_ips.empty()) s.hostIP = view.host_ips.front();
  for (const auto& ip : view.pod_ips) s.podIPs.push_back({{}, ip});
  if (!view.pod_ips.empty()) s.podIP = view.pod_ips.front();
  for (const auto& c : view.init) {
    auto status = container_status(c);
    // A completed init container counts as ready.
    if (!c.sidecar) status.ready = init_done(c);
    s.initContainerStatuses.push_back(std::move(status));
  }
  for (const auto& c : view.main) s.containerStatuses.push_back(container_status(c));
  s.unknown = pod.status.unknown;
  s.nominatedNodeName = pod.status.nominatedNodeName;
  return s;
}

json::object merge_diff(const json::object& before, const json::object& after) {
  json::object patch;
  for (const auto& member : before) {
    if (!after.contains(member.key())) patch[member.key()] = nullptr;
  }
  for (const auto& member : after) {
    const auto* old = before.if_contains(member.key());
    if (old && *old == member.value()) continue;
    if (old && old->is_object() && member.value().is_object()) {
      patch[member.key()] = merge_diff(old->get_object(), member.value().get_object());
    } else {
      patch[member.key()] = member.value();
    }
  }
  return patch;
}

}  // namespace weft::standalone::sandbox
