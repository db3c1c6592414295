#pragma once

#include <map>
#include <string>

#include "kube/json.h"
#include "kube/schema.h"

namespace weft::standalone {

/// A set of field paths as managedFields.fieldsV1 has it: a tree whose edges are "f:name", "k:{keys}" or
/// "v:value"; a node that is itself in the set is a member ("." in JSON, or a leaf).
class FieldSet {
 public:
  /// The fields that `value` sets, down to what the schema calls atomic. metadata's name, namespace and the
  /// like, and apiVersion and kind, are nobody's.
  static FieldSet of(const json::value& value, const kube::Schema& schema);
  /// The fields in which two objects differ (added, changed, or removed between them).
  static FieldSet difference(const json::value& before, const json::value& after, const kube::Schema& schema);
  static FieldSet from_json(const json::value& fields_v1);
  json::object to_json() const;

  bool empty() const { return !member_ && children_.empty(); }
  FieldSet unite(const FieldSet& other) const;
  FieldSet intersect(const FieldSet& other) const;
  FieldSet without(const FieldSet& other) const;

  /// Each path of the set as upstream prints it: .spec.ports[port=80,protocol="TCP"].name
  template <class Visit>
  void each_path(Visit visit, const std::string& prefix = {}) const {
    if (member_) visit(prefix);
    for (const auto& [edge, child] : children_) child.each_path(visit, prefix + print_edge(edge));
  }

  /// Removes from `value` the fields of the set; list elements and objects that the set has as members go
  /// whole.
  void remove_from(json::value& value) const;
  /// The members of the set at which two values differ.
  FieldSet where_different(const json::value* a, const json::value* b) const;
  /// Only the paths that exist in `value`.
  FieldSet existing_in(const json::value& value) const;

  bool member() const { return member_; }
  const std::map<std::string, FieldSet>& children() const { return children_; }

 private:
  void add(const json::value& value, const kube::Schema* schema, bool is_root);
  static std::string print_edge(const std::string& edge);

  bool member_ = false;
  std::map<std::string, FieldSet> children_;
};

/// Merges an applied configuration into a live object: maps by key, keyed lists by their keys, sets as sets,
/// all else replaced.
json::value merge_typed(json::value live, const json::value& applied, const kube::Schema* schema);

/// The value an edge leads to within `value`, or nullptr.
const json::value* follow(const json::value& value, const std::string& edge);

}  // namespace weft::standalone
