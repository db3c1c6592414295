#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "check/context.h"
#include "trace/hints.h"

namespace weft::check {
namespace {

std::vector<const kube::ContainerPort*> declared(const kube::Pod& pod) {
  std::vector<const kube::ContainerPort*> out;
  for (const auto* containers : {&pod.spec.containers, &pod.spec.initContainers}) {
    for (const auto& container : *containers) {
      for (const auto& port : container.ports) out.push_back(&port);
    }
  }
  return out;
}

std::string ports_text(const std::vector<const kube::ContainerPort*>& ports) {
  std::string out;
  for (const auto* port : ports) {
    auto name = port->name.empty() ? "" : port->name + " ";
    out += fmt::format("{}{}{}/{}", out.empty() ? "" : ", ", name, port->containerPort,
                       protocol_or_tcp(port->protocol));
  }
  return out.empty() ? "none" : out;
}

/// How a container's ports answer to what a Service's port asks for.
enum class Match { yes, other_protocol, no, nothing_declared };
Match match(const kube::ServicePort& port, const kube::Pod& pod) {
  auto ports = declared(pod);
  const auto& target = port.targetPort;
  const bool by_name = !target.is_int();
  const int32_t number = target.number() == 0 ? port.port : target.number();
  bool other = false;
  for (const auto* have : ports) {
    if (by_name ? have->name != target.str() : have->containerPort != number) continue;
    if (protocol_or_tcp(have->protocol) == protocol_or_tcp(port.protocol)) return Match::yes;
    other = true;
  }
  if (other) return Match::other_protocol;
  // What a number leads to need not be declared; a name has to be.
  return ports.empty() && !by_name ? Match::nothing_declared : Match::no;
}

class ServiceCheck {
 public:
  ServiceCheck(const Context& context, std::string key, const kube::Service& service)
      : context_(context), key_(std::move(key)), service_(service) {}

  void run() {
    if (service_.spec.type == "ExternalName") return;
    if (service_.spec.selector.empty()) return has_slices();
    auto selected = context_.pods.selected(service_.metadata.namespace_, service_.spec.selector);
    if (selected.empty()) return selects_nobody();
    for (size_t i = 0; i < service_.spec.ports.size(); ++i) check_port(i, selected);
  }

 private:
  trace::ObjectRef at(const std::string& part) const {
    return context_.world.origins.find("Service", key_, part);
  }

  void has_slices() const {
    auto at_key = context_.world.slices.find(key_);
    if (at_key != context_.world.slices.end() && !at_key->second.empty()) return;
    context_.add("WEFT0110", Severity::note, at("spec"),
                 "it has no selector, and no EndpointSlice of these manifests is its own: it leads nowhere, "
                 "unless somebody makes one",
                 fmt::format("Select pods, or write a slice with the label kubernetes.io/service-name: {}",
                             service_.metadata.name));
  }

  void selects_nobody() const {
    if (context_.has_foreign(service_.metadata.namespace_, kube::Selector::from(service_.spec.selector)))
      return;
    auto wanted = trace::labels_text(service_.spec.selector);
    if (const auto* idle =
            trace::idle_workload(context_.world, service_.metadata.namespace_, service_.spec.selector))
      return context_.add("WEFT0102", Severity::note, at("spec.selector"),
                          fmt::format("{}, whose pods have the labels {}, has none", idle->name, wanted),
                          "Give it replicas");
    auto near =
        nearest(context_, context_.pods.kinds_in(service_.metadata.namespace_), service_.spec.selector);
    if (!near.owner.empty())
      return context_.add("WEFT0102", Severity::error, at("spec.selector"),
                          fmt::format("no pod has the labels {}; {} has {}", wanted, near.owner, near.has),
                          "Align the labels");
    for (const auto& [ns, object] : context_.world.namespaces) {
      auto elsewhere = context_.pods.selected(ns, service_.spec.selector);
      if (ns == service_.metadata.namespace_ || elsewhere.empty()) continue;
      return context_.add(
          "WEFT0102", Severity::error, at("spec.selector"),
          fmt::format("no pod of namespace {} has the labels {}; {} has them", service_.metadata.namespace_,
                      wanted, context_.pods.owner_of(*elsewhere.front())),
          "A Service selects pods of its own namespace: move one of them");
    }
    context_.add("WEFT0102", Severity::note, at("spec.selector"),
                 fmt::format("no pod of these manifests has the labels {}", wanted),
                 "Align the labels, if the pods are meant to be here");
  }

