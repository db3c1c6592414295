#include "standalone/apiserver/deletion.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace weft::standalone {
namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

bool is_core(const ServedKind& kind, std::string_view plural) {
  return kind.info.group.empty() && kind.info.plural == plural;
}

int64_t number_at(const json::value& object, std::string_view path, int64_t fallback) {
  const auto* value = kube::at_path(object, path);
  return value && value->is_int64() ? value->get_int64() : fallback;
}

bool has_items(const json::value& object, std::string_view path) {
  const auto* value = kube::at_path(object, path);
  return value && value->is_array() && !value->get_array().empty();
}

/// Only pods end gracefully: their node has to end the processes first.
int64_t grace_of(const ServedKind& kind, const json::value& object, const DeleteOptions& options) {
  if (!is_core(kind, "pods")) return 0;
  auto phase = kube::string_at(object, "status.phase");
  if (kube::string_at(object, "spec.nodeName").empty() || phase == "Succeeded" || phase == "Failed") return 0;
  int64_t own = number_at(object, "spec.terminationGracePeriodSeconds", 30);
  return std::max<int64_t>(0, options.grace_seconds.value_or(own));
}

/// The finalizers that the way of deleting asks for.
bool set_propagation(json::value& object, const std::string& propagation) {
  if (propagation.empty()) return false;
  auto& metadata = kube::object_at(object.get_object(), "metadata");
  auto before = metadata.contains("finalizers") ? metadata["finalizers"] : json::value(json::array());
  if (!before.is_array()) before = json::array();
  json::array after;
  for (const auto& finalizer : before.get_array()) {
    if (finalizer != json::value(kOrphan) && finalizer != json::value(kForeground))
      after.push_back(finalizer);
  }
  if (propagation == "Orphan") after.emplace_back(kOrphan);
  if (propagation == "Foreground") after.emplace_back(kForeground);
  if (json::value(after) == before) return false;
  metadata["finalizers"] = std::move(after);
  return true;
}

void mark_deleted(json::value& object, int64_t grace, kube::TimePoint now) {
  auto& metadata = kube::object_at(object.get_object(), "metadata");
  metadata["deletionTimestamp"] = kube::format_time(now + std::chrono::seconds(grace));
  metadata["deletionGracePeriodSeconds"] = grace;
  if (auto* generation = metadata.if_contains("generation"); generation && generation->is_int64()) {
    *generation = generation->get_int64() + 1;
  }
}

}  // namespace

bool is_deleted_for_good(const ServedKind& kind, const json::value& object) {
  if (!kube::at_path(object, "metadata.deletionTimestamp") || has_items(object, "metadata.finalizers"))
    return false;
  if (is_core(kind, "namespaces") && has_items(object, "spec.finalizers")) return false;
  return number_at(object, "metadata.deletionGracePeriodSeconds", 0) == 0;
}

Deletion plan_deletion(const ServedKind& kind, const json::value& object, const DeleteOptions& options,
                       kube::TimePoint now) {
  json::value next = object;
  bool changed = set_propagation(next, options.propagation);
  auto grace = grace_of(kind, object, options);
  if (kube::at_path(object, "metadata.deletionTimestamp")) {
    // It is on its way already; the grace period can only become shorter.
    if (grace < number_at(object, "metadata.deletionGracePeriodSeconds", 0)) {
      mark_deleted(next, grace, now);
      changed = true;
    }
  } else {
    mark_deleted(next, grace, now);
    if (is_core(kind, "namespaces")) kube::object_at(next.get_object(), "status")["phase"] = "Terminating";
    changed = true;
  }
  if (is_deleted_for_good(kind, next)) return {.erase = true};
  if (!changed) return {};
  return {.next = std::move(next)};
}

std::string failed_precondition(const json::value& object, const DeleteOptions& options) {
  auto uid = kube::string_at(object, "metadata.uid");
  if (!options.uid.empty() && options.uid != uid) {
    return fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}", options.uid,
                       uid);
  }
  auto version = kube::string_at(object, "metadata.resourceVersion");
  if (!options.resource_version.empty() && options.resource_version != version) {
    return fmt::format(
        "Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
        options.resource_version, version);
  }
  return {};
}

bool is_permanent_namespace(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kNames{"default", "kube-system", "kube-public"};
  return std::ranges::find(kNames, name) != kNames.end();
}

}  // namespace weft::standalone
