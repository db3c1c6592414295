#include <string>
#include <string_view>
#include <vector>

#include "kube/json.h"
#include "standalone/apimachinery/table_printers.h"

/// Tables of the kinds of Gateway API, with the columns of upstream's CustomResourceDefinitions.
namespace weft::standalone {
namespace {

using kube::string_at;
using Cells = std::vector<json::value>;

json::value condition_status(const json::value& object, std::string_view type) {
  for (const auto& condition : list_in(object, "status.conditions"))
    if (string_at(condition, "type") == type) return json::value(string_at(condition, "status"));
  return json::value("");
}

Cells class_cells(const json::value& object, kube::TimePoint now) {
  return {json::value(name_of(object)), json::value(string_at(object, "spec.controllerName")),
          condition_status(object, "Accepted"), json::value(age_of(object, now)),
          json::value(string_at(object, "spec.description"))};
}

Cells gateway_cells(const json::value& object, kube::TimePoint now) {
  std::vector<std::string> addresses;
  for (const auto& address : list_in(object, "status.addresses"))
    addresses.emplace_back(string_at(address, "value"));
  return {json::value(name_of(object)), json::value(string_at(object, "spec.gatewayClassName")),
          json::value(joined(addresses)), condition_status(object, "Programmed"),
          json::value(age_of(object, now))};
}

Cells set_cells(const json::value& object, kube::TimePoint now) {
  return {json::value(name_of(object)), condition_status(object, "Accepted"),
          condition_status(object, "Programmed"), json::value(age_of(object, now))};
}

Cells host_cells(const json::value& object, kube::TimePoint now) {
  const auto& hostnames = list_in(object, "spec.hostnames");
  return {json::value(name_of(object)),
          json::value(hostnames.empty() ? std::string() : json::serialize(hostnames)),
          json::value(age_of(object, now))};
}

Cells plain_cells(const json::value& object, kube::TimePoint now) {
  return {json::value(name_of(object)), json::value(age_of(object, now))};
}

}  // namespace

std::vector<Printer> gateway_printers() {
  constexpr std::string_view kGroup = "gateway.networking.k8s.io";
  std::vector<Printer> out = {
      {kGroup,
       "GatewayClass",
       {{"Name"}, {"Controller"}, {"Accepted"}, {"Age", "date"}, {"Description", "string", true}},
       class_cells},
      {kGroup, "Gateway", {{"Name"}, {"Class"}, {"Address"}, {"Programmed"}, {"Age", "date"}}, gateway_cells},
      {kGroup, "ListenerSet", {{"Name"}, {"Accepted"}, {"Programmed"}, {"Age", "date"}}, set_cells}};
  for (const auto* kind : {"HTTPRoute", "GRPCRoute"})
    out.push_back({kGroup, kind, {{"Name"}, {"Hostnames"}, {"Age", "date"}}, host_cells});
  for (const auto* kind : {"TLSRoute", "TCPRoute", "UDPRoute", "ReferenceGrant", "BackendTLSPolicy"})
    out.push_back({kGroup, kind, {{"Name"}, {"Age", "date"}}, plain_cells});
  return out;
}

}  // namespace weft::standalone
