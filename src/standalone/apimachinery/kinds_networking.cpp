#include <algorithm>

#include "base/ip.h"
#include "kube/codec.h"
#include "kube/networking.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {
namespace {

// ---- Ingress

void check_backend(FieldErrors& errors, const std::string& at, const kube::IngressBackend& backend) {
  if (backend.service && backend.resource) {
    return errors.push_back(invalid(at, "", "cannot set both resource and service backends"));
  }
  if (backend.resource) {
    const auto& resource = *backend.resource;
    auto path = child(at, "resource");
    if (resource.kind.empty()) errors.push_back(required(child(path, "kind")));
    if (resource.name.empty()) errors.push_back(required(child(path, "name")));
    return;
  }
  if (!backend.service) {
    return errors.push_back(required(at, "port name or number is required"));
  }
  const auto& service = *backend.service;
  auto path = child(at, "service");
  if (service.name.empty()) {
    errors.push_back(required(child(path, "name")));
  } else {
    check_name(errors, child(path, "name"), service.name, dns_1035_label);
  }
  auto port_at = child(path, "port");
  const auto& port = service.port;
  if (port.name.empty() && port.number == 0) {
    errors.push_back(required(port_at, "port name or number is required"));
  } else if (!port.name.empty() && port.number != 0) {
    errors.push_back(invalid(port_at, "", "cannot set both port name & port number"));
  } else if (!port.name.empty()) {
    check_name(errors, child(port_at, "name"), port.name, port_name);
  } else {
    check_port_number(errors, child(port_at, "number"), port.number);
  }
}

void check_http_path(FieldErrors& errors, const std::string& at, const kube::HTTPIngressPath& path) {
  auto path_at = child(at, "path");
  if (!path.pathType) {
    errors.push_back(required(child(at, "pathType"), "pathType must be specified"));
  } else if (*path.pathType == "Exact" || *path.pathType == "Prefix") {
    if (!path.path.starts_with('/')) {
      errors.push_back(invalid(path_at, path.path, "must be an absolute path"));
    }
    for (std::string_view bad : {"//", "/./", "/../", "%2f", "%2F"}) {
      if (path.path.find(bad) != std::string::npos) {
        errors.push_back(invalid(path_at, path.path, "must not contain '" + std::string(bad) + "'"));
      }
    }
    for (std::string_view bad : {"/..", "/."}) {
      if (path.path.ends_with(bad)) {
        errors.push_back(invalid(path_at, path.path, "cannot end with '" + std::string(bad) + "'"));
      }
    }
  } else if (*path.pathType == "ImplementationSpecific") {
    if (!path.path.empty() && !path.path.starts_with('/')) {
      errors.push_back(invalid(path_at, path.path, "must be an absolute path"));
    }
  } else {
    errors.push_back(
        not_supported(child(at, "pathType"), *path.pathType, {"Exact", "ImplementationSpecific", "Prefix"}));
  }
  check_backend(errors, child(at, "backend"), path.backend);
}

void check_host(FieldErrors& errors, const std::string& at, const std::string& host) {
  if (host.empty()) return;
  if (IpAddr::parse(host)) {
    errors.push_back(invalid(at, host, "must be a DNS name, not an IP address"));
  }
  check_name(errors, at, host, host.find('*') == std::string::npos ? dns_subdomain : wildcard_dns_subdomain);
}

void validate_ingress(FieldErrors& errors, const json::value& object) {
  auto ingress = kube::decode<kube::Ingress>(object);
  if (!ingress) return errors.push_back(invalid("", nullptr, ingress.error().message));
  const auto& spec = ingress->spec;
  if (spec.rules.empty() && !spec.defaultBackend) {
    errors.push_back(invalid("spec", json::array{}, "either `defaultBackend` or `rules` must be specified"));
  }
  if (spec.defaultBackend) check_backend(errors, "spec.defaultBackend", *spec.defaultBackend);
  for (size_t i = 0; i < spec.rules.size(); ++i) {
    const auto& rule = spec.rules[i];
    auto at = item("spec.rules", i);
    check_host(errors, child(at, "host"), rule.host);
    if (!rule.http) continue;
    auto paths_at = child(at, "http.paths");
    if (rule.http->paths.empty()) errors.push_back(required(paths_at));
    for (size_t j = 0; j < rule.http->paths.size(); ++j) {
      check_http_path(errors, item(paths_at, j), rule.http->paths[j]);
    }
  }
  for (size_t i = 0; i < spec.tls.size(); ++i) {
    auto at = item("spec.tls", i);
    for (size_t j = 0; j < spec.tls[i].hosts.size(); ++j) {
      const auto& host = spec.tls[i].hosts[j];
      check_name(errors, item(child(at, "hosts"), j), host,
                 host.find('*') == std::string::npos ? dns_subdomain : wildcard_dns_subdomain);
    }
    if (!spec.tls[i].secretName.empty()) {
      check_name(errors, child(at, "secretName"), spec.tls[i].secretName, dns_subdomain);
    }
  }
  if (spec.ingressClassName)
    check_name(errors, "spec.ingressClassName", *spec.ingressClassName, dns_subdomain);
  auto annotation = ingress->metadata.annotations.find("kubernetes.io/ingress.class");
  if (annotation != ingress->metadata.annotations.end() && spec.ingressClassName &&
      *spec.ingressClassName != annotation->second) {
    errors.push_back(invalid("annotations.kubernetes.io/ingress.class", annotation->second,
                             "must match `ingressClassName` when both are specified"));
  }
}

// ---- IngressClass

void fill_in_class(json::object& object) {
  auto* parameters = object_of(object_of(&object, "spec"), "parameters");
  if (parameters) set_default(*parameters, "scope", "Cluster");
}

void check_class_parameters(FieldErrors& errors, const kube::IngressClassParametersReference& parameters) {
  const std::string at = "spec.parameters";
  if (parameters.apiGroup) check_name(errors, child(at, "apiGroup"), *parameters.apiGroup, dns_subdomain);
  if (parameters.kind.empty()) errors.push_back(required(child(at, "kind"), "kind is required"));
  if (parameters.name.empty()) errors.push_back(required(child(at, "name"), "name is required"));
  check_name(errors, child(at, "kind"), parameters.kind, path_segment);
  check_name(errors, child(at, "name"), parameters.name, path_segment);
  auto scope = parameters.scope.value_or("Cluster");
  check_one_of(errors, child(at, "scope"), scope, {"Cluster", "Namespace"});
  auto ns = parameters.namespace_.value_or("");
  if (scope == "Namespace") {
    if (ns.empty()) {
      errors.push_back(required(child(at, "namespace"), "`parameters.scope` is set to 'Namespace'"));
    } else {
      check_name(errors, child(at, "namespace"), ns, dns_label);
    }
  } else if (!ns.empty()) {
    errors.push_back(forbidden(child(at, "namespace"), "`parameters.scope` is set to 'Cluster'"));
  }
}

void validate_class(FieldErrors& errors, const json::value& object) {
  auto ingress_class = kube::decode<kube::IngressClass>(object);
  if (!ingress_class) return errors.push_back(invalid("", nullptr, ingress_class.error().message));
  const auto& controller = ingress_class->spec.controller;
  if (controller.empty()) {
    errors.push_back(required("spec.controller"));
  } else {
    if (controller.size() > 250) errors.push_back(too_long("spec.controller", 250));
    auto slash = controller.find('/');
    if (slash == std::string::npos || slash == 0 || slash + 1 == controller.size()) {
      errors.push_back(
          invalid("spec.controller", controller, "must be a domain-prefixed path (such as \"acme.io/foo\")"));
    } else {
      check_name(errors, "spec.controller", controller.substr(0, slash), dns_subdomain);
    }
  }
  if (ingress_class->spec.parameters) check_class_parameters(errors, *ingress_class->spec.parameters);
}

void validate_class_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  auto now = kube::string_at(object, "spec.controller");
  if (now != kube::string_at(old, "spec.controller")) {
    errors.push_back(invalid("spec.controller", now, kImmutable));
  }
}

