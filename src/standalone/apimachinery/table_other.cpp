#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "standalone/apimachinery/table_printers.h"

namespace weft::standalone {

using Cells = std::vector<json::value>;
using kube::at_path;
using kube::string_at;
using kube::TimePoint;

namespace {

size_t size_at(const json::value& object, std::string_view path) {
  const auto* value = at_path(object, path);
  const auto* map = value ? value->if_object() : nullptr;
  return map ? map->size() : 0;
}

std::string node_status(const json::value& node) {
  std::string status = "Unknown";
  for (const auto& condition : list_in(node, "status.conditions")) {
    if (string_at(condition, "type") != "Ready") continue;
    status = string_at(condition, "status") == "True" ? "Ready" : "NotReady";
  }
  if (true_at(node, "spec.unschedulable")) status += ",SchedulingDisabled";
  return status;
}

std::string node_roles(const json::value& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  const auto* labels = at_path(node, "metadata.labels");
  if (const auto* map = labels ? labels->if_object() : nullptr) {
    for (const auto& [key, value] : *map) {
      std::string_view name = key;
      if (name.starts_with(kPrefix) && name.size() > kPrefix.size())
        roles.emplace_back(name.substr(kPrefix.size()));
    }
  }
  std::ranges::sort(roles);
  return joined(roles);
}

std::string node_address(const json::value& node, std::string_view type) {
  for (const auto& address : list_in(node, "status.addresses")) {
    if (string_at(address, "type") == type) return std::string(string_at(address, "address"));
  }
  return "<none>";
}

Cells node_cells(const json::value& node, TimePoint now) {
  auto info = [&](std::string_view key) {
    return json::value(text_or(node, fmt::format("status.nodeInfo.{}", key), "<unknown>"));
  };
  return {json::value(name_of(node)),
          json::value(node_status(node)),
          json::value(node_roles(node)),
          json::value(age_of(node, now)),
          json::value(string_at(node, "status.nodeInfo.kubeletVersion")),
          json::value(node_address(node, "InternalIP")),
          json::value(node_address(node, "ExternalIP")),
          info("osImage"),
          info("kernelVersion"),
          info("containerRuntimeVersion")};
}

Cells namespace_cells(const json::value& object, TimePoint now) {
  return {json::value(name_of(object)), json::value(string_at(object, "status.phase")),
          json::value(age_of(object, now))};
}

Cells config_map_cells(const json::value& object, TimePoint now) {
  return {json::value(name_of(object)),
          static_cast<int64_t>(size_at(object, "data") + size_at(object, "binaryData")),
          json::value(age_of(object, now))};
}

Cells secret_cells(const json::value& object, TimePoint now) {
  return {json::value(name_of(object)), json::value(string_at(object, "type")),
          static_cast<int64_t>(size_at(object, "data")), json::value(age_of(object, now))};
}

Cells account_cells(const json::value& object, TimePoint now) {
  return {json::value(name_of(object)), static_cast<int64_t>(list_in(object, "secrets").size()),
          json::value(age_of(object, now))};
}

Cells lease_cells(const json::value& object, TimePoint now) {
  return {json::value(name_of(object)), json::value(string_at(object, "spec.holderIdentity")),
          json::value(age_of(object, now))};
}

std::string age_or(std::string_view time, std::string_view otherwise, TimePoint now) {
  return age_of(time.empty() ? otherwise : time, now);
}

Cells event_cells(const json::value& event, TimePoint now) {
  auto made = string_at(event, "eventTime");
  auto first = age_or(string_at(event, "firstTimestamp"), made, now);
  auto last = age_or(string_at(event, "lastTimestamp"), made, now);
  auto count = number_at(event, "count", 1);
  if (const auto* series = at_path(event, "series"); series && series->is_object()) {
    last = age_of(string_at(*series, "lastObservedTime"), now);
    count = number_at(*series, "count", 1);
  }
  auto name = string_at(event, "involvedObject.name");
  auto component = text_or(event, "source.component", string_at(event, "reportingComponent"));
  auto host = text_or(event, "source.host", string_at(event, "reportingInstance"));
  std::string_view message = string_at(event, "message");
  while (message.ends_with('\n') || message.ends_with(' ')) message.remove_suffix(1);
  return {json::value(last),
          json::value(string_at(event, "type")),
          json::value(string_at(event, "reason")),
          json::value(fmt::format("{}{}{}", lower(string_at(event, "involvedObject.kind")),
                                  name.empty() ? "" : "/", name)),
          json::value(string_at(event, "involvedObject.fieldPath")),
          json::value(host.empty() ? component : fmt::format("{}, {}", component, host)),
          json::value(message),
          json::value(first),
          std::max<int64_t>(count, 1),
          json::value(name_of(event))};
}

Cells crd_cells(const json::value& object, TimePoint) {
  return {json::value(name_of(object)), json::value(string_at(object, "metadata.creationTimestamp"))};
}

}  // namespace

std::vector<Printer> other_printers() {
  auto wide = [](std::string_view name) { return ColumnDef{name, "string", true}; };
  return {
      {"",
       "Node",
       {{"Name"},
        {"Status"},
        {"Roles"},
        {"Age"},
        {"Version"},
        wide("Internal-IP"),
        wide("External-IP"),
        wide("OS-Image"),
        wide("Kernel-Version"),
        wide("Container-Runtime")},
       node_cells},
      {"", "Namespace", {{"Name"}, {"Status"}, {"Age"}}, namespace_cells},
      {"", "ConfigMap", {{"Name"}, {"Data", "integer"}, {"Age"}}, config_map_cells},
      {"", "Secret", {{"Name"}, {"Type"}, {"Data", "integer"}, {"Age"}}, secret_cells},
      {"", "ServiceAccount", {{"Name"}, {"Secrets", "integer"}, {"Age"}}, account_cells},
      {"coordination.k8s.io", "Lease", {{"Name"}, {"Holder"}, {"Age"}}, lease_cells},
      {"",
       "Event",
       {{"Last Seen"},
        {"Type"},
        {"Reason"},
        {"Object"},
        wide("Subobject"),
        wide("Source"),
        {"Message"},
        wide("First Seen"),
        {"Count", "integer", true},
        wide("Name")},
       event_cells},
      {"apiextensions.k8s.io", "CustomResourceDefinition", {{"Name"}, {"Created At", "date"}}, crd_cells}};
}

}  // namespace weft::standalone
