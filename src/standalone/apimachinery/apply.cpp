#include "standalone/apimachinery/apply.h"

#include <fmt/core.h>

#include "standalone/apimachinery/field_set.h"

namespace weft::standalone {

namespace {

struct Entry {
  std::string manager, operation, api_version, subresource, time;
  FieldSet fields;

  bool is(const FieldManager& who, std::string_view how) const {
    return manager == who.name && operation == how && subresource == who.subresource;
  }
};

std::vector<Entry> read_entries(const json::value& object) {
  std::vector<Entry> out;
  const auto* list = kube::at_path(object, "metadata.managedFields");
  if (!list || !list->is_array()) return out;
  for (const auto& item : list->get_array()) {
    const auto* fields = kube::member(item, "fieldsV1");
    out.push_back(
        {std::string(kube::string_at(item, "manager")), std::string(kube::string_at(item, "operation")),
         std::string(kube::string_at(item, "apiVersion")), std::string(kube::string_at(item, "subresource")),
         std::string(kube::string_at(item, "time")), fields ? FieldSet::from_json(*fields) : FieldSet()});
  }
  return out;
}

void write_entries(json::value& object, const std::vector<Entry>& entries) {
  json::array out;
  for (const auto& entry : entries) {
    if (entry.fields.empty()) continue;
    json::object item{{"manager", entry.manager},        {"operation", entry.operation},
                      {"apiVersion", entry.api_version}, {"time", entry.time},
                      {"fieldsType", "FieldsV1"},        {"fieldsV1", entry.fields.to_json()}};
    if (!entry.subresource.empty()) item["subresource"] = entry.subresource;
    out.push_back(std::move(item));
  }
  auto& metadata = kube::object_at(object.as_object(), "metadata");
  if (out.empty()) {
    metadata.erase("managedFields");
  } else {
    metadata["managedFields"] = std::move(out);
  }
}

Entry& entry_of(std::vector<Entry>& entries, const FieldManager& manager, const std::string& operation) {
  for (auto& entry : entries) {
    if (entry.is(manager, operation)) return entry;
  }
  entries.push_back({manager.name, operation, manager.api_version, manager.subresource, manager.now, {}});
  return entries.back();
}

std::vector<ApplyConflict> conflicts_with(const std::vector<Entry>& entries, const FieldManager& manager,
                                          const FieldSet& wanted, const json::value& live,
                                          const json::value& config) {
  std::vector<ApplyConflict> out;
  for (const auto& entry : entries) {
    if (entry.is(manager, "Apply")) continue;
    auto shared = entry.fields.intersect(wanted).where_different(&live, &config);
    shared.each_path([&](const std::string& path) {
      auto who = entry.manager +
                 (entry.subresource.empty() ? "" : " with subresource \"" + entry.subresource + "\"");
      out.push_back({who, path});
    });
  }
  return out;
}

Error conflict_error(const std::vector<ApplyConflict>& conflicts) {
  std::string list;
  for (const auto& conflict : conflicts) {
    list +=
        fmt::format("{}conflict with \"{}\": {}", list.empty() ? "" : ", ", conflict.manager, conflict.field);
  }
  return {ErrorCode::conflict, fmt::format("Apply failed with {} conflict{}: {}", conflicts.size(),
                                           conflicts.size() == 1 ? "" : "s", list)};
}

}  // namespace

Expected<json::value> server_side_apply(const json::value& live, const json::value& config,
                                        const kube::Schema& schema, const FieldManager& manager, bool force,
                                        std::vector<ApplyConflict>& conflicts) {
  if (const auto* managed = kube::at_path(config, "metadata.managedFields"); managed && !managed->is_null()) {
    return fail(ErrorCode::bad_request, "metadata.managedFields must be nil");
  }
  auto entries = read_entries(live);
  auto wanted = FieldSet::of(config, schema);
  conflicts =
      live.is_null() ? std::vector<ApplyConflict>{} : conflicts_with(entries, manager, wanted, live, config);
  if (!conflicts.empty() && !force) return std::unexpected(conflict_error(conflicts));

  auto merged = live.is_null() ? config : merge_typed(live, config, &schema);
  auto& own = entry_of(entries, manager, "Apply");
  auto dropped = own.fields.without(wanted);
  bool changed_fields = !dropped.empty() || !wanted.without(own.fields).empty();
  for (const auto& entry : entries) {
    if (&entry != &own) dropped = dropped.without(entry.fields);
  }
  dropped.remove_from(merged);
  if (changed_fields || own.fields.empty()) own.time = manager.now;
  own.fields = wanted;
  own.api_version = manager.api_version;
  for (auto& entry : entries) {
    if (&entry == &own) continue;
    // A forced apply takes the fields that it changed away from the others.
    entry.fields = entry.fields.without(entry.fields.intersect(wanted).where_different(&live, &merged));
  }
  write_entries(merged, entries);
  return merged;
}

void track_update(const json::value& before, json::value& after, const kube::Schema& schema,
                  const FieldManager& manager) {
  auto changed = FieldSet::difference(before, after, schema);
  auto entries = read_entries(before);
  if (!changed.empty()) {
    for (auto& entry : entries) {
      if (!entry.is(manager, "Update")) entry.fields = entry.fields.without(changed);
    }
    auto& own = entry_of(entries, manager, "Update");
    own.fields = own.fields.unite(changed).existing_in(after);
    own.time = manager.now;
    own.api_version = manager.api_version;
  }
  write_entries(after, entries);
}

}  // namespace weft::standalone
