#include "standalone/apiserver/selection.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "standalone/apiserver/registry.h"

namespace weft::standalone {
namespace {

struct Selectable {
  std::string_view resource;  ///< "group/plural"
  std::string_view field;
};

/// What upstream lets each kind be selected by, beside its name and namespace.
constexpr auto kSelectable = std::to_array<Selectable>({
    {"/pods", "spec.nodeName"},
    {"/pods", "spec.restartPolicy"},
    {"/pods", "spec.schedulerName"},
    {"/pods", "spec.serviceAccountName"},
    {"/pods", "spec.hostNetwork"},
    {"/pods", "status.phase"},
    {"/pods", "status.podIP"},
    {"/pods", "status.nominatedNodeName"},
    {"/services", "spec.clusterIP"},
    {"/services", "spec.type"},
    {"/nodes", "spec.unschedulable"},
    {"/namespaces", "status.phase"},
    {"/secrets", "type"},
    {"apps/replicasets", "status.replicas"},
    {"batch/jobs", "status.successful"},
    {"/events", "involvedObject.kind"},
    {"/events", "involvedObject.namespace"},
    {"/events", "involvedObject.name"},
    {"/events", "involvedObject.uid"},
    {"/events", "involvedObject.apiVersion"},
    {"/events", "involvedObject.resourceVersion"},
    {"/events", "involvedObject.fieldPath"},
    {"/events", "reason"},
    {"/events", "reportingComponent"},
    {"/events", "source"},
    {"/events", "type"},
});

bool can_select(const ServedKind& kind, std::string_view field) {
  if (field == "metadata.name" || (field == "metadata.namespace" && kind.info.namespaced)) return true;
  auto resource = kind.store_key();
  return std::ranges::any_of(
             kSelectable,
             [&](const Selectable& one) { return one.resource == resource && one.field == field; }) ||
         std::ranges::any_of(kind.selectable_fields, [&](std::string_view path) {
           return path.size() > 1 && path.substr(1) == field;
         });
}

}  // namespace

ApiResult<Selection> Selection::parse(const ServedKind& kind, const ApiRequest& request) {
  Selection out;
  WEFT_TRY(out.labels_, kube::Selector::parse(request.param("labelSelector")));
  WEFT_TRY(out.fields_, kube::FieldSelector::parse(request.param("fieldSelector")));
  for (const auto& term : out.fields_.terms()) {
    if (can_select(kind, term.path)) continue;
    return fail(ErrorCode::bad_request,
                fmt::format("field label not supported: {} (of {})", term.path, resource_name(kind)));
  }
  return out;
}

bool Selection::matches(const json::value& object) const {
  if (name_ && kube::string_at(object, "metadata.name") != *name_) return false;
  if (!labels_.empty()) {
    static const json::object kNone;
    const auto* labels = kube::at_path(object, "metadata.labels");
    if (!labels_.matches(labels && labels->is_object() ? labels->get_object() : kNone)) return false;
  }
  return fields_.matches(object);
}

std::optional<std::string> Selection::only_name() const {
  if (name_) return name_;
  for (const auto& term : fields_.terms()) {
    if (term.equal && term.path == "metadata.name") return term.value;
  }
  return std::nullopt;
}

}  // namespace weft::standalone