// ---- ServiceCIDR

void validate_service_cidr(FieldErrors& errors, const json::value& object) {
  auto cidr = kube::decode<kube::ServiceCIDR>(object);
  if (!cidr) return errors.push_back(invalid("", nullptr, cidr.error().message));
  const auto& cidrs = cidr->spec.cidrs;
  if (cidrs.empty()) errors.push_back(required("spec.cidrs", "at least one CIDR required"));
  if (cidrs.size() > 2)
    errors.push_back(invalid("spec.cidrs", to_json(cidrs), "may only hold up to 2 values"));
  for (size_t i = 0; i < cidrs.size(); ++i) check_cidr(errors, item("spec.cidrs", i), cidrs[i]);
}

}  // namespace

std::vector<KindRules> networking_rules() {
  constexpr std::string_view kGroup = "networking.k8s.io";
  return {{.group = kGroup, .kind = "Ingress", .generation = true, .validate = validate_ingress},
          {.group = kGroup,
           .kind = "IngressClass",
           .generation = true,
           .fill_in = fill_in_class,
           .validate = validate_class,
           .validate_update = validate_class_update},
          {.group = kGroup, .kind = "ServiceCIDR", .validate = validate_service_cidr},
          {.group = kGroup, .kind = "IPAddress"}};
}

}  // namespace weft::standalone
