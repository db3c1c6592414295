#include <fmt/core.h>

#include <algorithm>

#include "check/context.h"

namespace weft::check {
namespace {

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

/// Whether a Service has that port before the pod, for which it is taken easily.
bool is_port_of_service(const Context& context, const kube::Pod& pod, const kube::IntOrString& wanted) {
  return std::ranges::any_of(context.pods.services_of(pod), [&](const auto& service) {
    return std::ranges::any_of(service->spec.ports, [&](const kube::ServicePort& port) {
      return port.port == wanted.number() && port.targetPort != wanted;
    });
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
    // A number may be a port for nothing but that, which nobody declares.
    auto severity = !port->is_int()                           ? Severity::error
                    : is_port_of_service(context, pod, *port) ? Severity::warning
                                                              : Severity::note;
    context.add(
        "WEFT0108", severity, place_of(context, pod, field),
        fmt::format("it asks port {}, which container {} does not declare: while nobody answers there, "
                    "Services leave the pod out",
                    port->str(), container.name),
        "Ask the port that the program listens on");
  }
}

}  // namespace

void check_pods(const Context& context) {
  for (const auto& [ns, object] : context.world.namespaces) {
    for (const auto& pod : context.pods.kinds_in(ns)) check_probes(context, *pod);
  }
}

}  // namespace weft::check
