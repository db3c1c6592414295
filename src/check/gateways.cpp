#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include "check/context.h"
#include "gateway/mesh.h"
#include "trace/hints.h"

namespace weft::check {
namespace {

constexpr auto kRoutes = {"HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"};

int64_t number_at(const json::value& value, std::string_view name) {
  const auto* found = kube::member(value, name);
  boost::system::error_code error;
  auto number = found ? found->to_number<int64_t>(error) : 0;
  return error ? 0 : number;
}

const json::array& list_at(const json::value& value, std::string_view name) {
  static const json::array kNone;
  const auto* found = kube::member(value, name);
  return found && found->is_array() ? found->get_array() : kNone;
}

std::string sentence(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

/// A Service that is named and not there.
void missing_service(const Context& context, trace::ObjectRef where, const std::string& ns,
                     const std::string& name) {
  for (const auto& [key, service] : context.world.services) {
    if (!context.is_written("Service", key)) continue;
    const auto& meta = service->metadata;
    if (meta.name == name && meta.namespace_ != ns)
      return context.add(
          "WEFT0101", Severity::error, std::move(where),
          fmt::format("there is no Service {}/{}; there is one in namespace {}", ns, name, meta.namespace_),
          "Name that namespace (a route then needs a ReferenceGrant), or move one of them");
    if (meta.namespace_ == ns && trace::distance(meta.name, name) <= 2)
      return context.add("WEFT0101", Severity::error, std::move(where),
                         fmt::format("there is no Service {}/{}; there is {}", ns, name, meta.name),
                         "Correct the name");
  }
  context.add("WEFT0101", Severity::note, std::move(where),
              fmt::format("there is no Service {}/{} in these manifests", ns, name),
              "Make it, or correct the name");
}

std::string ports_text(const kube::Service& service) {
  std::string out;
  for (const auto& port : service.spec.ports)
    out +=
        fmt::format("{}{}{}", out.empty() ? "" : ", ", port.name.empty() ? "" : port.name + " ", port.port);
  return out;
}

/// `port` by number, or by name when `name` is not empty; `protocol`: what is sent there.
void check_backend(const Context& context, const trace::ObjectRef& where, const std::string& ns,
                   const std::string& service, int64_t port, const std::string& name,
                   const std::string& protocol) {
  auto at = context.world.services.find(trace::key_of(ns, service));
  if (at == context.world.services.end()) return missing_service(context, where, ns, service);
  if (port == 0 && name.empty()) return;
  const kube::ServicePort* other = nullptr;
  for (const auto& have : at->second->spec.ports) {
    if (name.empty() ? have.port != port : have.name != name) continue;
    if (protocol_or_tcp(have.protocol) == protocol) return;
    other = &have;
  }
  if (other)
    return context.add("WEFT0106", Severity::error, where,
                       fmt::format("port {} of Service {}/{} is {}, and {} is sent there",
                                   name.empty() ? std::to_string(port) : name, ns, service,
                                   protocol_or_tcp(other->protocol), protocol),
                       "Name a port of that protocol");
  std::string target;
  for (const auto& have : at->second->spec.ports) {
    if (have.targetPort.is_int() && have.targetPort.number() == port)
      target = fmt::format("; {} is where its pods listen", port);
  }
  context.add("WEFT0107", Severity::error, where,
              fmt::format("Service {}/{} has no port {}: it has {}{}", ns, service,
                          name.empty() ? std::to_string(port) : name, ports_text(*at->second), target),
              "Name a port of the Service");
}

class RouteCheck {
 public:
  RouteCheck(const Context& context, const kube::YamlDocument& document)
      : context_(context), route_(document) {}

  void run() {
    check_backends();
    std::set<std::string> told;
    for (const auto& parent : context_.world.gateway_plan.route_parents(route_.kind, route_.key)) {
      for (const auto& condition : parent.conditions) {
        if (condition.status != "False" || !told.insert(condition.reason + condition.message).second)
          continue;
        if (condition.type == "Accepted") not_accepted(parent, condition);
        if (condition.type == "ResolvedRefs") not_resolved(condition);
      }
    }
  }

 private:
  void not_accepted(const kube::RouteParentStatus& parent, const kube::Condition& condition) const {
    const auto& reason = condition.reason;
    if (reason == "Pending") return;
    const auto& ref = parent.parentRef;
    auto ns = ref.namespace_.empty() ? route_.ns : ref.namespace_;
    if (gateway::is_service(ref) && !context_.world.services.contains(trace::key_of(ns, ref.name)))
      return missing_service(context_, route_.at(context_, "spec.parentRefs"), ns, ref.name);
    auto message = fmt::format("{} {} does not take it ({}): {}", ref.kind.value_or("Gateway"),
                               trace::key_of(ns, ref.name), reason, condition.message);
    auto fix = sentence(trace::fix_of_condition(reason));
    if (reason == "NoMatchingListenerHostname")
      return context_.add("WEFT0123", Severity::error, route_.at(context_, "spec.hostnames"), message, fix);
    const bool sure = reason == "NotAllowedByListeners" || reason == "NoMatchingParent";
    context_.add("WEFT0122", sure ? Severity::error : Severity::warning,
                 route_.at(context_, "spec.parentRefs"), message, fix);
  }

  /// Backends that are missing were looked at by themselves.
  void not_resolved(const kube::Condition& condition) const {
    if (condition.reason == "BackendNotFound") return;
    // Other implementations have backends of their own.
    const auto severity = condition.reason == "InvalidKind" ? Severity::note : Severity::error;
    context_.add("WEFT0124", severity, route_.at(context_, "spec.rules"),
                 fmt::format("{}: {}", condition.reason, condition.message),
                 sentence(trace::fix_of_condition(condition.reason)));
  }

  void check_backends() const {
    const auto* spec = kube::member(route_.document.value, "spec");
    if (!spec) return;
    const auto& rules = list_at(*spec, "rules");
    for (size_t i = 0; i < rules.size(); ++i) {
      const auto& refs = list_at(rules[i], "backendRefs");
      for (size_t j = 0; j < refs.size(); ++j) {
        auto kind = kube::string_at(refs[j], "kind");
        auto group = kube::string_at(refs[j], "group");
        if ((!kind.empty() && kind != "Service") || !group.empty()) continue;
        std::string ns(kube::string_at(refs[j], "namespace"));
        check_backend(context_, route_.at(context_, fmt::format("spec.rules[{}].backendRefs[{}]", i, j)),
                      ns.empty() ? route_.ns : ns, std::string(kube::string_at(refs[j], "name")),
                      number_at(refs[j], "port"), "", route_.kind == "UDPRoute" ? "UDP" : "TCP");
      }
    }
  }

  const Context& context_;
  const Written route_;
};

void check_ingress_backend(const Context& context, const Written& ingress, const json::value* backend,
                           const std::string& field) {
  const auto* service = backend ? kube::member(*backend, "service") : nullptr;
  if (!service) return;
  const auto* port = kube::member(*service, "port");
  check_backend(context, ingress.at(context, field), ingress.ns,
                std::string(kube::string_at(*service, "name")), port ? number_at(*port, "number") : 0,
                port ? std::string(kube::string_at(*port, "name")) : std::string(), "TCP");
}

void check_ingress(const Context& context, const kube::YamlDocument& document) {
  Written ingress(document);
  const auto* spec = kube::member(document.value, "spec");
  if (!spec) return;
  check_ingress_backend(context, ingress, kube::member(*spec, "defaultBackend"), "spec.defaultBackend");
  const auto& rules = list_at(*spec, "rules");
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto* http = kube::member(rules[i], "http");
    if (!http) continue;
    const auto& paths = list_at(*http, "paths");
    for (size_t j = 0; j < paths.size(); ++j)
      check_ingress_backend(context, ingress, kube::member(paths[j], "backend"),
                            fmt::format("spec.rules[{}].http.paths[{}].backend", i, j));
  }
}

/// Names of a kind's objects in the manifests.
std::set<std::string> names_of(const Context& context, std::string_view kind) {
  std::set<std::string> out;
  for (const auto& document : context.manifests) {
    if (kube::string_at(document.value, "kind") == kind)
      out.emplace(kube::string_at(document.value, "metadata.name"));
  }
  return out;
}

void check_class(const Context& context, const kube::YamlDocument& document, const char* field,
                 const std::set<std::string>& classes) {
  std::string wanted(kube::string_at(document.value, field));
  if (wanted.empty() || wanted == "weft" || classes.contains(wanted)) return;
  auto near =
      std::ranges::find_if(classes, [&](const auto& name) { return trace::distance(name, wanted) <= 2; });
  Written object(document);
  context.add(
      "WEFT0121", near == classes.end() ? Severity::note : Severity::error, object.at(context, field),
      fmt::format("there is no class {} in these manifests{}", wanted,
                  near == classes.end() ? "" : "; there is " + *near),
      near == classes.end() ? "Weft's is called weft; others are for other controllers" : "Correct the name");
}

/// The Secret may be elsewhere, as is usual for keys.
bool is_missing(const kube::Condition& condition) {
  return condition.message.find("is not there") != std::string::npos;
}

void check_gateway(const Context& context, const std::string& key) {
  const auto* status = context.world.gateway_plan.gateway_status(key);
  if (!status) return;
  const auto& listeners = context.world.gateways.at(key)->spec.listeners;
  for (const auto& listener : status->listeners) {
    auto index =
        std::ranges::find(listeners, listener.name, &kube::GatewayListener::name) - listeners.begin();
    auto where = context.world.origins.find("Gateway", key, fmt::format("spec.listeners[{}]", index));
    for (const auto& condition : listener.conditions) {
      auto message = fmt::format("{}: {}", condition.reason, condition.message);
      if (condition.type == "Conflicted" && condition.status == "True")
        context.add("WEFT0126", Severity::error, where, message, "Give them different ports or hostnames");
      if (condition.type != "ResolvedRefs" || condition.status != "False") continue;
      auto severity = is_missing(condition) ? Severity::note : Severity::error;
      context.add(condition.reason == "InvalidRouteKinds" ? "WEFT0122" : "WEFT0125", severity, where, message,
                  sentence(trace::fix_of_condition(condition.reason)));
    }
  }
}

}  // namespace

void check_gateways(const Context& context) {
  auto gateway_classes = names_of(context, "GatewayClass"),
       ingress_classes = names_of(context, "IngressClass");
  for (const auto& document : context.manifests) {
    auto kind = kube::string_at(document.value, "kind");
    if (std::ranges::find(kRoutes, kind) != kRoutes.end()) RouteCheck(context, document).run();
    if (kind == "Ingress") {
      check_ingress(context, document);
      check_class(context, document, "spec.ingressClassName", ingress_classes);
    }
    if (kind == "Gateway") check_class(context, document, "spec.gatewayClassName", gateway_classes);
  }
  for (const auto& [key, gateway] : context.world.gateways) check_gateway(context, key);
}

}  // namespace weft::check
