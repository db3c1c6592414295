#pragma once

#include <string_view>

#include "kube/json.h"
#include "standalone/apimachinery/field_error.h"
#include "standalone/apimachinery/validation.h"

/// The rules of each built-in kind beyond its schema, as kinds.cpp calls them.
namespace weft::standalone {

struct KindRules {
  std::string_view group;
  std::string_view kind;
  NameRule name_rule = dns_subdomain;
  bool generation = false;
  /// A client may set the status of a new object: a node tells it when it registers.
  bool status_at_create = false;
  /// Defaults that depend on other fields; after the schema's own.
  void (*fill_in)(json::object& object) = nullptr;
  /// After status was dropped.
  void (*prepare_create)(json::object& object) = nullptr;
  /// After metadata and status were taken over from `old`; not for subresources.
  void (*prepare_update)(json::object& object, const json::value& old) = nullptr;
  /// What is wrong besides metadata.
  void (*validate)(FieldErrors& errors, const json::value& object) = nullptr;
  /// What may not change; after `validate`.
  void (*validate_update)(FieldErrors& errors, const json::value& object, const json::value& old) = nullptr;
  void (*validate_status)(FieldErrors& errors, const json::value& object, const json::value& old) = nullptr;
};

/// The tables of the groups of kinds.
std::vector<KindRules> service_rules();
std::vector<KindRules> endpoints_rules();
std::vector<KindRules> pod_rules();
std::vector<KindRules> apps_rules();
std::vector<KindRules> networking_rules();
std::vector<KindRules> policy_rules();
std::vector<KindRules> cluster_policy_rules();
std::vector<KindRules> pool_rules();
std::vector<KindRules> gateway_rules();
std::vector<KindRules> gateway_route_rules();
std::vector<KindRules> config_rules();
std::vector<KindRules> crd_rules();

/// The member of an object, made as an object when it is not one.
json::object& object_in(json::object& parent, std::string_view key);
/// The member if it is an object or list; nullptr otherwise.
json::object* object_of(json::object* parent, std::string_view key);
json::array* array_of(json::object* parent, std::string_view key);
/// Sets a member that is absent (or null).
void set_default(json::object& object, std::string_view key, json::value value);
bool is_set(const json::object& object, std::string_view key);
/// The string of a member, or "". The view lives as long as the member. (Not kube::string_at: it would look
/// at a copy.)
std::string_view text_in(const json::object& object, std::string_view key);

/// Defaults of a pod's spec, in a Pod or a template.
void fill_in_pod_spec(json::object& spec);
/// The rules of a template's metadata and spec.
void check_pod_template(FieldErrors& errors, const json::value& pod_template, const std::string& path);

}  // namespace weft::standalone
