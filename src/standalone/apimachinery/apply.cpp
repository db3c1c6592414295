#include "standalone/apimachinery/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "standalone/apimachinery/field_set.h"

namespace weft::standalone {
namespace {

constexpr const char* kApply = "Apply";
constexpr const char* kUpdate = "Update";

/// One entry of managedFields.
struct Entry {
  std::string manager;
  std::string operation;
  std::string api_version;
  std::string subresource;
  std::string time;
  FieldSet fields;

  bool is_apply() const { return operation == kApply; }
  /// A manager applies in one entry whatever the version, and updates in one for each.
  bool belongs_to(const FieldManager& who, std::string_view how) const {
    return manager == who.name && operation == how && subresource == who.subresource &&
           (is_apply() || api_version == who.api_version);
  }
};
using Entries = std::vector<Entry>;

Entries read_entries(const json::value& object) {
  Entries out;
  const auto* list = kube::at_path(object, "metadata.managedFields");
  if (!list || !list->is_array()) return out;
  for (const auto& each : list->get_array()) {
    const auto* fields = kube::member(each, "fieldsV1");
    auto text = [&](const char* key) { return std::string(kube::string_at(each, key)); };
    out.push_back({text("manager"), text("operation"), text("apiVersion"), text("subresource"), text("time"),
                   fields ? FieldSet::from_json(*fields) : FieldSet()});
  }
  return out;
}

/// Many hands make long lists: the oldest updates beyond ten become one entry.
void cap_updates(Entries& entries) {
  constexpr ptrdiff_t kMaxUpdates = 10;
  constexpr const char* kAncient = "ancient-changes";
  auto is_update = [](const Entry& entry) { return !entry.is_apply(); };
  auto surplus = std::ranges::count_if(entries, is_update) - kMaxUpdates;
  // The first one that moves only changes its name; each further one is a line less.
  for (auto left = surplus > 0 ? surplus + 1 : 0; left > 0; --left) {
    auto oldest = entries.end();
    for (auto at = entries.begin(); at != entries.end(); ++at) {
      if (!is_update(*at) || at->manager == kAncient) continue;
      if (oldest == entries.end() || at->time < oldest->time) oldest = at;
    }
    if (oldest == entries.end()) return;
    Entry moved = std::move(*oldest);
    entries.erase(oldest);
    auto ancient = std::ranges::find_if(entries, [&](const Entry& entry) {
      return entry.manager == kAncient && entry.api_version == moved.api_version &&
             entry.subresource == moved.subresource;
    });
    if (ancient == entries.end()) {
      moved.manager = kAncient;
      entries.push_back(std::move(moved));
    } else {
      ancient->fields = ancient->fields.unite(moved.fields);
      ancient->time = std::max(ancient->time, moved.time);
    }
  }
}

void write_entries(json::value& object, Entries entries) {
  std::erase_if(entries, [](const Entry& entry) { return entry.fields.empty(); });
  cap_updates(entries);
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::tuple(!entry.is_apply(), entry.time, entry.manager, entry.api_version, entry.subresource);
  });
  json::array out;
  for (const auto& entry : entries) {
    json::object each{{"apiVersion", entry.api_version}, {"fieldsType", "FieldsV1"}};
    each["fieldsV1"] = entry.fields.to_json();
    each["manager"] = entry.manager;
    each["operation"] = entry.operation;
    if (!entry.subresource.empty()) each["subresource"] = entry.subresource;
    if (!entry.time.empty()) each["time"] = entry.time;
    out.push_back(std::move(each));
  }
  auto& metadata = kube::object_at(object.get_object(), "metadata");
  if (out.empty()) {
    metadata.erase("managedFields");
  } else {
    metadata["managedFields"] = std::move(out);
  }
}

/// Fields that are nobody's: what names the object, what the server keeps, and what this way of writing
/// cannot change.
void strip(FieldSet& set, const FieldManager& manager) {
  set.erase_child("f:apiVersion");
  set.erase_child("f:kind");
  if (const auto* metadata = set.child("f:metadata")) {
    FieldSet kept = *metadata;
    kept.erase();
    for (const char* name : {"name", "namespace", "creationTimestamp", "selfLink", "uid", "resourceVersion",
                             "generation", "managedFields", "clusterName"}) {
      kept.erase_child(fmt::format("f:{}", name));
    }
    set.erase_child("f:metadata");
    if (!kept.empty()) set.make_child("f:metadata") = std::move(kept);
  }
  if (manager.subresource.empty() && manager.has_status) set.erase_child("f:status");
  if (manager.subresource != "status") return;
  FieldSet only;
  if (const auto* status = set.child("f:status")) only.make_child("f:status") = *status;
  set = std::move(only);
}

FieldDifference difference(const json::value& before, const json::value& after, const kube::Schema& schema,
                           const FieldManager& manager) {
  auto out = compare_fields(before, after, &schema);
  strip(out.changed, manager);
  strip(out.removed, manager);
  return out;
}

/// What a change takes from the other managers.
void take_from_others(Entries& entries, const FieldDifference& change, const Entry* own) {
  for (auto& entry : entries) {
    if (&entry != own) entry.fields = entry.fields.without(change.changed).without(change.removed);
  }
}

