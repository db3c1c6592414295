#include "standalone/apimachinery/kinds.h"

#include <algorithm>
#include <random>

#include "kube/codec.h"
#include "kube/meta.h"
#include "kube/registry.h"
#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/fields.h"
#include "standalone/apimachinery/kind_rules.h"

namespace weft::standalone {
namespace {

const std::vector<KindRules>& all_rules() {
  static const std::vector<KindRules> rules = [] {
    std::vector<KindRules> all;
    for (auto group :
         {service_rules, endpoints_rules, pod_rules, apps_rules, networking_rules, policy_rules,
          cluster_policy_rules, gateway_rules, gateway_route_rules, pool_rules, config_rules, crd_rules}) {
      auto some = group();
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }();
  return rules;
}

/// nullptr: a custom kind.
const KindRules* rules_of(const kube::ResourceInfo& kind) {
  const auto& all = all_rules();
  auto at = std::ranges::find_if(
      all, [&](const KindRules& rules) { return rules.group == kind.group && rules.kind == kind.kind; });
  return at == all.end() ? nullptr : &*at;
}

/// The rules by which objects of this schema are judged: a CustomResourceDefinition in the place of a
/// built-in kind has its own.
const KindRules* judges_of(const kube::ResourceInfo& kind, const kube::Schema& schema) {
  const auto* builtin = kube::find_builtin(kind.group, kind.plural);
  return builtin && builtin->schema.get() != &schema ? nullptr : rules_of(kind);
}

/// Whether anything but metadata and status differs.
bool same_intent(const json::object& object, const json::object& old, bool with_status) {
  auto counts = [&](std::string_view key) { return key != "metadata" && (with_status || key != "status"); };
  auto contains = [&](const json::object& a, const json::object& b) {
    return std::ranges::all_of(a, [&](const auto& pair) {
      if (!counts(pair.key())) return true;
      const auto* other = b.if_contains(pair.key());
      return other && *other == pair.value();
    });
  };
  return contains(object, old) && contains(old, object);
}

void copy_member(json::object& to, const json::value& from, std::string_view key) {
  if (const auto* value = kube::member(from, key)) {
    to[key] = *value;
  } else {
    to.erase(key);
  }
}

/// What a client cannot change by an update: it may leave it out.
void take_over_metadata(json::object& object, const json::value& old) {
  auto& metadata = object_in(object, "metadata");
  const auto* before = kube::member(old, "metadata");
  if (!before) return;
  for (const auto* key : {"generation", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    copy_member(metadata, *before, key);
  }
  for (const auto* key : {"name", "namespace", "uid", "creationTimestamp"}) {
    if (!is_set(metadata, key) || metadata[key] == json::value("")) copy_member(metadata, *before, key);
  }
}

/// All but status (and, of built-in kinds, metadata) comes from the stored state.
void keep_status_only(json::value& object, const json::value& old, const KindRules* rules) {
  json::object out = old.get_object();
  copy_member(out, object, "status");
  if (rules) {
    copy_member(out, object, "metadata");
    const auto* before = kube::member(old, "metadata");
    if (rules->group == "apps" && before) copy_member(object_in(out, "metadata"), *before, "labels");
  } else if (const auto* managed = kube::at_path(object, "metadata.managedFields")) {
    object_in(out, "metadata")["managedFields"] = *managed;
  }
  if (const auto* version = kube::at_path(object, "metadata.resourceVersion")) {
    object_in(out, "metadata")["resourceVersion"] = *version;
  }
  object = std::move(out);
}

void validate_common(FieldErrors& errors, const kube::ResourceInfo& kind, const KindRules* rules,
                     const json::value& object, const json::value* old) {
  const auto* metadata = kube::member(object, "metadata");
  auto decoded = kube::decode<kube::ObjectMeta>(metadata ? *metadata : json::value(json::object{}));
  if (!decoded) {
    errors.push_back(invalid("metadata", nullptr, decoded.error().message));
    return;
  }
  if (old) {
    const auto* before = kube::member(*old, "metadata");
    auto decoded_old = kube::decode<kube::ObjectMeta>(before ? *before : json::value(json::object{}));
    if (decoded_old) check_metadata_update(errors, *decoded, *decoded_old);
  }
  check_metadata(errors, *decoded, kind.namespaced, rules ? rules->name_rule : dns_subdomain);
  if (rules && rules->kind != "CustomResourceDefinition") check_qualified_finalizers(errors, *decoded);
}

}  // namespace

json::object& object_in(json::object& parent, std::string_view key) {
  auto& value = parent[key];
  return value.is_object() ? value.get_object() : value.emplace_object();
}

json::object* object_of(json::object* parent, std::string_view key) {
  auto* value = parent ? parent->if_contains(key) : nullptr;
  return value ? value->if_object() : nullptr;
}

json::array* array_of(json::object* parent, std::string_view key) {
  auto* value = parent ? parent->if_contains(key) : nullptr;
  return value ? value->if_array() : nullptr;
}

bool is_set(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && !value->is_null();
}

std::string_view text_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value ? value->if_string() : nullptr;
  return text ? std::string_view(*text) : std::string_view();
}

void set_default(json::object& object, std::string_view key, json::value value) {
  if (!is_set(object, key)) object[key] = std::move(value);
}

void default_object(const kube::ResourceInfo& kind, const kube::Schema& schema, json::value& object) {
  if (!object.is_object()) return;
  const auto* rules = rules_of(kind);
  apply_defaults(object, schema);
  if (rules && rules->fill_in) rules->fill_in(object.get_object());
}

void prepare_for_create(const kube::ResourceInfo& kind, bool has_status, json::value& value) {
  auto* object = value.if_object();
  if (!object) return;
  const auto* rules = rules_of(kind);
  if (has_status && !(rules && rules->status_at_create)) object->erase("status");
  auto& metadata = object_in(*object, "metadata");
  metadata.erase("deletionTimestamp");
  metadata.erase("deletionGracePeriodSeconds");
  if (counts_generation(kind)) {
    metadata["generation"] = 1;
  } else {
    metadata.erase("generation");
  }
  if (rules && rules->prepare_create) rules->prepare_create(*object);
}

void prepare_for_update(const kube::ResourceInfo& kind, bool has_status, json::value& value,
                        const json::value& old, std::string_view subresource) {
  if (!value.is_object() || !old.is_object()) return;
  const auto* rules = rules_of(kind);
  if (subresource == "status") keep_status_only(value, old, rules);
  auto* object = value.if_object();
  take_over_metadata(*object, old);
  if (subresource == "status") return;
  if (has_status) copy_member(*object, old, "status");
  if (rules && rules->prepare_update) rules->prepare_update(*object, old);
  if (counts_generation(kind) && !same_intent(*object, old.get_object(), !has_status)) {
    const auto* generation = kube::at_path(old, "metadata.generation");
    object_in(*object, "metadata")["generation"] =
        generation && generation->is_int64() ? generation->get_int64() + 1 : 1;
  }
}

FieldErrors validate_create(const kube::ResourceInfo& kind, const kube::Schema& schema,
                            const json::value& object) {
  FieldErrors errors;
  const auto* rules = judges_of(kind, schema);
  validate_common(errors, kind, rules, object, nullptr);
  if (rules && rules->validate) rules->validate(errors, object);
  if (!rules) {
    auto more = validate_by_schema(object, schema);
    errors.insert(errors.end(), more.begin(), more.end());
  }
  return errors;
}

FieldErrors validate_update(const kube::ResourceInfo& kind, const kube::Schema& schema,
                            const json::value& object, const json::value& old, std::string_view subresource) {
  FieldErrors errors;
  const auto* rules = judges_of(kind, schema);
  validate_common(errors, kind, rules, object, &old);
  if (!rules) {
    auto more = validate_by_schema(object, schema);
    errors.insert(errors.end(), more.begin(), more.end());
  } else if (subresource == "status") {
    if (rules->validate_status) rules->validate_status(errors, object, old);
  } else {
    if (rules->validate) rules->validate(errors, object);
    if (rules->validate_update) rules->validate_update(errors, object, old);
  }
  return errors;
}

bool counts_generation(const kube::ResourceInfo& kind) {
  const auto* rules = rules_of(kind);
  return !rules || rules->generation;
}

std::string generated_name(std::string_view generate_name) {
  // Without vowels and look-alikes, as upstream has it.
  static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::string out(generate_name.substr(0, 58));
  std::uniform_int_distribution<size_t> pick(0, kAlphabet.size() - 1);
  for (int i = 0; i < 5; ++i) out += kAlphabet[pick(random)];
  return out;
}

}  // namespace weft::standalone
