#include <algorithm>
#include <set>

#include "base/ip.h"
#include "kube/codec.h"
#include "kube/service.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {
namespace {

constexpr size_t kMaxEndpoints = 1000;
constexpr size_t kMaxAddresses = 100;
constexpr size_t kMaxPorts = 20000;
constexpr size_t kMaxHints = 8;

// ---- EndpointSlice

void fill_in_slice(json::object& object) {
  auto* ports = array_of(&object, "ports");
  if (!ports) return;
  for (auto& element : *ports) {
    if (auto* port = element.if_object()) {
      set_default(*port, "name", "");
      if (text_in(*port, "protocol").empty()) (*port)["protocol"] = "TCP";
    }
  }
}

void check_slice_address(FieldErrors& errors, const std::string& at, const std::string& address,
                         std::string_view type) {
  if (type == "FQDN") {
    check_name(errors, at, address, dns_subdomain);
    if (address.find('.') == std::string::npos) {
      errors.push_back(
          invalid(at, address, "should be a domain with at least two segments separated by dots"));
    }
    return;
  }
  auto ip = IpAddr::parse(address);
  if (type == "IPv4" && (!ip || !ip->is_v4())) {
    errors.push_back(invalid(at, address, "must be a valid IPv4 address"));
  }
  if (type == "IPv6" && (!ip || !ip->is_v6())) {
    errors.push_back(invalid(at, address, "must be a valid IPv6 address"));
  }
  check_not_special_ip(errors, at, address);
}

template <class Hint>
void check_hints(FieldErrors& errors, const std::string& path, const std::vector<Hint>& hints) {
  if (hints.size() > kMaxHints) return errors.push_back(too_many(path, hints.size(), kMaxHints));
  std::set<std::string> seen;
  for (size_t i = 0; i < hints.size(); ++i) {
    auto at = child(item(path, i), "name");
    if (!seen.insert(hints[i].name).second) errors.push_back(duplicate(at, hints[i].name));
    if (hints[i].name.empty()) {
      errors.push_back(required(at));
    } else {
      check_name(errors, at, hints[i].name, dns_subdomain);
    }
  }
}

void check_endpoint(FieldErrors& errors, const std::string& at, const kube::Endpoint& endpoint,
                    std::string_view type) {
  auto addresses = child(at, "addresses");
  if (endpoint.addresses.empty()) errors.push_back(required(addresses, "must contain at least 1 address"));
  if (endpoint.addresses.size() > kMaxAddresses) {
    errors.push_back(too_many(addresses, endpoint.addresses.size(), kMaxAddresses));
  }
  for (size_t i = 0; i < endpoint.addresses.size(); ++i) {
    check_slice_address(errors, item(addresses, i), endpoint.addresses[i], type);
  }
  if (endpoint.nodeName) check_name(errors, child(at, "nodeName"), *endpoint.nodeName, dns_subdomain);
  check_labels(errors, child(at, "deprecatedTopology"), endpoint.deprecatedTopology);
  if (endpoint.hostname) check_name(errors, child(at, "hostname"), *endpoint.hostname, dns_label);
  if (!endpoint.hints) return;
  check_hints(errors, child(at, "hints.forZones"), endpoint.hints->forZones);
  check_hints(errors, child(at, "hints.forNodes"), endpoint.hints->forNodes);
}

void check_slice_ports(FieldErrors& errors, const std::vector<kube::EndpointPort>& ports) {
  if (ports.size() > kMaxPorts) return errors.push_back(too_many("ports", ports.size(), kMaxPorts));
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const auto& port = ports[i];
    auto at = item("ports", i);
    auto name = port.name.value_or("");
    if (!name.empty()) check_name(errors, child(at, "name"), name, dns_label);
    if (!names.insert(name).second) errors.push_back(duplicate(child(at, "name"), name));
    check_one_of(errors, child(at, "protocol"), port.protocol.value_or(""), {"SCTP", "TCP", "UDP"});
    if (port.appProtocol) check_name(errors, child(at, "appProtocol"), *port.appProtocol, qualified_name);
  }
}

void validate_slice(FieldErrors& errors, const json::value& object) {
  auto slice = kube::decode<kube::EndpointSlice>(object);
  if (!slice) return errors.push_back(invalid("", nullptr, slice.error().message));
  check_one_of(errors, "addressType", slice->addressType, {"FQDN", "IPv4", "IPv6"});
  if (slice->endpoints.size() > kMaxEndpoints) {
    errors.push_back(too_many("endpoints", slice->endpoints.size(), kMaxEndpoints));
  } else {
    for (size_t i = 0; i < slice->endpoints.size(); ++i) {
      check_endpoint(errors, item("endpoints", i), slice->endpoints[i], slice->addressType);
    }
  }
  check_slice_ports(errors, slice->ports);
}

void validate_slice_update(FieldErrors& errors, const json::value& object, const json::value& old) {
  auto now = kube::string_at(object, "addressType");
  if (now != kube::string_at(old, "addressType")) errors.push_back(invalid("addressType", now, kImmutable));
}

// ---- Endpoints

void check_endpoint_addresses(FieldErrors& errors, const std::string& path,
                              const std::vector<kube::EndpointAddress>& addresses) {
  for (size_t i = 0; i < addresses.size(); ++i) {
    const auto& address = addresses[i];
    auto at = item(path, i);
    check_ip(errors, child(at, "ip"), address.ip);
    check_not_special_ip(errors, child(at, "ip"), address.ip);
    if (!address.hostname.empty()) check_name(errors, child(at, "hostname"), address.hostname, dns_label);
    if (address.nodeName) check_name(errors, child(at, "nodeName"), *address.nodeName, dns_subdomain);
  }
}

void validate_endpoints(FieldErrors& errors, const json::value& object) {
  auto endpoints = kube::decode<kube::Endpoints>(object);
  if (!endpoints) return errors.push_back(invalid("", nullptr, endpoints.error().message));
  for (size_t i = 0; i < endpoints->subsets.size(); ++i) {
    const auto& subset = endpoints->subsets[i];
    auto at = item("subsets", i);
    if (subset.addresses.empty() && subset.notReadyAddresses.empty()) {
      errors.push_back(required(at, "must specify `addresses` or `notReadyAddresses`"));
    }
    check_endpoint_addresses(errors, child(at, "addresses"), subset.addresses);
    check_endpoint_addresses(errors, child(at, "notReadyAddresses"), subset.notReadyAddresses);
    for (size_t j = 0; j < subset.ports.size(); ++j) {
      const auto& port = subset.ports[j];
      auto port_at = item(child(at, "ports"), j);
      if (!port.name.empty()) {
        check_name(errors, child(port_at, "name"), port.name, dns_label);
      } else if (subset.ports.size() > 1) {
        errors.push_back(required(child(port_at, "name")));
      }
      check_port_number(errors, child(port_at, "port"), port.port);
      check_one_of(errors, child(port_at, "protocol"), port.protocol, {"SCTP", "TCP", "UDP"});
      if (port.appProtocol)
        check_name(errors, child(port_at, "appProtocol"), *port.appProtocol, qualified_name);
    }
  }
}

}  // namespace

std::vector<KindRules> endpoints_rules() {
  return {{.group = "discovery.k8s.io",
           .kind = "EndpointSlice",
           .generation = true,
           .fill_in = fill_in_slice,
           .validate = validate_slice,
           .validate_update = validate_slice_update},
          {.group = "", .kind = "Endpoints", .validate = validate_endpoints}};
}

}  // namespace weft::standalone