Entry& own_entry(Entries& entries, const FieldManager& manager, const char* operation) {
  auto at = std::ranges::find_if(entries, [&](const Entry& e) { return e.belongs_to(manager, operation); });
  if (at != entries.end()) return *at;
  entries.push_back({manager.name, operation, manager.api_version, manager.subresource, manager.now, {}});
  return entries.back();
}

std::string describe(const Entry& entry) {
  std::string out = fmt::format("\"{}\"", entry.manager);
  if (!entry.subresource.empty()) out += fmt::format(" with subresource \"{}\"", entry.subresource);
  if (!entry.is_apply()) out += fmt::format(" using {}", entry.api_version);
  return out;
}

std::vector<ApplyConflict> find_conflicts(const Entries& entries, const FieldSet& changed, const Entry& own) {
  std::vector<ApplyConflict> out;
  for (const auto& entry : entries) {
    if (&entry == &own) continue;
    for (auto& path : entry.fields.intersect(changed).paths()) {
      out.push_back({entry.manager, fmt::format("conflict with {}", describe(entry)), std::move(path)});
    }
  }
  return out;
}

Error conflict_error(const std::vector<ApplyConflict>& conflicts) {
  if (conflicts.size() == 1) {
    return {ErrorCode::conflict,
            fmt::format("Apply failed with 1 conflict: {}: {}", conflicts[0].message, conflicts[0].field)};
  }
  auto text = fmt::format("Apply failed with {} conflicts: ", conflicts.size());
  std::string current;
  for (const auto& conflict : conflicts) {
    if (conflict.message != current) {
      text += fmt::format("{}conflicts{}:", current.empty() ? "" : "\n", conflict.message.substr(8));
      current = conflict.message;
    }
    text += "\n- " + conflict.field;
  }
  return {ErrorCode::conflict, text};
}

/// managedFields as a client may send them to start anew: [], or [{}].
bool is_reset(const json::value* managed) {
  const auto* list = managed ? managed->if_array() : nullptr;
  if (!list) return false;
  if (list->empty()) return true;
  const auto* only = list->front().if_object();
  return list->size() == 1 && only && only->empty();
}

json::value without_times(json::value object) {
  auto* metadata = object.is_object() ? object.get_object().if_contains("metadata") : nullptr;
  auto* managed =
      metadata && metadata->is_object() ? metadata->get_object().if_contains("managedFields") : nullptr;
  if (!managed || !managed->is_array()) return object;
  for (auto& entry : managed->get_array()) {
    if (auto* fields = entry.if_object()) fields->erase("time");
  }
  return object;
}

}  // namespace

Expected<json::value> server_side_apply(const json::value& live, const json::value& config,
                                        const kube::Schema& schema, const FieldManager& manager, bool force,
                                        std::vector<ApplyConflict>& conflicts) {
  conflicts.clear();
  if (!config.is_object()) return fail(ErrorCode::bad_request, "an apply configuration must be an object");
  if (const auto* managed = kube::at_path(config, "metadata.managedFields"); managed && !managed->is_null()) {
    return fail(ErrorCode::bad_request, "metadata.managedFields must be nil");
  }
  WEFT_CHECK(check_list_keys(config, &schema));
  auto entries = read_entries(live);
  auto wanted = FieldSet::of(config, &schema);
  strip(wanted, manager);

  auto merged = live.is_object() ? merge_applied(live, config, &schema) : config;
  auto& own = own_entry(entries, manager, kApply);
  FieldSet last = own.fields;
  FieldSet owned = wanted;
  for (const auto& entry : entries) {
    if (&entry != &own) owned = owned.unite(entry.fields);
  }
  remove_fields(merged, last, owned, &schema);

  auto change = difference(live, merged, schema, manager);
  conflicts = find_conflicts(entries, change.changed, own);
  if (!conflicts.empty() && !force) return std::unexpected(conflict_error(conflicts));
  own.fields = std::move(wanted);
  own.api_version = manager.api_version;
  own.time = manager.now;
  take_from_others(entries, change, &own);
  write_entries(merged, std::move(entries));
  return merged;
}

void track_update(const json::value& before, json::value& after, const kube::Schema& schema,
                  const FieldManager& manager) {
  if (!after.is_object()) return;
  const auto* sent = kube::at_path(after, "metadata.managedFields");
  auto entries = is_reset(sent) ? Entries{} : read_entries(after);
  if (entries.empty() && !is_reset(sent)) entries = read_entries(before);
  auto change = difference(before, after, schema, manager);
  if (!change.changed.empty() || !change.removed.empty()) {
    auto& own = own_entry(entries, manager, kUpdate);
    take_from_others(entries, change, &own);
    own.fields = own.fields.without(change.removed).unite(change.changed);
    own.time = manager.now;
  }
  write_entries(after, std::move(entries));
}

void settle_apply(const json::value& live, json::value& applied) {
  if (live.is_object() && without_times(live) == without_times(applied)) applied = live;
}

}  // namespace weft::standalone
