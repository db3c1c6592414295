#include "standalone/apimachinery/service_families.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/ip.h"
#include "standalone/apimachinery/service_rules.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {

using kube::ServiceSpec;

namespace {

bool wants_cluster_ip(const ServiceSpec& spec) {
  return spec.type == kClusterIp || spec.type == kNodePort || spec.type == kLoadBalancer;
}

bool wants_node_ports(const ServiceSpec& spec) {
  return spec.type == kNodePort || spec.type == kLoadBalancer;
}

void keep_node_ports(ServiceSpec& spec, const ServiceSpec& old) {
  std::set<int32_t> used;
  for (const auto& port : spec.ports) {
    bool had = std::ranges::any_of(old.ports, [&](const auto& o) { return o.nodePort == port.nodePort; });
    if (port.nodePort != 0 && had) used.insert(port.nodePort);
  }
  for (auto& port : spec.ports) {
    if (port.nodePort != 0) continue;
    auto before = std::ranges::find(old.ports, port.name, &kube::ServicePort::name);
    if (before == old.ports.end() || before->nodePort == 0) continue;
    if (used.insert(before->nodePort).second) port.nodePort = before->nodePort;
  }
}

std::string other_family(const std::string& family) { return family == "IPv4" ? "IPv6" : "IPv4"; }

bool is_selectorless_headless(const ServiceSpec& spec) {
  return spec.clusterIP == kNone && spec.selector.empty();
}

std::string default_policy(const ServiceSpec& spec, const ServiceSpec* old) {
  if (old && old->ipFamilyPolicy) return *old->ipFamilyPolicy;
  return is_selectorless_headless(spec) ? "RequireDualStack" : "SingleStack";
}

/// What an update may take away, by its policy.
void apply_downgrade(ServiceSpec& spec, const ServiceSpec& old, FieldErrors& errors) {
  const std::string path = "spec.ipFamilyPolicy";
  if (spec.ipFamilyPolicy == "SingleStack") {
    if (spec.clusterIPs == old.clusterIPs && spec.clusterIPs.size() > 1) spec.clusterIPs.resize(1);
    if (spec.ipFamilies == old.ipFamilies && spec.ipFamilies.size() > 1) spec.ipFamilies.resize(1);
    return;
  }
  auto reduced = [](const auto& now, const auto& before) {
    return !now.empty() && now.size() < before.size();
  };
  if (reduced(spec.clusterIPs, old.clusterIPs)) {
    errors.push_back(
        invalid(path, *spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP"));
  }
  if (reduced(spec.ipFamilies, old.ipFamilies)) {
    errors.push_back(
        invalid(path, *spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary IP family"));
  }
}

void check_single_stack(const ServiceSpec& spec, FieldErrors& errors) {
  if (spec.ipFamilyPolicy != "SingleStack") return;
  auto complain = [&](std::string_view what) {
    errors.push_back(invalid(
        "spec.ipFamilyPolicy", *spec.ipFamilyPolicy,
        fmt::format("must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified", what)));
  };
  if (spec.clusterIPs.size() == 2) complain("cluster IPs");
  if (spec.ipFamilies.size() == 2) complain("IP families");
}

void families_from_ips(ServiceSpec& spec, const std::vector<std::string>& families, FieldErrors& errors) {
  for (size_t i = 0; i < spec.clusterIPs.size() && spec.clusterIPs[i] != kNone; ++i) {
    if (i < spec.ipFamilies.size()) continue;
    std::string family = IpAddr::parse(spec.clusterIPs[i])->is_v4() ? "IPv4" : "IPv6";
    if (std::ranges::find(families, family) == families.end()) {
      errors.push_back(invalid(item("spec.clusterIPs", i), to_json(spec.clusterIPs),
                               fmt::format("{} is not configured on this cluster", family)));
    } else {
      spec.ipFamilies.push_back(family);
    }
  }
}

}  // namespace

void keep_allocated(ServiceSpec& spec, const ServiceSpec& old) {
  if (wants_cluster_ip(old) && wants_cluster_ip(spec)) {
    if (spec.clusterIP.empty()) spec.clusterIP = old.clusterIP;
    if (spec.clusterIPs.empty() && spec.clusterIP == old.clusterIP) spec.clusterIPs = old.clusterIPs;
  }
  if (wants_node_ports(old) && wants_node_ports(spec)) keep_node_ports(spec, old);
  if (needs_health_check(old) && needs_health_check(spec) && spec.healthCheckNodePort == 0) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

void sync_cluster_ips(ServiceSpec& spec, const ServiceSpec* old) {
  if (!old) {
    if (!spec.clusterIP.empty() && spec.clusterIPs.empty()) spec.clusterIPs = {spec.clusterIP};
    return;
  }
  if (!old->clusterIPs.empty() && spec.clusterIPs.empty() && old->clusterIP == spec.clusterIP) {
    spec.clusterIPs = old->clusterIPs;
  }
  if (old->clusterIP == spec.clusterIP || spec.clusterIPs != old->clusterIPs) return;
  // An old client wrote clusterIP alone.
  bool cleared = !old->clusterIP.empty() && spec.clusterIP.empty();
  spec.clusterIPs = cleared ? std::vector<std::string>{} : std::vector<std::string>{spec.clusterIP};
}

bool keeps_preferred_stack(const ServiceSpec& spec, const ServiceSpec* old) {
  return old && spec.ipFamilyPolicy == "PreferDualStack" && old->type == spec.type &&
         wants_cluster_ip(spec) && old->ipFamilyPolicy.value_or("PreferDualStack") == "PreferDualStack" &&
         spec.clusterIPs == old->clusterIPs && spec.ipFamilies == old->ipFamilies;
}

FieldErrors choose_families(ServiceSpec& spec, const ServiceSpec* old,
                            const std::vector<std::string>& families) {
  FieldErrors errors;
  if (spec.type == kExternalName || keeps_preferred_stack(spec, old)) return errors;
  if (!spec.ipFamilyPolicy) spec.ipFamilyPolicy = default_policy(spec, old);
  check_cluster_ips(errors, spec);
  if (!errors.empty()) return errors;
  if (old) apply_downgrade(spec, *old, errors);
  check_single_stack(spec, errors);
  families_from_ips(spec, families, errors);
  if (!errors.empty()) return errors;
  bool dual = spec.ipFamilyPolicy != "SingleStack";
  if (is_selectorless_headless(spec)) {
    // Somebody else fills in its endpoints: it may have families that the cluster has not.
    if (spec.ipFamilies.empty()) spec.ipFamilies = {families[0]};
    if (dual && spec.ipFamilies.size() < 2) spec.ipFamilies.push_back(other_family(spec.ipFamilies[0]));
    return errors;
  }
  if (spec.ipFamilyPolicy == "RequireDualStack" && families.size() < 2) {
    errors.push_back(invalid("spec.ipFamilyPolicy", *spec.ipFamilyPolicy,
                             "this cluster is not configured for dual-stack services"));
  }
  for (size_t i = 0; i < spec.ipFamilies.size(); ++i) {
    if (std::ranges::find(families, spec.ipFamilies[i]) != families.end()) continue;
    errors.push_back(
        invalid(item("spec.ipFamilies", i), spec.ipFamilies[i], "not configured on this cluster"));
  }
  if (!errors.empty()) return errors;
  if (spec.ipFamilies.empty()) spec.ipFamilies = {families[0]};
  if (dual && spec.ipFamilies.size() == 1 && families.size() == 2) {
    spec.ipFamilies.push_back(other_family(spec.ipFamilies[0]));
  }
  return errors;
}

}  // namespace weft::standalone
