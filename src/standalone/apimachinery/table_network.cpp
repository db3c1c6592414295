#include <fmt/format.h>

#include <algorithm>

#include "standalone/apimachinery/table_printers.h"

namespace weft::standalone {

using Cells = std::vector<json::value>;
using kube::at_path;
using kube::string_at;
using kube::TimePoint;

namespace {

std::vector<std::string> texts(const json::array& list, std::string_view key = {}) {
  std::vector<std::string> out;
  for (const auto& element : list) {
    if (!key.empty()) {
      out.emplace_back(string_at(element, key));
    } else if (const auto* text = element.if_string()) {
      out.emplace_back(*text);
    }
  }
  return out;
}

std::vector<std::string> balancer_addresses(const json::value& object) {
  std::vector<std::string> out;
  for (const auto& way : list_in(object, "status.loadBalancer.ingress")) {
    out.push_back(text_or(way, "ip", string_at(way, "hostname")));
  }
  return out;
}

std::string external_address(const json::value& service) {
  auto type = string_at(service, "spec.type");
  auto external = texts(list_in(service, "spec.externalIPs"));
  if (type == "ExternalName") return text_or(service, "spec.externalName", "<none>");
  if (type != "LoadBalancer") return joined(external);
  auto all = balancer_addresses(service);
  all.insert(all.end(), external.begin(), external.end());
  return all.empty() ? "<pending>" : joined(all);
}

std::string service_ports(const json::value& service) {
  std::vector<std::string> out;
  for (const auto& port : list_in(service, "spec.ports")) {
    auto number = number_at(port, "port");
    auto node_port = number_at(port, "nodePort");
    auto protocol = string_at(port, "protocol");
    out.push_back(node_port ? fmt::format("{}:{}/{}", number, node_port, protocol)
                            : fmt::format("{}/{}", number, protocol));
  }
  return joined(out);
}

Cells service_cells(const json::value& service, TimePoint now) {
  return {json::value(name_of(service)),
          json::value(string_at(service, "spec.type")),
          json::value(text_or(service, "spec.clusterIP", "<none>")),
          json::value(external_address(service)),
          json::value(service_ports(service)),
          json::value(age_of(service, now)),
          json::value(labels_text(at_path(service, "spec.selector")))};
}

Cells endpoints_cells(const json::value& endpoints, TimePoint now) {
  std::vector<std::string> all;
  for (const auto& subset : list_in(endpoints, "subsets")) {
    const auto& ports = list_in(subset, "ports");
    for (const auto& address : list_in(subset, "addresses")) {
      auto ip = std::string(string_at(address, "ip"));
      if (ports.empty()) all.push_back(ip);
      for (const auto& port : ports) {
        bool v6 = ip.find(':') != std::string::npos;
        all.push_back(fmt::format("{}{}{}:{}", v6 ? "[" : "", ip, v6 ? "]" : "", number_at(port, "port")));
      }
    }
  }
  return {json::value(name_of(endpoints)), json::value(first_few(all, 3)),
          json::value(age_of(endpoints, now))};
}

Cells slice_cells(const json::value& slice, TimePoint now) {
  std::vector<std::string> ports;
  for (const auto& port : list_in(slice, "ports")) {
    const auto* number = kube::member(port, "port");
    ports.push_back(number && number->is_int64() ? std::to_string(number->get_int64()) : "*");
  }
  std::vector<std::string> addresses;
  for (const auto& endpoint : list_in(slice, "endpoints")) {
    for (auto& address : texts(list_in(endpoint, "addresses"))) addresses.push_back(std::move(address));
  }
  auto unset = [](std::string text) { return text == "<none>" ? std::string("<unset>") : text; };
  return {json::value(name_of(slice)), json::value(string_at(slice, "addressType")),
          json::value(unset(first_few(ports, 3))), json::value(unset(first_few(addresses, 3))),
          json::value(age_of(slice, now))};
}

Cells policy_cells(const json::value& policy, TimePoint now) {
  return {json::value(name_of(policy)), json::value(selector_text(at_path(policy, "spec.podSelector"))),
          json::value(age_of(policy, now))};
}

Cells cluster_policy_cells(const json::value& policy, TimePoint now) {
  return {json::value(name_of(policy)), json::value(string_at(policy, "spec.tier")),
          json::value(std::to_string(number_at(policy, "spec.priority"))), json::value(age_of(policy, now))};
}

Cells pool_cells(const json::value& pool, TimePoint now) {
  std::string_view ready;
  for (const auto& condition : list_in(pool, "status.conditions"))
    if (string_at(condition, "type") == "Ready") ready = string_at(condition, "status");
  json::array addresses = list_in(pool, "spec.addresses");
  return {json::value(name_of(pool)),
          json::value(ready),
          json::value(true_at(pool, "spec.autoAssign")),
          json::value(number_at(pool, "status.assigned")),
          json::value(number_at(pool, "status.available")),
          json::value(json::serialize(addresses)),
          json::value(age_of(pool, now))};
}

Cells ingress_cells(const json::value& ingress, TimePoint now) {
  std::vector<std::string> hosts;
  for (const auto& rule : list_in(ingress, "spec.rules")) {
    auto host = string_at(rule, "host");
    if (!host.empty()) hosts.emplace_back(host);
  }
  auto shown = hosts.empty() ? std::string("*") : first_few(hosts, 3);
  return {json::value(name_of(ingress)),
          json::value(text_or(ingress, "spec.ingressClassName", "<none>")),
          json::value(shown),
          json::value(fmt::format("{}", fmt::join(balancer_addresses(ingress), ","))),
          json::value(list_in(ingress, "spec.tls").empty() ? "80" : "80, 443"),
          json::value(age_of(ingress, now))};
}

Cells ingress_class_cells(const json::value& object, TimePoint now) {
  std::string parameters = "<none>";
  if (const auto* reference = at_path(object, "spec.parameters"); reference && reference->is_object()) {
    auto group = string_at(*reference, "apiGroup");
    parameters = fmt::format("{}{}{}/{}", string_at(*reference, "kind"), group.empty() ? "" : ".", group,
                             string_at(*reference, "name"));
  }
  return {json::value(name_of(object)), json::value(string_at(object, "spec.controller")),
          json::value(parameters), json::value(age_of(object, now))};
}

Cells ip_address_cells(const json::value& object, TimePoint now) {
  std::string parent = "<none>";
  if (const auto* reference = at_path(object, "spec.parentRef")) {
    std::vector<std::string> parts;
    for (const char* key : {"group", "resource", "namespace", "name"}) {
      auto part = string_at(*reference, key);
      if (!part.empty()) parts.emplace_back(part);
    }
    parent = joined(parts, "/");
  }
  return {json::value(name_of(object)), json::value(parent), json::value(age_of(object, now))};
}

Cells service_cidr_cells(const json::value& object, TimePoint now) {
  return {json::value(name_of(object)), json::value(joined(texts(list_in(object, "spec.cidrs")))),
          json::value(age_of(object, now))};
}

}  // namespace

std::vector<Printer> network_printers() {
  constexpr std::string_view kGroup = "networking.k8s.io";
  return {
      {"",
       "Service",
       {{"Name"},
        {"Type"},
        {"Cluster-IP"},
        {"External-IP"},
        {"Port(s)"},
        {"Age"},
        {"Selector", "string", true}},
       service_cells},
      {"", "Endpoints", {{"Name"}, {"Endpoints"}, {"Age"}}, endpoints_cells},
      {"discovery.k8s.io",
       "EndpointSlice",
       {{"Name"}, {"AddressType"}, {"Ports"}, {"Endpoints"}, {"Age"}},
       slice_cells},
      {kGroup, "NetworkPolicy", {{"Name"}, {"Pod-Selector"}, {"Age"}}, policy_cells},
      {"policy.networking.k8s.io",
       "ClusterNetworkPolicy",
       {{"Name"}, {"Tier"}, {"Priority"}, {"Age", "date"}},
       cluster_policy_cells},
      {"weft.dev",
       "AddressPool",
       {{"Name"},
        {"Ready"},
        {"Auto", "boolean"},
        {"Assigned", "integer"},
        {"Available", "integer"},
        {"Addresses", "string", true},
        {"Age", "date"}},
       pool_cells},
      {kGroup, "Ingress", {{"Name"}, {"Class"}, {"Hosts"}, {"Address"}, {"Ports"}, {"Age"}}, ingress_cells},
      {kGroup, "IngressClass", {{"Name"}, {"Controller"}, {"Parameters"}, {"Age"}}, ingress_class_cells},
      {kGroup, "IPAddress", {{"Name"}, {"ParentRef"}, {"Age"}}, ip_address_cells},
      {kGroup, "ServiceCIDR", {{"Name"}, {"CIDRs"}, {"Age"}}, service_cidr_cells}};
}

}  // namespace weft::standalone
