#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/ip.h"
#include "base/text.h"
#include "kube/codec.h"
#include "kube/service.h"
#include "standalone/apimachinery/kind_rules.h"
#include "standalone/apimachinery/service_rules.h"

namespace weft::standalone {

using kube::ServiceSpec;

bool is_headless(const ServiceSpec& spec) {
  return spec.clusterIPs.size() == 1 && spec.clusterIPs[0] == kNone;
}

bool externally_accessible(const ServiceSpec& spec) {
  return spec.type == kLoadBalancer || spec.type == kNodePort ||
         (spec.type == kClusterIp && !spec.externalIPs.empty());
}

bool needs_health_check(const ServiceSpec& spec) {
  return spec.type == kLoadBalancer && spec.externalTrafficPolicy == "Local";
}

namespace {

bool has_cluster_ip(const ServiceSpec& spec) {
  return spec.type == kClusterIp || spec.type == kNodePort || spec.type == kLoadBalancer;
}

// ---- defaults

void fill_in_affinity(json::object& spec) {
  if (text_in(spec, "sessionAffinity").empty()) spec["sessionAffinity"] = "None";
  if (text_in(spec, "sessionAffinity") == "None") spec.erase("sessionAffinityConfig");
  if (text_in(spec, "sessionAffinity") != "ClientIP") return;
  constexpr int kThreeHours = 10800;
  auto& config = object_in(spec, "sessionAffinityConfig");
  set_default(object_in(config, "clientIP"), "timeoutSeconds", kThreeHours);
}

void fill_in_ports(json::object& spec) {
  auto* ports = array_of(&spec, "ports");
  if (!ports) return;
  for (auto& element : *ports) {
    auto* port = element.if_object();
    if (!port) continue;
    if (text_in(*port, "protocol").empty()) (*port)["protocol"] = "TCP";
    const auto* target = port->if_contains("targetPort");
    bool absent = !target || target->is_null() || *target == json::value(0) || *target == json::value("");
    if (!absent || !port->contains("port")) continue;
    json::value same = port->at("port");
    (*port)["targetPort"] = std::move(same);
  }
}

void fill_in_service(json::object& object) {
  auto& spec = object_in(object, "spec");
  if (text_in(spec, "type").empty()) spec["type"] = kClusterIp;
  fill_in_affinity(spec);
  fill_in_ports(spec);
  std::string type(text_in(spec, "type"));
  const auto* external_ips = array_of(&spec, "externalIPs");
  bool outside = type == kNodePort || type == kLoadBalancer ||
                 (type == kClusterIp && external_ips && !external_ips->empty());
  if (outside && text_in(spec, "externalTrafficPolicy").empty()) {
    spec["externalTrafficPolicy"] = "Cluster";
  }
  if (type == kNodePort || type == kLoadBalancer || type == kClusterIp) {
    set_default(spec, "internalTrafficPolicy", "Cluster");
  }
  if (type == kLoadBalancer) set_default(spec, "allocateLoadBalancerNodePorts", true);
  auto* ways_in = array_of(object_of(object_of(&object, "status"), "loadBalancer"), "ingress");
  if (!ways_in) return;
  for (auto& element : *ways_in) {
    auto* way = element.if_object();
    if (way && is_set(*way, "ip")) set_default(*way, "ipMode", "VIP");
  }
}

// ---- changes of type

/// Takes away a field that only the old type had, if the client left it as it was.
void drop_unless_changed(json::object& spec, const json::value& old_spec, std::string_view key) {
  const auto* now = spec.if_contains(key);
  const auto* before = kube::member(old_spec, key);
  if (now && before && *now == *before) spec.erase(key);
}

void drop_node_ports(json::object& spec, const json::value& old_spec) {
  auto* ports = array_of(&spec, "ports");
  const auto* old_ports = kube::member(old_spec, "ports");
  if (!ports || !old_ports || !old_ports->is_array()) return;
  std::multiset<int64_t> now;
  std::multiset<int64_t> before;
  auto collect = [](const json::array& list, std::multiset<int64_t>& out) {
    for (const auto& port : list) {
      const auto* number = kube::member(port, "nodePort");
      if (number && number->is_int64() && number->get_int64() != 0) out.insert(number->get_int64());
    }
  };
  collect(*ports, now);
  collect(old_ports->get_array(), before);
  if (now != before) return;
  for (auto& port : *ports) {
    if (auto* fields = port.if_object()) fields->erase("nodePort");
  }
}

void prepare_service_update(json::object& object, const json::value& old) {
  auto& spec = object_in(object, "spec");
  const auto* old_spec_json = kube::member(old, "spec");
  if (!old_spec_json) return;
  auto now = kube::decode<ServiceSpec>(spec);
  auto before = kube::decode<ServiceSpec>(*old_spec_json);
  if (!now || !before) return;
  if (has_cluster_ip(*before) && !has_cluster_ip(*now)) {
    for (const auto* key : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) {
      drop_unless_changed(spec, *old_spec_json, key);
    }
  }
  auto has_node_port = [](const ServiceSpec& s) { return s.type == kNodePort || s.type == kLoadBalancer; };
  if (has_node_port(*before) && !has_node_port(*now)) drop_node_ports(spec, *old_spec_json);
  if (needs_health_check(*before) && !needs_health_check(*now)) {
    drop_unless_changed(spec, *old_spec_json, "healthCheckNodePort");
  }
  if (before->type == kLoadBalancer && now->type != kLoadBalancer) {
    drop_unless_changed(spec, *old_spec_json, "allocateLoadBalancerNodePorts");
    drop_unless_changed(spec, *old_spec_json, "loadBalancerClass");
    if (auto* status = object_of(&object, "status")) (*status)["loadBalancer"] = json::object{};
  }
  if (externally_accessible(*before) && !externally_accessible(*now)) {
    drop_unless_changed(spec, *old_spec_json, "externalTrafficPolicy");
  }
}

void prepare_service_create(json::object& object) {
  object["status"] = json::object{{"loadBalancer", json::object{}}};
}

// ---- validation

void check_ports(FieldErrors& errors, const ServiceSpec& spec) {
  std::set<std::string> names;
  std::set<std::pair<std::string, int32_t>> ports;
  std::set<std::pair<std::string, int32_t>> node_ports;
  for (size_t i = 0; i < spec.ports.size(); ++i) {
    const auto& port = spec.ports[i];
    auto at = item("spec.ports", i);
    if (!port.name.empty()) {
      check_name(errors, child(at, "name"), port.name, dns_label);
      if (!names.insert(port.name).second) errors.push_back(duplicate(child(at, "name"), port.name));
    } else if (spec.ports.size() > 1) {
      errors.push_back(required(child(at, "name")));
    }
    check_port_number(errors, child(at, "port"), port.port);
    check_one_of(errors, child(at, "protocol"), port.protocol, {"SCTP", "TCP", "UDP"});
    check_port(errors, child(at, "targetPort"), port.targetPort);
    if (port.appProtocol) check_name(errors, child(at, "appProtocol"), *port.appProtocol, qualified_name);
    if (port.nodePort != 0 && spec.type == kClusterIp) {
      errors.push_back(forbidden(child(at, "nodePort"), "may not be used when `type` is 'ClusterIP'"));
    }
    if (port.nodePort != 0 && !node_ports.emplace(port.protocol, port.nodePort).second) {
      errors.push_back(duplicate(child(at, "nodePort"), port.nodePort));
    }
    if (!ports.emplace(port.protocol, port.port).second) {
      errors.push_back(duplicate(at, json::object{{"port", port.port}, {"protocol", port.protocol}}));
    }
  }
}

void check_type(FieldErrors& errors, const ServiceSpec& spec) {
  if (spec.ports.empty() && !is_headless(spec) && spec.type != kExternalName) {
    errors.push_back(required("spec.ports"));
  }
  if ((spec.type == kLoadBalancer || spec.type == kNodePort) && is_headless(spec)) {
    errors.push_back(invalid("spec.clusterIPs[0]", kNone,
                             fmt::format("may not be set to 'None' for {} services", spec.type)));
  }
  if (spec.type == kExternalName) {
    constexpr std::string_view kNot = "may not be set for ExternalName services";
    if (!spec.clusterIPs.empty()) errors.push_back(forbidden("spec.clusterIPs", kNot));
    if (!spec.ipFamilies.empty()) errors.push_back(forbidden("spec.ipFamilies", kNot));
    if (spec.ipFamilyPolicy) errors.push_back(forbidden("spec.ipFamilyPolicy", kNot));
    std::string_view name = spec.externalName;
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty()) {
      errors.push_back(required("spec.externalName"));
    } else {
      check_name(errors, "spec.externalName", name, dns_subdomain);
    }
  }
  check_one_of(errors, "spec.type", spec.type, {kClusterIp, kExternalName, kLoadBalancer, kNodePort});
}

void check_affinity(FieldErrors& errors, const ServiceSpec& spec) {
  check_one_of(errors, "spec.sessionAffinity", spec.sessionAffinity, {"ClientIP", "None"});
  const auto& config = spec.sessionAffinityConfig;
  if (spec.sessionAffinity == "None" && config) {
    errors.push_back(
        forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"));
  }
  if (spec.sessionAffinity != "ClientIP") return;
  if (!config) {
    errors.push_back(required("spec.sessionAffinityConfig", "when session affinity type is ClientIP"));
  } else if (!config->clientIP) {
    errors.push_back(
        required("spec.sessionAffinityConfig.clientIP", "when session affinity type is ClientIP"));
  } else if (!config->clientIP->timeoutSeconds) {
    errors.push_back(required("spec.sessionAffinityConfig.clientIP.timeoutSeconds",
                              "when session affinity type is ClientIP"));
  } else if (int seconds = *config->clientIP->timeoutSeconds; seconds < 1 || seconds > 86400) {
    errors.push_back(invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds,
                             "must be greater than 0 and less than 86400"));
  }
}

void check_load_balancer(FieldErrors& errors, const kube::Service& service) {
  const auto& spec = service.spec;
  constexpr std::string_view kOnly = "may only be used when `type` is 'LoadBalancer'";
  constexpr const char* kAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";
  bool balanced = spec.type == kLoadBalancer;
  if (!spec.loadBalancerSourceRanges.empty()) {
    // Upstream names the field with a capital letter here.
    const std::string path = "spec.LoadBalancerSourceRanges";
    if (!balanced) errors.push_back(forbidden(path, kOnly));
    for (size_t i = 0; i < spec.loadBalancerSourceRanges.size(); ++i) {
      check_cidr(errors, item(path, i), trimmed(spec.loadBalancerSourceRanges[i]));
    }
  } else if (auto at = service.metadata.annotations.find(kAnnotation);
             at != service.metadata.annotations.end()) {
    auto path = keyed("metadata.annotations", kAnnotation);
    if (!balanced) errors.push_back(forbidden(path, kOnly));
    std::string_view rest = trimmed(at->second);
    while (!rest.empty()) {
      auto comma = rest.find(',');
      check_cidr(errors, path, trimmed(rest.substr(0, comma)));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  if (spec.allocateLoadBalancerNodePorts && !balanced) {
    errors.push_back(forbidden("spec.allocateLoadBalancerNodePorts", kOnly));
  }
  if (balanced && !spec.allocateLoadBalancerNodePorts) {
    errors.push_back(required("allocateLoadBalancerNodePorts"));
  }
  if (!spec.loadBalancerClass) return;
  if (balanced) {
    check_name(errors, "spec.loadBalancerClass", *spec.loadBalancerClass, qualified_name);
  } else {
    errors.push_back(forbidden("spec.loadBalancerClass", kOnly));
  }
}

void check_traffic(FieldErrors& errors, const ServiceSpec& spec) {
  if (externally_accessible(spec)) {
    check_one_of(errors, "spec.externalTrafficPolicy", spec.externalTrafficPolicy, {"Cluster", "Local"});
  } else if (!spec.externalTrafficPolicy.empty()) {
    errors.push_back(invalid("spec.externalTrafficPolicy", spec.externalTrafficPolicy,
                             "may only be set for externally-accessible services"));
  }
  const std::string health = "spec.healthCheckNodePort";
  if (!needs_health_check(spec)) {
    if (spec.healthCheckNodePort != 0) {
      errors.push_back(
          invalid(health, spec.healthCheckNodePort,
                  "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"));
    }
  } else if (spec.healthCheckNodePort == 0) {
    errors.push_back(required(health));
  } else {
    check_port_number(errors, health, spec.healthCheckNodePort);
  }
  if (spec.internalTrafficPolicy || has_cluster_ip(spec)) {
    check_one_of(errors, "spec.internalTrafficPolicy", spec.internalTrafficPolicy.value_or(""),
                 {"Cluster", "Local"});
  }
  if (spec.trafficDistribution) {
    check_one_of(errors, "spec.trafficDistribution", *spec.trafficDistribution,
                 {"PreferClose", "PreferSameNode", "PreferSameZone"});
  }
}

void validate_service(FieldErrors& errors, const json::value& object) {
  auto service = kube::decode<kube::Service>(object);
  if (!service) return errors.push_back(invalid("", nullptr, service.error().message));
  const auto& spec = service->spec;
  constexpr const char* kOldHints = "service.kubernetes.io/topology-aware-hints";
  constexpr const char* kMode = "service.kubernetes.io/topology-mode";
  const auto& annotations = service->metadata.annotations;
  auto hints = annotations.find(kOldHints);
  auto mode = annotations.find(kMode);
  if (hints != annotations.end() && mode != annotations.end() && hints->second != mode->second) {
    errors.push_back(invalid(keyed("metadata.annotations", kMode), mode->second,
                             fmt::format("must match annotations[{}] when both are specified", kOldHints)));
  }
  check_type(errors, spec);
  check_ports(errors, spec);
  check_labels(errors, "spec.selector", spec.selector);
  check_affinity(errors, spec);
  check_cluster_ips(errors, spec);
  for (size_t i = 0; i < spec.externalIPs.size(); ++i) {
    check_ip(errors, item("spec.externalIPs", i), spec.externalIPs[i]);
    check_not_special_ip(errors, item("spec.externalIPs", i), spec.externalIPs[i]);
  }
  check_load_balancer(errors, *service);
  check_traffic(errors, spec);
}

// ---- changes

constexpr std::string_view kOnceSet = "may not change once set";

/// clusterIPs or ipFamilies: the first stays; the second comes and goes with the policy.
void check_family_list(FieldErrors& errors, const std::string& path, const std::vector<std::string>& now,
                       const std::vector<std::string>& before, const ServiceSpec& spec, std::string_view what,
                       std::string_view unset) {
  if (now.size() == before.size()) {
    for (size_t i = 0; i < now.size(); ++i) {
      if (now[i] != before[i]) errors.push_back(invalid(item(path, i), to_json(now), kOnceSet));
    }
    return;
  }
  if (now.size() < before.size() && now.empty())
    errors.push_back(invalid(item(path, 0), to_json(now), unset));
  if (!now.empty() && !before.empty() && now[0] != before[0]) {
    errors.push_back(invalid(item(path, 0), to_json(now), kOnceSet));
  }
  bool released = now.size() < before.size() && now.size() == 1;
  if (released && spec.ipFamilyPolicy != "SingleStack") {
    errors.push_back(
        invalid("spec.ipFamilyPolicy", to_json(spec.ipFamilyPolicy),
                fmt::format("must be set to 'SingleStack' when releasing the secondary {}", what)));
  }
}

void validate_service_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  auto service = kube::decode<kube::Service>(object);
  auto before = kube::decode<kube::Service>(old);
  if (!service || !before) return;
  const auto& spec = service->spec;
  const auto& old_spec = before->spec;
  if (spec.type != kExternalName && old_spec.type != kExternalName) {
    bool headless = is_headless(spec);
    bool was_headless = is_headless(old_spec);
    if (!headless || !was_headless) {
      check_family_list(errors, "spec.clusterIPs", spec.clusterIPs, old_spec.clusterIPs, spec, "clusterIP",
                        "primary clusterIP can not be unset");
    }
    if (!headless && !was_headless) {
      check_family_list(errors, "spec.ipFamilies", spec.ipFamilies, old_spec.ipFamilies, spec, "ipFamily",
                        "primary ipFamily can not be unset");
    }
  }
  if (spec.type == kLoadBalancer && old_spec.type == kLoadBalancer &&
      spec.loadBalancerClass != old_spec.loadBalancerClass) {
    errors.push_back(invalid("spec.loadBalancerClass", to_json(spec.loadBalancerClass), kOnceSet));
  }
  if (needs_health_check(spec) && needs_health_check(old_spec) &&
      spec.healthCheckNodePort != old_spec.healthCheckNodePort) {
    errors.push_back(forbidden("spec.healthCheckNodePort", kImmutable));
  }
}

void validate_service_status(FieldErrors& errors, const json::value& object, const json::value&) {
  auto service = kube::decode<kube::Service>(object);
  if (!service) return errors.push_back(invalid("", nullptr, service.error().message));
  const auto& ways_in = service->status.loadBalancer.ingress;
  const std::string path = "status.loadBalancer.ingress";
  if (service->spec.type != kLoadBalancer && !ways_in.empty()) {
    return errors.push_back(forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'"));
  }
  for (size_t i = 0; i < ways_in.size(); ++i) {
    const auto& way = ways_in[i];
    auto at = item(path, i);
    if (!way.ip.empty()) check_ip(errors, child(at, "ip"), way.ip);
    if (!way.ipMode && !way.ip.empty()) {
      errors.push_back(required(child(at, "ipMode"), "must be specified when `ip` is set"));
    } else if (way.ipMode && way.ip.empty()) {
      errors.push_back(forbidden(child(at, "ipMode"), "may not be specified when `ip` is not set"));
    } else if (way.ipMode) {
      check_one_of(errors, child(at, "ipMode"), *way.ipMode, {"Proxy", "VIP"});
    }
    if (way.hostname.empty()) continue;
    check_name(errors, child(at, "hostname"), way.hostname, dns_subdomain);
    if (IpAddr::parse(way.hostname)) {
      errors.push_back(invalid(child(at, "hostname"), way.hostname, "must be a DNS name, not an IP address"));
    }
  }
}

}  // namespace

void check_cluster_ips(FieldErrors& errors, const ServiceSpec& spec) {
  if (spec.type == kExternalName) return;
  const std::string path = "spec.clusterIPs";
  const auto& ips = spec.clusterIPs;
  if (!spec.clusterIP.empty()) {
    if (ips.empty()) {
      errors.push_back(required(path));
    } else if (ips[0] != spec.clusterIP) {
      errors.push_back(invalid(path, to_json(ips), "first value must match `clusterIP`"));
    }
  } else if (!ips.empty()) {
    errors.push_back(invalid(path, to_json(ips), "must be empty when `clusterIP` is not specified"));
  }
  for (size_t i = 0; i < spec.ipFamilies.size(); ++i) {
    const auto& family = spec.ipFamilies[i];
    auto at = item("spec.ipFamilies", i);
    if (family != "IPv4" && family != "IPv6") errors.push_back(not_supported(at, family, {"IPv4", "IPv6"}));
    auto first = std::ranges::find(spec.ipFamilies, family) - spec.ipFamilies.begin();
    if (first < static_cast<ptrdiff_t>(i)) errors.push_back(duplicate(at, family));
  }
  if (spec.ipFamilyPolicy) {
    check_one_of(errors, "spec.ipFamilyPolicy", *spec.ipFamilyPolicy,
                 {"PreferDualStack", "RequireDualStack", "SingleStack"});
  }
  size_t before = errors.size();
  for (size_t i = 0; i < ips.size(); ++i) {
    if (i == 0 && ips[i] == kNone) {
      if (ips.size() > 1) {
        errors.push_back(invalid(path, to_json(ips), "'None' must be the first and only value"));
      }
    } else {
      check_ip(errors, item(path, i), ips[i]);
    }
  }
  bool bad_ips = errors.size() != before;
  if (ips.size() > 2) errors.push_back(invalid(path, to_json(ips), "may only hold up to 2 values"));
  // The rest would only be confused by addresses that are none.
  if (bad_ips || is_headless(spec)) return;
  auto is_v4 = [](const std::string& ip) { return IpAddr::parse(ip)->is_v4(); };
  if (ips.size() > 1 && is_v4(ips[0]) == is_v4(ips[1])) {
    errors.push_back(invalid(path, to_json(ips), "may specify no more than one IP for each IP family"));
  }
  for (size_t i = 0; i < std::min(ips.size(), spec.ipFamilies.size()); ++i) {
    const auto& family = spec.ipFamilies[i];
    if ((family == "IPv4" && !is_v4(ips[i])) || (family == "IPv6" && is_v4(ips[i]))) {
      errors.push_back(
          invalid(item(path, i), ips[i],
                  fmt::format("expected an {} value as indicated by `ipFamilies[{}]`", family, i)));
    }
  }
}

std::vector<KindRules> service_rules() {
  return {{.group = "",
           .kind = "Service",
           .name_rule = dns_1035_label,
           .fill_in = fill_in_service,
           .prepare_create = prepare_service_create,
           .prepare_update = prepare_service_update,
           .validate = validate_service,
           .validate_update = validate_service_update,
           .validate_status = validate_service_status}};
}

}  // namespace weft::standalone
