#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "kube/codec.h"
#include "kube/gateway.h"
#include "kube/gateway_policy.h"
#include "standalone/apimachinery/crd_schema.h"
#include "standalone/apimachinery/gateway_schema.h"
#include "standalone/apimachinery/kind_rules.h"

/// GatewayClass, Gateway, ListenerSet, ReferenceGrant and BackendTLSPolicy are refused as a cluster refuses
/// them that has the CustomResourceDefinitions of Gateway API v1.6: what the schema says, then its CEL rules.
namespace weft::standalone {
namespace {

using namespace gateway_schema;

constexpr const char* kControllerName =
    R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$)";
constexpr const char* kProtocol = R"(^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?)"
                                  R"((\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9]+$)";

kube::SchemaPtr of_spec(json::object spec) {
  return rules_schema(fields({{"spec", std::move(spec)}}, {"spec"}));
}

json::object namespaces(json::array from) {
  return fields({{"namespaces", fields({{"from", choice(std::move(from))}})}});
}

json::object listeners() {
  auto allowed = namespaces({"All", "Selector", "Same"});
  allowed["properties"].as_object()["kinds"] =
      list_of(fields({{"group", group()}, {"kind", kind()}}, {"kind"}), 8);
  auto tls = fields({{"mode", choice({"Terminate", "Passthrough"})},
                     {"certificateRefs", list_of(reference({"name"}), 64)},
                     {"options", json::object{{"maxProperties", 16}}}});
  return list_of(fields({{"name", section()},
                         {"hostname", hostname()},
                         {"port", port()},
                         {"protocol", text(1, 255, kProtocol)},
                         {"tls", std::move(tls)},
                         {"allowedRoutes", std::move(allowed)}},
                        {"name", "port", "protocol"}),
                 64, 1);
}

json::object frontend_tls() {
  auto validation = fields({{"caCertificateRefs", list_of(reference({"group", "kind", "name"}), 16, 1)},
                            {"mode", choice({"AllowValidOnly", "AllowInsecureFallback"})}},
                           {"caCertificateRefs"});
  return fields({{"validation", std::move(validation)}});
}

const kube::Schema& class_schema() {
  static const auto schema = of_spec(fields({{"controllerName", text(1, 253, kControllerName)},
                                             {"description", text(0, 64)},
                                             {"parametersRef", reference({"group", "kind", "name"})}},
                                            {"controllerName"}));
  return *schema;
}

const kube::Schema& gateway_rules_schema() {
  static const auto schema = [] {
    auto per_port = list_of(fields({{"port", port()}, {"tls", frontend_tls()}}, {"port", "tls"}), 64);
    auto tls = fields(
        {{"backend", fields({{"clientCertificateRef", reference({"name"})}})},
         {"frontend", fields({{"default", frontend_tls()}, {"perPort", std::move(per_port)}}, {"default"})}});
    auto infrastructure = fields({{"labels", json::object{{"maxProperties", 8}}},
                                  {"annotations", json::object{{"maxProperties", 16}}},
                                  {"parametersRef", reference({"group", "kind", "name"})}});
    return of_spec(
        fields({{"gatewayClassName", name()},
                {"listeners", listeners()},
                {"addresses", list_of(fields({{"type", text(1, 253)}, {"value", text(0, 253)}}), 16)},
                {"infrastructure", std::move(infrastructure)},
                {"allowedListeners", namespaces({"All", "Selector", "Same", "None"})},
                {"defaultScope", choice({"All", "None"})},
                {"tls", std::move(tls)}},
               {"gatewayClassName", "listeners"}));
  }();
  return *schema;
}

const kube::Schema& set_schema() {
  static const auto schema = of_spec(
      fields({{"parentRef", reference({"name"})}, {"listeners", listeners()}}, {"parentRef", "listeners"}));
  return *schema;
}

const kube::Schema& grant_schema() {
  static const auto schema = of_spec(fields(
      {{"from", list_of(fields({{"group", group()}, {"kind", kind()}, {"namespace", namespace_()}},
                               {"group", "kind", "namespace"}),
                        16, 1)},
       {"to",
        list_of(fields({{"group", group()}, {"kind", kind()}, {"name", name()}}, {"group", "kind"}), 16, 1)}},
      {"from", "to"}));
  return *schema;
}

const kube::Schema& policy_schema() {
  static const auto schema = [] {
    auto target = fields({{"group", group()}, {"kind", kind()}, {"name", name()}, {"sectionName", section()}},
                         {"group", "kind", "name"});
    auto san = fields(
        {{"type", choice({"Hostname", "URI"})}, {"hostname", hostname()}, {"uri", text(1, 253)}}, {"type"});
    auto host = text(1, 253, R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)");
    auto validation = fields({{"caCertificateRefs", list_of(reference({"group", "kind", "name"}), 8)},
                              {"wellKnownCACertificates", text(1, 253)},
                              {"hostname", std::move(host)},
                              {"subjectAltNames", list_of(std::move(san), 5)}},
                             {"hostname"});
    return of_spec(fields({{"targetRefs", list_of(std::move(target), 16, 1)},
                           {"validation", std::move(validation)},
                           {"options", json::object{{"maxProperties", 16}}}},
                          {"targetRefs", "validation"}));
  }();
  return *schema;
}

template <class T>
std::optional<T> read(FieldErrors& errors, const json::value& object) {
  auto decoded = kube::decode<T>(object);
  if (!decoded) errors.push_back(invalid("", nullptr, decoded.error().message));
  return decoded ? std::optional(std::move(*decoded)) : std::nullopt;
}

bool is_plain(const std::string& protocol) {
  return protocol == "HTTP" || protocol == "TCP" || protocol == "UDP";
}

void check_tls(FieldErrors& errors, const std::string& path, const kube::GatewayListener& listener) {
  const auto& tls = listener.tls;
  if (is_plain(listener.protocol) && tls)
    broken(errors, path, "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']");
  if (listener.protocol == "HTTPS" && tls && tls->mode.value_or("Terminate") != "Terminate")
    broken(errors, path, "tls mode must be Terminate for protocol HTTPS");
  if (listener.protocol == "TLS" && !(tls && tls->mode))
    broken(errors, path, "tls mode must be set for protocol TLS");
  if (tls && tls->mode.value_or("Terminate") == "Terminate" && tls->certificateRefs.empty() &&
      tls->options.empty())
    broken(errors, path, "certificateRefs or options must be specified when mode is Terminate");
}

void check_listeners(FieldErrors& errors, const std::vector<kube::GatewayListener>& listeners) {
  std::set<std::string> names;
  std::set<std::tuple<int32_t, std::string, std::string>> places;
  for (const auto& listener : listeners) {
    check_tls(errors, "spec.listeners", listener);
    bool by_port = listener.protocol == "TCP" || listener.protocol == "UDP";
    if (by_port && !listener.hostname.empty())
      broken(errors, "spec.listeners", "hostname must not be specified for protocols ['TCP', 'UDP']");
    if (!names.insert(listener.name).second)
      broken(errors, "spec.listeners", "Listener name must be unique within the Gateway");
    if (!places.emplace(listener.port, listener.protocol, listener.hostname).second)
      broken(errors, "spec.listeners",
             "Combination of port, protocol and hostname must be unique for each listener");
  }
}

void validate_class(FieldErrors& errors, const json::value& object) { check(errors, object, class_schema()); }

void validate_class_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  const auto* now = kube::at_path(object, "spec.controllerName");
  const auto* before = kube::at_path(old, "spec.controllerName");
  if (now && before && *now != *before)
    errors.push_back(invalid("spec.controllerName", *now, "Value is immutable"));
}

