#include "ui/overlay.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace weft::ui {
namespace {

constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/// Kinds of networking have one name in one group each; versions of it are the same objects.
std::string identity(const json::value& object) {
  auto version = kube::string_at(object, "apiVersion");
  auto slash = version.find('/');
  return fmt::format("{}/{}/{}/{}", slash == version.npos ? std::string_view() : version.substr(0, slash),
                     kube::string_at(object, "kind"), kube::string_at(object, "metadata.namespace"),
                     kube::string_at(object, "metadata.name"));
}

/// `last`: what was applied before; nullptr: it is not known.
void merge(json::object& object, const json::value* last, const json::object& wanted) {
  if (last && last->is_object()) {
    for (const auto& field : last->get_object()) {
      if (!wanted.contains(field.key())) object.erase(field.key());
    }
  }
  for (const auto& field : wanted) {
    auto& now = object[field.key()];
    if (field.value().is_object() && now.is_object())
      merge(now.get_object(), last ? kube::member(*last, field.key()) : nullptr, field.value().get_object());
    else
      now = field.value();
  }
}

json::value last_applied(const json::value& object) {
  const auto* annotations = kube::at_path(object, "metadata.annotations");
  const auto* text = annotations ? kube::member(*annotations, kLastApplied) : nullptr;
  boost::system::error_code error;
  auto out = text && text->is_string() ? json::parse(text->get_string(), error) : json::value();
  return error ? json::value() : out;
}

/// "Kind/namespace/name" of the controller that owns it; empty: none.
std::string owner_of(const json::value& object) {
  const auto* owners = kube::at_path(object, "metadata.ownerReferences");
  if (!owners || !owners->is_array()) return {};
  for (const auto& owner : owners->get_array()) {
    const auto* controls = kube::member(owner, "controller");
    if (controls && controls->is_bool() && controls->get_bool())
      return fmt::format("{}/{}/{}", kube::string_at(owner, "kind"),
                         kube::string_at(object, "metadata.namespace"), kube::string_at(owner, "name"));
  }
  return {};
}

std::string name_of(const json::value& object) {
  return fmt::format("{}/{}/{}", kube::string_at(object, "kind"),
                     kube::string_at(object, "metadata.namespace"), kube::string_at(object, "metadata.name"));
}

/// Of changed workloads: their pods, and those of their ReplicaSets.
void drop_owned(std::vector<kube::YamlDocument>& objects, std::set<std::string> owners) {
  for (size_t before = 0; before != owners.size();) {
    before = owners.size();
    for (const auto& document : objects) {
      if (owners.contains(owner_of(document.value))) owners.insert(name_of(document.value));
    }
  }
  std::erase_if(objects, [&](const auto& document) { return owners.contains(owner_of(document.value)); });
}

/// What is written without a namespace is of `default`, as far as the kind has namespaces at all, which the
/// API server's rules fill in later; here only what is there already counts.
void name_namespace(json::value& object, const std::map<std::string, size_t>& known) {
  if (!kube::string_at(object, "metadata.namespace").empty() || known.contains(identity(object))) return;
  auto copy = object;
  kube::object_at(copy.as_object(), "metadata")["namespace"] = "default";
  if (known.contains(identity(copy))) object = std::move(copy);
}

}  // namespace

Expected<std::vector<kube::YamlDocument>> lay_over(std::vector<kube::YamlDocument> objects,
                                                   std::vector<kube::YamlDocument> manifests) {
  std::map<std::string, size_t> known;
  for (size_t i = 0; i < objects.size(); ++i) known[identity(objects[i].value)] = i;
  std::set<std::string> changed;
  std::vector<kube::YamlDocument> added;
  for (auto& manifest : manifests) {
    if (!manifest.value.is_object() || kube::string_at(manifest.value, "kind").empty() ||
        kube::string_at(manifest.value, "metadata.name").empty())
      return fail(ErrorCode::invalid,
                  fmt::format("{}:{}: it has no kind, or no metadata.name", manifest.file, manifest.line));
    name_namespace(manifest.value, known);
    changed.insert(name_of(manifest.value));
    auto at = known.find(identity(manifest.value));
    if (at == known.end()) {
      added.push_back(std::move(manifest));
      continue;
    }
    auto& object = objects[at->second];
    auto last = last_applied(object.value);
    merge(object.value.get_object(), &last, manifest.value.get_object());
    object.file = manifest.file;
    object.line = manifest.line;
    object.lines = std::move(manifest.lines);
  }
  drop_owned(objects, std::move(changed));
  std::ranges::move(added, std::back_inserter(objects));
  return objects;
}

}  // namespace weft::ui
