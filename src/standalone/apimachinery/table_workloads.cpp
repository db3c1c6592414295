#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "standalone/apimachinery/table_printers.h"

namespace weft::standalone {

using Cells = std::vector<json::value>;
using kube::at_path;
using kube::string_at;
using kube::TimePoint;

namespace {

const json::value* condition_of(const json::value& object, std::string_view type) {
  for (const auto& condition : list_in(object, "status.conditions")) {
    if (string_at(condition, "type") == type) return &condition;
  }
  return nullptr;
}

/// A container that ended: its reason, or how.
std::string ended_text(const json::value& terminated, std::string_view prefix) {
  auto reason = string_at(terminated, "reason");
  if (!reason.empty()) return fmt::format("{}{}", prefix, reason);
  auto signal = number_at(terminated, "signal");
  if (signal != 0) return fmt::format("{}Signal:{}", prefix, signal);
  return fmt::format("{}ExitCode:{}", prefix, number_at(terminated, "exitCode"));
}

/// What the columns READY, STATUS and RESTARTS sum up.
struct PodSummary {
  std::string reason;
  int64_t restarts = 0;
  int64_t total = 0;
  int64_t ready = 0;
  std::string last_restart;  ///< a time
  bool initializing = false;

  void count_restarts(const json::value& container) {
    restarts += number_at(container, "restartCount");
    auto finished = string_at(container, "lastState.terminated.finishedAt");
    if (std::string_view(last_restart) < finished) last_restart = finished;
  }
};

bool stays(const json::value& pod, std::string_view name) {
  for (const auto& container : list_in(pod, "spec.initContainers")) {
    if (string_at(container, "name") == name) return string_at(container, "restartPolicy") == "Always";
  }
  return false;
}

void look_at_init_containers(const json::value& pod, PodSummary& out) {
  const auto& statuses = list_in(pod, "status.initContainerStatuses");
  auto total = list_in(pod, "spec.initContainers").size();
  for (size_t i = 0; i < statuses.size(); ++i) {
    const auto& status = statuses[i];
    out.count_restarts(status);
    bool sidecar = stays(pod, string_at(status, "name"));
    const auto* terminated = at_path(status, "state.terminated");
    if (terminated && number_at(*terminated, "exitCode") == 0) continue;
    if (sidecar && true_at(status, "started")) {
      if (true_at(status, "ready")) ++out.ready;
      continue;
    }
    if (terminated) {
      out.reason = ended_text(*terminated, "Init:");
    } else if (auto waiting = string_at(status, "state.waiting.reason");
               !waiting.empty() && waiting != "PodInitializing") {
      out.reason = fmt::format("Init:{}", waiting);
    } else {
      out.reason = fmt::format("Init:{}/{}", i, total);
    }
    out.initializing = true;
    return;
  }
}

void look_at_containers(const json::value& pod, PodSummary& out) {
  bool has_running = false;
  const auto& statuses = list_in(pod, "status.containerStatuses");
  out.restarts = 0;
  out.last_restart.clear();
  for (size_t i = statuses.size(); i-- > 0;) {
    const auto& status = statuses[i];
    out.count_restarts(status);
    auto waiting = string_at(status, "state.waiting.reason");
    if (const auto* terminated = at_path(status, "state.terminated"); !waiting.empty()) {
      out.reason = waiting;
    } else if (terminated) {
      out.reason = ended_text(*terminated, "");
    } else if (true_at(status, "ready") && at_path(status, "state.running")) {
      has_running = true;
      ++out.ready;
    }
  }
  if (out.reason != "Completed" || !has_running) return;
  const auto* ready = condition_of(pod, "Ready");
  out.reason = ready && string_at(*ready, "status") == "True" ? "Running" : "NotReady";
}

PodSummary summarize(const json::value& pod) {
  PodSummary out;
  out.total = static_cast<int64_t>(list_in(pod, "spec.containers").size());
  for (const auto& container : list_in(pod, "spec.initContainers")) {
    out.total += string_at(container, "restartPolicy") == "Always";
  }
  out.reason = text_or(pod, "status.reason", string_at(pod, "status.phase"));
  const auto* scheduled = condition_of(pod, "PodScheduled");
  if (scheduled && string_at(*scheduled, "reason") == "SchedulingGated") out.reason = "SchedulingGated";
  look_at_init_containers(pod, out);
  const auto* initialized = condition_of(pod, "Initialized");
  if (!out.initializing || (initialized && string_at(*initialized, "status") == "True")) {
    look_at_containers(pod, out);
  }
  const auto* deleted = at_path(pod, "metadata.deletionTimestamp");
  if (deleted && deleted->is_string()) {
    auto phase = string_at(pod, "status.phase");
    if (string_at(pod, "status.reason") == "NodeLost") {
      out.reason = "Unknown";
    } else if (phase != "Failed" && phase != "Succeeded") {
      out.reason = "Terminating";
    }
  }
  return out;
}

std::string readiness_gates(const json::value& pod) {
  const auto& gates = list_in(pod, "spec.readinessGates");
  if (gates.empty()) return "<none>";
  size_t open = 0;
  for (const auto& gate : gates) {
    const auto* condition = condition_of(pod, string_at(gate, "conditionType"));
    open += condition && string_at(*condition, "status") == "True";
  }
  return fmt::format("{}/{}", open, gates.size());
}

Cells pod_cells(const json::value& pod, TimePoint now) {
  auto summary = summarize(pod);
  auto restarts = std::to_string(summary.restarts);
  if (summary.restarts > 0 && !summary.last_restart.empty()) {
    restarts =
        fmt::format("{} ({} ago)", summary.restarts, age_of(std::string_view(summary.last_restart), now));
  }
  const auto& ips = list_in(pod, "status.podIPs");
  auto ip = ips.empty() ? text_or(pod, "status.podIP", "<none>") : text_or(ips[0], "ip", "<none>");
  return {json::value(name_of(pod)),
          json::value(fmt::format("{}/{}", summary.ready, summary.total)),
          json::value(summary.reason),
          json::value(restarts),
          json::value(age_of(pod, now)),
          json::value(ip),
          json::value(text_or(pod, "spec.nodeName", "<none>")),
          json::value(text_or(pod, "status.nominatedNodeName", "<none>")),
          json::value(readiness_gates(pod))};
}

/// Names and images of a template's containers.
std::pair<std::string, std::string> containers_of(const json::value& object) {
  std::vector<std::string> names;
  std::vector<std::string> images;
  for (const auto& container : list_in(object, "spec.template.spec.containers")) {
    names.emplace_back(string_at(container, "name"));
    images.emplace_back(string_at(container, "image"));
  }
  return {fmt::format("{}", fmt::join(names, ",")), fmt::format("{}", fmt::join(images, ","))};
}

json::value selector_cell(const json::value& object) {
  return json::value(selector_text(at_path(object, "spec.selector")));
}

Cells deployment_cells(const json::value& object, TimePoint now) {
  auto [names, images] = containers_of(object);
  return {json::value(name_of(object)),
          json::value(fmt::format("{}/{}", number_at(object, "status.readyReplicas"),
                                  number_at(object, "spec.replicas"))),
          number_at(object, "status.updatedReplicas"),
          number_at(object, "status.availableReplicas"),
          json::value(age_of(object, now)),
          json::value(names),
          json::value(images),
          selector_cell(object)};
}

Cells replica_set_cells(const json::value& object, TimePoint now) {
  auto [names, images] = containers_of(object);
  return {json::value(name_of(object)),
          number_at(object, "spec.replicas"),
          number_at(object, "status.replicas"),
          number_at(object, "status.readyReplicas"),
          json::value(age_of(object, now)),
          json::value(names),
          json::value(images),
          selector_cell(object)};
}

Cells stateful_set_cells(const json::value& object, TimePoint now) {
  auto [names, images] = containers_of(object);
  return {json::value(name_of(object)),
          json::value(fmt::format("{}/{}", number_at(object, "status.readyReplicas"),
                                  number_at(object, "spec.replicas"))),
          json::value(age_of(object, now)), json::value(names), json::value(images)};
}

Cells daemon_set_cells(const json::value& object, TimePoint now) {
  auto [names, images] = containers_of(object);
  return {json::value(name_of(object)),
          number_at(object, "status.desiredNumberScheduled"),
          number_at(object, "status.currentNumberScheduled"),
          number_at(object, "status.numberReady"),
          number_at(object, "status.updatedNumberScheduled"),
          number_at(object, "status.numberAvailable"),
          json::value(labels_text(at_path(object, "spec.template.spec.nodeSelector"))),
          json::value(age_of(object, now)),
          json::value(names),
          json::value(images),
          selector_cell(object)};
}

std::string job_status(const json::value& job) {
  for (std::string_view type : {"Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"}) {
    const auto* condition = condition_of(job, type);
    if (condition && string_at(*condition, "status") == "True") return std::string(type);
  }
  return at_path(job, "metadata.deletionTimestamp") ? "Terminating" : "Running";
}

Cells job_cells(const json::value& job, TimePoint now) {
  auto [names, images] = containers_of(job);
  std::string duration;
  auto started = kube::parse_time(string_at(job, "status.startTime"));
  if (started) {
    auto ended = kube::parse_time(string_at(job, "status.completionTime"));
    duration = age_of(string_at(job, "status.startTime"), ended ? *ended : now);
  }
  return {json::value(name_of(job)),
          json::value(job_status(job)),
          json::value(fmt::format("{}/{}", number_at(job, "status.succeeded"),
                                  number_at(job, "spec.completions", 1))),
          json::value(duration),
          json::value(age_of(job, now)),
          json::value(names),
          json::value(images),
          selector_cell(job)};
}

Cells revision_cells(const json::value& object, TimePoint now) {
  std::string owner = "<none>";
  for (const auto& reference : list_in(object, "metadata.ownerReferences")) {
    if (!true_at(reference, "controller")) continue;
    auto kind = std::string(string_at(reference, "kind"));
    std::ranges::transform(kind, kind.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    owner = fmt::format(
        "{}.{}/{}", kind,
        string_at(reference, "apiVersion").substr(0, string_at(reference, "apiVersion").find('/')),
        string_at(reference, "name"));
  }
  return {json::value(name_of(object)), json::value(owner), number_at(object, "revision"),
          json::value(age_of(object, now))};
}

constexpr ColumnDef kAge{"Age"};

}  // namespace

std::vector<Printer> workload_printers() {
  const ColumnDef containers{"Containers", "string", true};
  const ColumnDef images{"Images", "string", true};
  const ColumnDef selector{"Selector", "string", true};
  return {{"",
           "Pod",
           {{"Name"},
            {"Ready"},
            {"Status"},
            {"Restarts"},
            kAge,
            {"IP", "string", true},
            {"Node", "string", true},
            {"Nominated Node", "string", true},
            {"Readiness Gates", "string", true}},
           pod_cells},
          {"apps",
           "Deployment",
           {{"Name"},
            {"Ready"},
            {"Up-to-date", "integer"},
            {"Available", "integer"},
            kAge,
            containers,
            images,
            selector},
           deployment_cells},
          {"apps",
           "ReplicaSet",
           {{"Name"},
            {"Desired", "integer"},
            {"Current", "integer"},
            {"Ready", "integer"},
            kAge,
            containers,
            images,
            selector},
           replica_set_cells},
          {"apps", "StatefulSet", {{"Name"}, {"Ready"}, kAge, containers, images}, stateful_set_cells},
          {"apps",
           "DaemonSet",
           {{"Name"},
            {"Desired", "integer"},
            {"Current", "integer"},
            {"Ready", "integer"},
            {"Up-to-date", "integer"},
            {"Available", "integer"},
            {"Node Selector"},
            kAge,
            containers,
            images,
            selector},
           daemon_set_cells},
          {"apps",
           "ControllerRevision",
           {{"Name"}, {"Controller"}, {"Revision", "integer"}, kAge},
           revision_cells},
          {"batch",
           "Job",
           {{"Name"}, {"Status"}, {"Completions"}, {"Duration"}, kAge, containers, images, selector},
           job_cells}};
}

}  // namespace weft::standalone
