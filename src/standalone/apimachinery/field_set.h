#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/json.h"
#include "kube/schema.h"

namespace weft::standalone {

/// A set of field paths, as managedFields.fieldsV1 has it: a tree whose edges are "f:name" (a field or map
/// key), "k:{keys}" (an element of a keyed list) or "v:value" (of a set). A node is a member of the set or
/// only on the way to members below it.
class FieldSet {
 public:
  static FieldSet from_json(const json::value& fields_v1);
  json::object to_json() const;

  /// The fields that `value` sets, down to what the schema calls atomic.
  static FieldSet of(const json::value& value, const kube::Schema* schema);

  bool empty() const { return !member_ && children_.empty(); }
  FieldSet unite(const FieldSet& other) const;
  FieldSet intersect(const FieldSet& other) const;
  FieldSet without(const FieldSet& other) const;
  bool operator==(const FieldSet&) const = default;

  /// The members as upstream prints them: .spec.ports[port=80,protocol="TCP"].name
  std::vector<std::string> paths() const;

  bool member() const { return member_; }
  const std::map<std::string, FieldSet>& children() const { return children_; }
  /// nullptr when there is none.
  const FieldSet* child(const std::string& edge) const;
  FieldSet& make_child(const std::string& edge) { return children_[edge]; }
  void insert() { member_ = true; }
  void erase() { member_ = false; }
  void erase_child(const std::string& edge) { children_.erase(edge); }

 private:
  void collect_paths(const std::string& prefix, std::vector<std::string>& out) const;
  void drop_empty();

  bool member_ = false;
  std::map<std::string, FieldSet> children_;
};

/// What differs between two values.
struct FieldDifference {
  FieldSet changed;  ///< added or modified
  FieldSet removed;
};
FieldDifference compare_fields(const json::value& before, const json::value& after,
                               const kube::Schema* schema);

/// Merges an applied configuration into a live value: objects and maps by key, keyed lists by their keys,
/// sets as sets; what is atomic is replaced.
json::value merge_applied(const json::value& live, const json::value& applied, const kube::Schema* schema);

/// Removes from `value` what `last` has and `owned` has not (neither it nor anything below it).
void remove_fields(json::value& value, const FieldSet& last, const FieldSet& owned,
                   const kube::Schema* schema);

/// Fails when an element of a keyed list lacks a key, or two have the same, or a set has a value twice.
Expected<void> check_list_keys(const json::value& value, const kube::Schema* schema,
                               const std::string& path = {});

}  // namespace weft::standalone
