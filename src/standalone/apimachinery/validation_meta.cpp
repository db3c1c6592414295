#include <fmt/format.h>

#include <algorithm>

#include "kube/codec.h"
#include "kube/labels.h"
#include "standalone/apimachinery/validation.h"

namespace weft::standalone {
namespace {

constexpr std::string_view kEmpty = "must not be empty";

void check_owners(FieldErrors& errors, const std::vector<kube::OwnerReference>& owners) {
  std::string controller;
  for (size_t i = 0; i < owners.size(); ++i) {
    const auto& owner = owners[i];
    auto at = item("metadata.ownerReferences", i);
    if (owner.apiVersion.empty()) {
      errors.push_back(invalid(child(at, "apiVersion"), owner.apiVersion, "version must not be empty"));
    }
    if (owner.kind.empty()) errors.push_back(invalid(child(at, "kind"), owner.kind, kEmpty));
    if (owner.name.empty()) errors.push_back(invalid(child(at, "name"), owner.name, kEmpty));
    if (owner.uid.empty()) errors.push_back(invalid(child(at, "uid"), owner.uid, kEmpty));
    if (owner.apiVersion == "v1" && owner.kind == "Event") {
      errors.push_back(
          invalid(at, json::value(kube::encode(owner)), "/v1, Kind=Event is disallowed from being an owner"));
    }
    if (!owner.controller.value_or(false)) continue;
    if (!controller.empty()) {
      json::array all;
      for (const auto& each : owners) all.emplace_back(kube::encode(each));
      errors.push_back(
          invalid("metadata.ownerReferences", all,
                  fmt::format("Only one reference can have Controller set to true. Found \"true\" in "
                              "references for {} and {}",
                              controller, owner.name)));
      return;
    }
    controller = owner.name;
  }
}

void check_finalizers(FieldErrors& errors, const std::vector<std::string>& finalizers) {
  const std::string path = "metadata.finalizers";
  bool orphan = false;
  bool foreground = false;
  for (const auto& finalizer : finalizers) {
    orphan |= finalizer == "orphan";
    foreground |= finalizer == "foregroundDeletion";
    check_name(errors, path, finalizer, qualified_name);
  }
  if (orphan && foreground) {
    errors.push_back(
        invalid(path, to_json(finalizers), "finalizer orphan and foregroundDeletion cannot be both set"));
  }
}

}  // namespace

void check_qualified_finalizers(FieldErrors& errors, const kube::ObjectMeta& metadata) {
  for (const auto& finalizer : metadata.finalizers) {
    bool standard = finalizer == "kubernetes" || finalizer == "orphan" || finalizer == "foregroundDeletion";
    if (standard || finalizer.find('/') != std::string::npos) continue;
    errors.push_back(invalid("metadata.finalizers", finalizer,
                             "name is neither a standard finalizer name nor is it fully qualified"));
  }
}

void check_metadata(FieldErrors& errors, const kube::ObjectMeta& metadata, bool namespaced,
                    NameRule name_rule) {
  if (!metadata.generateName.empty()) {
    // Random characters follow, so that a dash may end it.
    auto prefix = metadata.generateName;
    if (prefix.size() > 1 && prefix.ends_with('-')) prefix.back() = 'a';
    for (const auto& message : name_rule(prefix)) {
      errors.push_back(invalid("metadata.generateName", metadata.generateName, message));
    }
  }
  if (metadata.name.empty()) {
    errors.push_back(required("metadata.name", "name or generateName is required"));
  } else {
    check_name(errors, "metadata.name", metadata.name, name_rule);
  }
  if (namespaced) {
    if (metadata.namespace_.empty()) {
      errors.push_back(required("metadata.namespace"));
    } else {
      check_name(errors, "metadata.namespace", metadata.namespace_, dns_label);
    }
  } else if (!metadata.namespace_.empty()) {
    errors.push_back(forbidden("metadata.namespace", "not allowed on this type"));
  }
  check_not_negative(errors, "metadata.generation", metadata.generation);
  check_labels(errors, "metadata.labels", metadata.labels);
  check_annotations(errors, "metadata.annotations", metadata.annotations);
  check_owners(errors, metadata.ownerReferences);
  check_finalizers(errors, metadata.finalizers);
}

void check_metadata_update(FieldErrors& errors, const kube::ObjectMeta& metadata,
                           const kube::ObjectMeta& old) {
  auto same = [&](const char* path, const std::string& now, const std::string& before) {
    if (now != before) errors.push_back(invalid(path, now, kImmutable));
  };
  same("metadata.name", metadata.name, old.name);
  same("metadata.namespace", metadata.namespace_, old.namespace_);
  same("metadata.uid", metadata.uid, old.uid);
  same("metadata.creationTimestamp", metadata.creationTimestamp, old.creationTimestamp);
  if (!old.deletionTimestamp) return;
  std::vector<std::string> added;
  for (const auto& finalizer : metadata.finalizers) {
    if (std::ranges::find(old.finalizers, finalizer) == old.finalizers.end()) added.push_back(finalizer);
  }
  if (!added.empty()) {
    errors.push_back(
        forbidden("metadata.finalizers", fmt::format("no new finalizers can be added if the object is being "
                                                     "deleted, found new finalizers []string{{\"{}\"}}",
                                                     fmt::join(added, "\", \""))));
  }
}

}  // namespace weft::standalone