  void check_port(size_t index, const Pods& selected) const {
    const auto& port = service_.spec.ports[index];
    auto part = fmt::format("spec.ports[{}].targetPort", index);
    std::map<Match, Pods> by_match;
    for (const auto& pod : selected) by_match[match(port, *pod)].push_back(pod);
    if (by_match.contains(Match::yes)) return some_without(part, port, by_match);
    const auto& first = *by_match.begin()->second.front();
    auto have = ports_text(declared(first));
    auto owner = context_.pods.owner_of(first);
    auto target = port.targetPort.is_int() && port.targetPort.number() == 0 ? std::to_string(port.port)
                                                                            : port.targetPort.str();
    if (by_match.contains(Match::other_protocol))
      return context_.add("WEFT0106", Severity::error, at(part),
                          fmt::format("port {} is {}, but {} declares {}", target,
                                      protocol_or_tcp(port.protocol), owner, have),
                          "Give both the same protocol");
    if (by_match.contains(Match::nothing_declared)) return;
    if (port.targetPort.is_int() && !should_declare(port, selected)) return;
    if (!port.targetPort.is_int())
      return context_.add(
          "WEFT0104", Severity::error, at(part),
          fmt::format("no container of {} has a port called \"{}\": it declares {}", owner, target, have),
          "Name the container's port so, or give its number");
    context_.add("WEFT0105", Severity::warning, at(part),
                 fmt::format("port {} is none of those that {} declares: {}", target, owner, have),
                 "Give the port that the program listens on");
  }

  /// Whether the containers seem to declare all that they have: something of the protocol, and nothing that
  /// the Service leads to.
  bool should_declare(const kube::ServicePort& port, const Pods& selected) const {
    auto leads_there = [&](const kube::ServicePort& other) {
      return std::ranges::any_of(selected, [&](const auto& pod) { return match(other, *pod) == Match::yes; });
    };
    if (std::ranges::any_of(service_.spec.ports, leads_there)) return false;
    return std::ranges::any_of(selected, [&](const auto& pod) {
      return std::ranges::any_of(declared(*pod), [&](const auto* have) {
        return protocol_or_tcp(have->protocol) == protocol_or_tcp(port.protocol);
      });
    });
  }

  /// The selector is too wide when it has pods of another workload that do not have the port.
  void some_without(const std::string& part, const kube::ServicePort& port,
                    const std::map<Match, Pods>& by_match) const {
    std::set<std::string> with;
    for (const auto& pod : by_match.at(Match::yes)) with.insert(context_.pods.owner_of(*pod));
    for (auto which : {Match::no, Match::other_protocol}) {
      auto without = by_match.find(which);
      if (without == by_match.end()) continue;
      auto owner = context_.pods.owner_of(*without->second.front());
      if (with.contains(owner)) continue;
      return context_.add("WEFT0103", Severity::warning, at("spec.selector"),
                          fmt::format("it also matches {}, which does not have the port {} that {} has: part "
                                      "of the connections go there",
                                      owner, port.targetPort.str(), *with.begin()),
                          fmt::format("Narrow the selector (see {})", part));
    }
  }

  const Context& context_;
  const std::string key_;
  const kube::Service& service_;
};

std::string service_label(const json::value& slice) {
  const auto* metadata = kube::member(slice, "metadata");
  const auto* labels = metadata ? kube::member(*metadata, "labels") : nullptr;
  const auto* name = labels ? kube::member(*labels, "kubernetes.io/service-name") : nullptr;
  return name && name->is_string() ? std::string(name->get_string()) : std::string();
}

/// EndpointSlices that somebody has written for a Service, and that no Service has.
void check_slices(const Context& context) {
  for (const auto& document : context.manifests) {
    if (kube::string_at(document.value, "kind") != "EndpointSlice") continue;
    std::string ns(kube::string_at(document.value, "metadata.namespace"));
    if (ns.empty()) ns = "default";
    auto key = trace::key_of(ns, kube::string_at(document.value, "metadata.name"));
    const auto service = service_label(document.value);
    if (service.empty()) {
      context.add("WEFT0110", Severity::error,
                  context.world.origins.find("EndpointSlice", key, "metadata.labels"),
                  "it has no label kubernetes.io/service-name, so that no Service uses it",
                  "Label it with the Service's name");
    } else if (!context.world.services.contains(trace::key_of(ns, service))) {
      context.add("WEFT0110", Severity::note,
                  context.world.origins.find("EndpointSlice", key, "metadata.labels"),
                  fmt::format("there is no Service {}/{} in these manifests", ns, service),
                  "Make it, or correct the label");
    }
  }
}

/// The first pods of a StatefulSet ask for names under its Service.
void check_stateful_sets(const Context& context) {
  for (const auto& document : context.manifests) {
    if (kube::string_at(document.value, "kind") != "StatefulSet") continue;
    std::string ns(kube::string_at(document.value, "metadata.namespace"));
    if (ns.empty()) ns = "default";
    std::string name(kube::string_at(document.value, "spec.serviceName"));
    if (name.empty() || context.world.services.contains(trace::key_of(ns, name))) continue;
    auto key = trace::key_of(ns, kube::string_at(document.value, "metadata.name"));
    context.add("WEFT0101", Severity::note,
                context.world.origins.find("StatefulSet", key, "spec.serviceName"),
                fmt::format("there is no Service {}/{} in these manifests: without it its pods have no names",
                            ns, name),
                "Make it, with clusterIP: None");
  }
}

}  // namespace

void check_services(const Context& context) {
  for (const auto& [key, service] : context.world.services) {
    if (context.is_written("Service", key)) ServiceCheck(context, key, *service).run();
  }
  check_slices(context);
  check_stateful_sets(context);
}

}  // namespace weft::check
