#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "check/context.h"

namespace weft::check {
namespace {

/// Where a pod's field is written: in its workload's template, when it has one.
trace::ObjectRef place_of(const Context& context, const kube::Pod& pod, const std::string& field) {
  auto key = trace::key_of(pod.metadata.namespace_, pod.metadata.name);
  auto ref = context.world.origins.find("Pod", key, field);
  auto space = ref.origin.find(' ');
  if (space == std::string::npos) return ref;
  auto kind = ref.origin.substr(0, space);
  auto prefix = kind == "CronJob" ? "spec.jobTemplate.spec.template." : "spec.template.";
  return context.world.origins.find(kind, ref.origin.substr(space + 1), prefix + field);
}

std::optional<kube::IntOrString> probe_port(const kube::Probe& probe) {
  if (probe.httpGet) return probe.httpGet->port;
  if (probe.tcpSocket) return probe.tcpSocket->port;
  if (probe.grpc) return kube::IntOrString{probe.grpc->port};
  return std::nullopt;
}

bool declares(const kube::Container& container, const kube::IntOrString& wanted) {
  return std::ranges::any_of(container.ports, [&](const kube::ContainerPort& port) {
    return wanted.is_int() ? port.containerPort == wanted.number() : port.name == wanted.str();
  });
}

void check_probes(const Context& context, const kube::Pod& pod) {
  for (size_t i = 0; i < pod.spec.containers.size(); ++i) {
    const auto& container = pod.spec.containers[i];
    if (!container.readinessProbe) continue;
    auto port = probe_port(*container.readinessProbe);
    // What a number leads to need not be declared, where nothing is.
    if (!port || declares(container, *port) || (port->is_int() && container.ports.empty())) continue;
    auto field = fmt::format("spec.containers[{}].readinessProbe", i);
    context.add(
        "WEFT0108", port->is_int() ? Severity::warning : Severity::error, place_of(context, pod, field),
        fmt::format("it asks port {}, which container {} does not declare: while nobody answers there, "
                    "Services leave the pod out",
                    port->str(), container.name),
        "Ask the port that the program listens on");
  }
}

void check_dns(const Context& context, const kube::Pod& pod) {
  if (!pod.spec.hostNetwork || (pod.spec.dnsPolicy != "ClusterFirst" && !pod.spec.dnsPolicy.empty())) return;
  context.add(
      "WEFT0120", Severity::note, place_of(context, pod, "spec.hostNetwork"),
      "on the host's network dnsPolicy ClusterFirst means Default: it asks the node's name servers, and "
      "finds no Services",
      "If it needs them: dnsPolicy ClusterFirstWithHostNet");
}

}  // namespace

void check_pods(const Context& context) {
  std::set<std::string> seen;
  for (const auto& [key, pod] : context.world.pods) {
    // Pods of a workload are alike.
    if (context.world.origins.find("Pod", key).file.empty() || !seen.insert(context.owner_of(*pod)).second)
      continue;
    check_probes(context, *pod);
    check_dns(context, *pod);
  }
}

}  // namespace weft::check
