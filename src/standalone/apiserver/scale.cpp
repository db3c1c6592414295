#include "standalone/apiserver/scale.h"

#include "kube/apps.h"
#include "kube/codec.h"
#include "kube/selector.h"
#include "standalone/apiserver/registry.h"

namespace weft::standalone {
namespace {

/// ".spec.replicas" → "spec.replicas"
std::string_view path_of(const std::string& path) {
  return std::string_view(path).substr(path.starts_with('.'));
}

int64_t number_at(const json::value& object, const std::string& path) {
  const auto* value = kube::at_path(object, path_of(path));
  return value && value->is_int64() ? value->get_int64() : 0;
}

/// In its string form: of a custom kind where its paths say, of the built-in ones from spec.selector.
std::string selector_of(const ServedKind& kind, const json::value& object) {
  if (kind.custom) return std::string(kube::string_at(object, path_of(kind.scale->label_selector)));
  const auto* selector = kube::at_path(object, "spec.selector");
  if (!selector) return {};
  auto typed = kube::decode<kube::LabelSelector>(*selector);
  if (!typed) return {};
  auto parsed = kube::Selector::from(*typed);
  return parsed ? parsed->str() : std::string();
}

}  // namespace

json::object scale_of(const ServedKind& kind, const json::value& object) {
  json::object metadata;
  for (const char* key : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"}) {
    const auto* value = kube::member(*kube::member(object, "metadata"), key);
    if (value) metadata[key] = *value;
  }
  json::object status{{"replicas", number_at(object, kind.scale->status_replicas)}};
  if (auto selector = selector_of(kind, object); !selector.empty()) status["selector"] = selector;
  return {{"kind", "Scale"},
          {"apiVersion", "autoscaling/v1"},
          {"metadata", std::move(metadata)},
          {"spec", {{"replicas", number_at(object, kind.scale->spec_replicas)}}},
          {"status", std::move(status)}};
}

ApiResult<json::value> with_scale(const ServedKind& kind, const json::value& object,
                                  const json::value& scale) {
  const auto* replicas = kube::at_path(scale, "spec.replicas");
  if (replicas && (!replicas->is_int64() || replicas->get_int64() < 0)) {
    return std::unexpected(
        invalid_failure(kind, std::string(kube::string_at(object, "metadata.name")),
                        {invalid("spec.replicas", *replicas, "must be greater than or equal to 0")}));
  }
  json::value next = object;
  std::string path(path_of(kind.scale->spec_replicas));
  auto dot = path.rfind('.');
  auto& parent =
      dot == std::string::npos ? next.get_object() : kube::object_at(next.get_object(), path.substr(0, dot));
  parent[path.substr(dot == std::string::npos ? 0 : dot + 1)] = replicas ? *replicas : json::value(0);
  auto version = kube::string_at(scale, "metadata.resourceVersion");
  if (!version.empty()) kube::object_at(next.get_object(), "metadata")["resourceVersion"] = version;
  return next;
}

const ServedKind& scale_kind() {
  static const ServedKind kind{.info = kube::resource_of<kube::Scale>(),
                               .list_kind = "ScaleList",
                               .schema = kube::schema_of<kube::Scale>(),
                               .storage_version = "autoscaling/v1"};
  return kind;
}

}  // namespace weft::standalone
