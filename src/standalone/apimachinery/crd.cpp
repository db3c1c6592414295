#include "standalone/apimachinery/crd.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "kube/codec.h"
#include "kube/meta.h"
#include "kube/shapes.h"
#include "standalone/apimachinery/crd_schema.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {

using kube::at_path;
using kube::member;
using kube::Schema;
using kube::SchemaPtr;
using kube::string_at;

namespace {

constexpr const char* kGroup = "apiextensions.k8s.io";

bool is_true(const json::value& value, std::string_view key) {
  const auto* flag = member(value, key);
  return flag && flag->is_bool() && flag->get_bool();
}

const json::array& list_at(const json::value& value, std::string_view path) {
  static const json::array none;
  const auto* found = at_path(value, path);
  return found && found->is_array() ? found->get_array() : none;
}

std::vector<std::string> strings_at(const json::value& value, std::string_view path) {
  std::vector<std::string> out;
  for (const auto& element : list_at(value, path)) {
    if (const auto* text = element.if_string()) out.emplace_back(*text);
  }
  return out;
}

/// "stable.example.com" as "com.example.stable", as names of OpenAPI definitions start.
std::string reversed(std::string_view group) {
  std::string out;
  while (!group.empty()) {
    auto dot = group.rfind('.');
    out +=
        (out.empty() ? "" : ".") + std::string(dot == std::string_view::npos ? group : group.substr(dot + 1));
    group = dot == std::string_view::npos ? std::string_view() : group.substr(0, dot);
  }
  return out;
}

Schema::Field field(std::string_view name, SchemaPtr schema, std::string_view doc = {}, bool needed = false) {
  return {.name = std::string(name),
          .schema = std::move(schema),
          .doc = std::string(doc),
          .required = needed,
          .default_value = {}};
}

/// Puts the fields that every object has before those of its own schema.
SchemaPtr as_object(const SchemaPtr& schema, std::string ref_name) {
  auto out = std::make_shared<Schema>(*schema);
  out->ref_name = std::move(ref_name);
  out->type = Schema::Type::object;
  std::erase_if(out->fields, [](const Schema::Field& f) {
    return f.name == "metadata" || f.name == "apiVersion" || f.name == "kind";
  });
  auto text = kube::reflect::scalar_schema(Schema::Type::string);
  std::vector<Schema::Field> fields{
      field("apiVersion", text, "Group and version of the API this object is written in."),
      field("kind", text, "What the object is."),
      field("metadata", kube::schema_of<kube::ObjectMeta>(),
            "Name, namespace, labels and the rest that every object has.")};
  fields.insert(fields.end(), out->fields.begin(), out->fields.end());
  out->fields = std::move(fields);
  return out;
}

std::vector<PrinterColumn> columns_of(const json::value& version) {
  std::vector<PrinterColumn> out;
  for (const auto& column : list_at(version, "additionalPrinterColumns")) {
    const auto* priority = member(column, "priority");
    out.push_back({.name = std::string(string_at(column, "name")),
                   .type = std::string(string_at(column, "type")),
                   .path = std::string(string_at(column, "jsonPath")),
                   .description = std::string(string_at(column, "description")),
                   .priority = priority && priority->is_int64() ? priority->get_int64() : 0,
                   .format = std::string(string_at(column, "format"))});
  }
  return out;
}

void add_subresources(const json::value& version, CrdVersion& out) {
  const auto* subresources = member(version, "subresources");
  if (!subresources) return;
  const auto* status = member(*subresources, "status");
  out.has_status = status && status->is_object();
  const auto* scale = member(*subresources, "scale");
  if (!scale || !scale->is_object()) return;
  out.scale = ScalePaths{.spec_replicas = std::string(string_at(*scale, "specReplicasPath")),
                         .status_replicas = std::string(string_at(*scale, "statusReplicasPath")),
                         .label_selector = std::string(string_at(*scale, "labelSelectorPath"))};
}

CrdVersion version_of(const json::value& crd, const json::value& version, const std::string& path,
                      FieldErrors& errors) {
  CrdVersion out;
  auto& info = out.resource;
  info.group = string_at(crd, "spec.group");
  info.version = string_at(version, "name");
  info.kind = string_at(crd, "spec.names.kind");
  info.plural = string_at(crd, "spec.names.plural");
  info.singular = string_at(crd, "spec.names.singular");
  if (info.singular.empty()) info.singular = lower(info.kind);
  info.short_names = strings_at(crd, "spec.names.shortNames");
  info.categories = strings_at(crd, "spec.names.categories");
  info.namespaced = string_at(crd, "spec.scope") == "Namespaced";
  out.list_kind = string_at(crd, "spec.names.listKind");
  if (out.list_kind.empty()) out.list_kind = info.kind + "List";
  out.served = is_true(version, "served");
  out.storage = is_true(version, "storage");
  out.deprecated = is_true(version, "deprecated");
  out.deprecation_warning = string_at(version, "deprecationWarning");
  if (out.deprecated && out.deprecation_warning.empty()) {
    out.deprecation_warning = fmt::format("{} {} is deprecated", info.api_version(), info.kind);
  }
  out.columns = columns_of(version);
  for (const auto& selectable : list_at(version, "selectableFields")) {
    out.selectable_fields.emplace_back(string_at(selectable, "jsonPath"));
  }
  add_subresources(version, out);
  const auto* props = at_path(version, "schema.openAPIV3Schema");
  if (!props) {
    errors.push_back(required(child(path, "schema.openAPIV3Schema"), "schemas are required"));
    return out;
  }
  auto schema = structural_schema(*props, child(path, "schema.openAPIV3Schema"), errors);
  if (schema)
    out.schema = as_object(schema, fmt::format("{}.{}.{}", reversed(info.group), info.version, info.kind));
  return out;
}

// ---- the rules of the kind itself

void fill_in_crd(json::object& object) {
  auto& spec = object_in(object, "spec");
  auto& names = object_in(spec, "names");
  std::string kind(text_in(names, "kind"));
  if (text_in(names, "singular").empty()) names["singular"] = lower(kind);
  if (text_in(names, "listKind").empty() && !kind.empty()) names["listKind"] = kind + "List";
  auto& conversion = object_in(spec, "conversion");
  if (text_in(conversion, "strategy").empty()) conversion["strategy"] = "None";
}

void prepare_crd_create(json::object& object) {
  json::value whole(object);
  json::array stored;
  for (const auto& version : list_at(whole, "spec.versions")) {
    if (is_true(version, "storage")) stored.emplace_back(string_at(version, "name"));
  }
  object["status"] = json::object{{"conditions", json::array()},
                                  {"acceptedNames", {{"plural", ""}, {"kind", ""}}},
                                  {"storedVersions", std::move(stored)}};
}

void check_crd_names(FieldErrors& errors, const json::value& crd) {
  auto name_at = [&](const char* path, NameRule rule) {
    auto text = string_at(crd, path);
    if (text.empty()) return errors.push_back(required(path));
    check_name(errors, path, text, rule);
  };
  name_at("spec.group", dns_subdomain);
  if (string_at(crd, "spec.group").find('.') == std::string_view::npos) {
    errors.push_back(
        invalid("spec.group", string_at(crd, "spec.group"), "should be a domain with at least one dot"));
  }
  name_at("spec.names.plural", dns_1035_label);
  name_at("spec.names.singular", dns_1035_label);
  auto kind_rule = [](std::string_view text) { return dns_1035_label(lower(text)); };
  name_at("spec.names.kind", kind_rule);
  name_at("spec.names.listKind", kind_rule);
  for (const char* path : {"spec.names.shortNames", "spec.names.categories"}) {
    auto names = strings_at(crd, path);
    for (size_t i = 0; i < names.size(); ++i) check_name(errors, item(path, i), names[i], dns_1035_label);
  }
  auto scope = string_at(crd, "spec.scope");
  check_one_of(errors, "spec.scope", scope, {"Cluster", "Namespaced"});
  auto wanted = fmt::format("{}.{}", string_at(crd, "spec.names.plural"), string_at(crd, "spec.group"));
  auto name = string_at(crd, "metadata.name");
  if (!name.empty() && name != wanted) {
    errors.push_back(invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
  }
  check_one_of(errors, "spec.conversion.strategy", string_at(crd, "spec.conversion.strategy"),
               {"None", "Webhook"});
}

void validate_crd(FieldErrors& errors, const json::value& crd) {
  check_crd_names(errors, crd);
  if (auto versions = crd_versions(crd); !versions) {
    errors.insert(errors.end(), versions.error().begin(), versions.error().end());
  }
}

void validate_crd_update(FieldErrors& errors, const json::value& crd, const json::value& old) {
  bool established = std::ranges::any_of(list_at(old, "status.conditions"), [](const json::value& condition) {
    return string_at(condition, "type") == "Established" && string_at(condition, "status") == "True";
  });
  for (const char* path : {"spec.group", "spec.names.plural", "spec.names.kind", "spec.scope"}) {
    auto now = string_at(crd, path);
    bool fixed = established || std::string_view(path) == "spec.group" ||
                 std::string_view(path) == "spec.names.plural";
    if (fixed && now != string_at(old, path)) errors.push_back(invalid(path, now, kImmutable));
  }
  auto stored = strings_at(old, "status.storedVersions");
  for (size_t i = 0; i < stored.size(); ++i) {
    const auto& versions = list_at(crd, "spec.versions");
    bool there = std::ranges::any_of(versions,
                                     [&](const json::value& v) { return string_at(v, "name") == stored[i]; });
    if (!there) {
      errors.push_back(
          invalid(item("status.storedVersions", i), stored[i],
                  fmt::format("missing from spec.versions; {} was previously a storage version, and must "
                              "remain in spec.versions until a storage migration ensures no data remains "
                              "persisted in {} and removes {} from status.storedVersions",
                              stored[i], stored[i], stored[i])));
    }
  }
}

// ---- its schema

SchemaPtr text_schema() { return kube::reflect::scalar_schema(Schema::Type::string); }
SchemaPtr flag_schema() { return kube::reflect::scalar_schema(Schema::Type::boolean); }

SchemaPtr object_schema(std::string_view name, std::vector<Schema::Field> fields, std::string_view doc) {
  auto out = std::make_shared<Schema>();
  out->type = Schema::Type::object;
  out->ref_name = fmt::format("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{}", name);
  out->doc = doc;
  out->fields = std::move(fields);
  return out;
}

SchemaPtr list_schema(SchemaPtr items, std::vector<std::string> keys = {}) {
  auto out = std::make_shared<Schema>();
  out->type = Schema::Type::array;
  out->items = std::move(items);
  if (!keys.empty()) out->list_type = Schema::ListType::map;
  out->list_keys = std::move(keys);
  return out;
}

SchemaPtr open_schema(std::string_view name, std::string_view doc) {
  auto out = std::make_shared<Schema>(*object_schema(name, {}, doc));
  out->preserve_unknown = true;
  return out;
}

SchemaPtr names_schema() {
  return object_schema(
      "CustomResourceDefinitionNames",
      {field("plural", text_schema(), "The name of the collection in paths; lower case.", true),
       field("singular", text_schema(), "The name of one; lower case."),
       field("shortNames", list_schema(text_schema()), "Short names for command lines."),
       field("kind", text_schema(), "The kind of the objects, in CamelCase.", true),
       field("listKind", text_schema(), "The kind of lists of them."),
       field("categories", list_schema(text_schema()), "Groups of kinds, such as \"all\".")},
      "What a kind is called.");
}

SchemaPtr column_schema() {
  return object_schema("CustomResourceColumnDefinition",
                       {field("name", text_schema(), "Its heading.", true),
                        field("type", text_schema(), "string, integer, number, boolean or date.", true),
                        field("format", text_schema()), field("description", text_schema()),
                        field("priority", kube::reflect::scalar_schema(Schema::Type::integer, "int32"),
                              "Above 0: only shown with -o wide."),
                        field("jsonPath", text_schema(), "Where its value stands.", true)},
                       "A column of `kubectl get`.");
}

SchemaPtr version_schema() {
  auto validation =
      object_schema("CustomResourceValidation",
                    {field("openAPIV3Schema", open_schema("JSONSchemaProps", "A schema in OpenAPI's words."),
                           "The schema.")},
                    "What objects look like.");
  auto scale = object_schema(
      "CustomResourceSubresourceScale",
      {field("specReplicasPath", text_schema(), {}, true),
       field("statusReplicasPath", text_schema(), {}, true), field("labelSelectorPath", text_schema())},
      "Where the numbers of replicas stand.");
  auto subresources = object_schema(
      "CustomResourceSubresources",
      {field("status", open_schema("CustomResourceSubresourceStatus", "")), field("scale", scale)},
      "Which subresources there are.");
  auto selectable = object_schema("SelectableField", {field("jsonPath", text_schema(), {}, true)}, "");
  return object_schema(
      "CustomResourceDefinitionVersion",
      {field("name", text_schema(), "Its name, such as v1.", true),
       field("served", flag_schema(), "Whether it can be used.", true),
       field("storage", flag_schema(), "Whether objects are stored in it; one version is.", true),
       field("deprecated", flag_schema()), field("deprecationWarning", text_schema()),
       field("schema", validation, "What objects look like."),
       field("subresources", subresources, "Which subresources there are."),
       field("additionalPrinterColumns", list_schema(column_schema()), "Columns of `kubectl get`."),
       field("selectableFields", list_schema(selectable), "Fields for field selectors.")},
      "A version of the kind.");
}

SchemaPtr crd_schema() {
  auto conversion = object_schema("CustomResourceConversion",
                                  {field("strategy", text_schema(), "None, or Webhook.", true),
                                   field("webhook", open_schema("WebhookConversion", ""))},
                                  "How versions are converted.");
  auto spec =
      object_schema("CustomResourceDefinitionSpec",
                    {field("group", text_schema(), "The API group.", true),
                     field("names", names_schema(), "What the kind is called.", true),
                     field("scope", text_schema(), "Namespaced or Cluster.", true),
                     field("versions", list_schema(version_schema()), "The versions of the kind.", true),
                     field("conversion", conversion, "How versions are converted."),
                     field("preserveUnknownFields", flag_schema())},
                    "What the kind shall be.");
  auto condition = object_schema(
      "CustomResourceDefinitionCondition",
      {field("type", text_schema(), {}, true), field("status", text_schema(), {}, true),
       field("lastTransitionTime", kube::reflect::time_schema()), field("reason", text_schema()),
       field("message", text_schema()),
       field("observedGeneration", kube::reflect::scalar_schema(Schema::Type::integer, "int64"))},
      "");
  auto status = object_schema(
      "CustomResourceDefinitionStatus",
      {field("conditions", list_schema(condition, {"type"})), field("acceptedNames", names_schema()),
       field("storedVersions", list_schema(text_schema())),
       field("observedGeneration", kube::reflect::scalar_schema(Schema::Type::integer, "int64"))},
      "Whether it is served.");
  auto whole = object_schema("CustomResourceDefinition",
                             {field("spec", spec, "What the kind shall be.", true),
                              field("status", status, "Whether it is served.")},
                             "Defines a kind of its own and how it is served.");
  return as_object(whole, whole->ref_name);
}

}  // namespace

const kube::KindInfo& crd_kind() {
  static const kube::KindInfo kind{.resource = {.group = kGroup,
                                                .version = "v1",
                                                .kind = "CustomResourceDefinition",
                                                .plural = "customresourcedefinitions",
                                                .singular = "customresourcedefinition",
                                                .short_names = {"crd", "crds"},
                                                .namespaced = false,
                                                .categories = {"api-extensions"}},
                                   .schema = crd_schema(),
                                   .has_status = true,
                                   .has_scale = false};
  return kind;
}

std::expected<std::vector<CrdVersion>, FieldErrors> crd_versions(const json::value& crd) {
  FieldErrors errors;
  std::vector<CrdVersion> out;
  const auto& versions = list_at(crd, "spec.versions");
  if (versions.empty()) errors.push_back(required("spec.versions", "must have at least one version"));
  std::set<std::string> names;
  size_t stored = 0;
  for (size_t i = 0; i < versions.size(); ++i) {
    auto path = item("spec.versions", i);
    auto version = version_of(crd, versions[i], path, errors);
    check_name(errors, child(path, "name"), version.resource.version, dns_1035_label);
    if (!names.insert(version.resource.version).second) {
      errors.push_back(
          invalid("spec.versions", version.resource.version, "must contain unique version names"));
    }
    stored += version.storage;
    out.push_back(std::move(version));
  }
  if (!versions.empty() && stored != 1) {
    errors.push_back(
        invalid("spec.versions", json::array(), "must have exactly one version marked as storage version"));
  }
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return out;
}

void establish_crd(json::value& crd, std::string_view now, std::string_view conflict) {
  json::value names;
  if (const auto* wanted = at_path(crd, "spec.names")) names = *wanted;
  std::vector<std::string> stored_now;
  for (const auto& version : list_at(crd, "spec.versions")) {
    if (is_true(version, "storage")) stored_now.emplace_back(string_at(version, "name"));
  }
  auto& status = object_in(crd.get_object(), "status");
  json::array* before = array_of(&status, "conditions");
  json::array old = before ? *before : json::array();
  json::array conditions;
  auto add = [&](std::string_view type, bool good, std::string_view reason, std::string_view message) {
    std::string_view value = good ? "True" : "False";
    std::string since(now);
    for (const auto& condition : old) {
      if (string_at(condition, "type") == type && string_at(condition, "status") == value) {
        since = string_at(condition, "lastTransitionTime");
      }
    }
    conditions.push_back(json::object{{"lastTransitionTime", since},
                                      {"message", message},
                                      {"reason", reason},
                                      {"status", value},
                                      {"type", type}});
  };
  if (conflict.empty()) {
    status["acceptedNames"] = names;
    add("NamesAccepted", true, "NoConflicts", "no conflicts found");
    add("Established", true, "InitialNamesAccepted", "the initial names have been accepted");
  } else {
    add("NamesAccepted", false, "NameConflict", conflict);
    add("Established", false, "NotAccepted", "not all names are accepted");
  }
  status["conditions"] = std::move(conditions);
  if (!array_of(&status, "storedVersions")) status["storedVersions"] = json::array();
  auto& stored = status["storedVersions"].get_array();
  for (const auto& name : stored_now) {
    if (std::ranges::find(stored, json::value(name)) == stored.end()) stored.emplace_back(name);
  }
}

std::vector<KindRules> crd_rules() {
  return {{.group = kGroup,
           .kind = "CustomResourceDefinition",
           .generation = true,
           .fill_in = fill_in_crd,
           .prepare_create = prepare_crd_create,
           .validate = validate_crd,
           .validate_update = validate_crd_update}};
}

}  // namespace weft::standalone