void validate_gateway(FieldErrors& errors, const json::value& object) {
  if (!check(errors, object, gateway_rules_schema())) return;
  auto gateway = read<kube::Gateway>(errors, object);
  if (!gateway) return;
  check_listeners(errors, gateway->spec.listeners);
  std::set<std::pair<std::string, std::string>> addresses;
  for (const auto& address : gateway->spec.addresses) {
    auto type = address.type.value_or("IPAddress");
    if (!address.value.empty() && !addresses.emplace(type, address.value).second)
      broken(errors, "spec.addresses", type + " values must be unique");
  }
  if (!gateway->spec.tls || !gateway->spec.tls->frontend) return;
  std::set<int32_t> ports;
  for (const auto& one : gateway->spec.tls->frontend->perPort) {
    if (!ports.insert(one.port).second)
      broken(errors, "spec.tls.frontend.perPort",
             "Port for TLS configuration must be unique within the Gateway");
  }
}

void validate_set(FieldErrors& errors, const json::value& object) {
  if (!check(errors, object, set_schema())) return;
  if (auto set = read<kube::ListenerSet>(errors, object)) check_listeners(errors, set->spec.listeners);
}

void validate_grant(FieldErrors& errors, const json::value& object) { check(errors, object, grant_schema()); }

void check_targets(FieldErrors& errors, const std::vector<kube::PolicyTargetReference>& targets) {
  std::map<std::tuple<std::string, std::string, std::string>, std::set<std::string>> sections;
  for (const auto& target : targets) {
    auto& known = sections[{target.group, target.kind, target.name}];
    auto section = target.sectionName.value_or("");
    if (!known.empty() && (known.contains("") || section.empty()) && !(known.contains("") && section.empty()))
      broken(
          errors, "spec.targetRefs",
          "sectionName must be specified when targetRefs includes 2 or more references to the same target");
    if (!known.insert(section).second)
      broken(errors, "spec.targetRefs",
             "sectionName must be unique when targetRefs includes 2 or more references to the same target");
  }
}

void validate_policy(FieldErrors& errors, const json::value& object) {
  if (!check(errors, object, policy_schema())) return;
  auto policy = read<kube::BackendTLSPolicy>(errors, object);
  if (!policy) return;
  check_targets(errors, policy->spec.targetRefs);
  const auto& validation = policy->spec.validation;
  bool own = !validation.caCertificateRefs.empty();
  bool known = validation.wellKnownCACertificates.has_value();
  if (own && known)
    broken(errors, "spec.validation", "must not contain both CACertificateRefs and WellKnownCACertificates");
  if (!own && !known)
    broken(errors, "spec.validation", "must specify either CACertificateRefs or WellKnownCACertificates");
  for (size_t i = 0; i < validation.subjectAltNames.size(); ++i) {
    const auto& one = validation.subjectAltNames[i];
    if ((one.type == "Hostname") == one.hostname.empty() || (one.type == "URI") == one.uri.empty())
      broken(errors, item("spec.validation.subjectAltNames", i),
             "hostname must be set with type Hostname, uri with type URI, and neither otherwise");
  }
}

}  // namespace

std::vector<KindRules> gateway_rules() {
  constexpr std::string_view kGroup = "gateway.networking.k8s.io";
  return {{.group = kGroup,
           .kind = "GatewayClass",
           .generation = true,
           .validate = validate_class,
           .validate_update = validate_class_update},
          {.group = kGroup, .kind = "Gateway", .generation = true, .validate = validate_gateway},
          {.group = kGroup, .kind = "ListenerSet", .generation = true, .validate = validate_set},
          {.group = kGroup, .kind = "ReferenceGrant", .generation = true, .validate = validate_grant},
          {.group = kGroup, .kind = "BackendTLSPolicy", .generation = true, .validate = validate_policy}};
}

}  // namespace weft::standalone
