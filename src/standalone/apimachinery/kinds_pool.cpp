#include "standalone/apimachinery/crd.h"
#include "standalone/apimachinery/crd_schema.h"
#include "standalone/apimachinery/kind_rules.h"

/// AddressPool is refused as a cluster refuses it that has our CustomResourceDefinition
/// (deploy/crds/addresspool.yaml).
namespace weft::standalone {
namespace {

json::object selector_rules() {
  json::object term{{"required", {"key", "operator"}},
                    {"properties", {{"operator", {{"enum", {"In", "NotIn", "Exists", "DoesNotExist"}}}}}}};
  return {{"properties", {{"matchExpressions", {{"items", std::move(term)}}}}}};
}

const kube::Schema& schema_rules() {
  static const kube::SchemaPtr schema = [] {
    json::object address{{"minLength", 1}, {"maxLength", 100}};
    json::object addresses{{"items", std::move(address)}, {"minItems", 1}, {"maxItems", 256}};
    json::object condition{{"required", {"type", "status", "lastTransitionTime", "reason", "message"}},
                           {"properties", {{"status", {{"enum", {"True", "False", "Unknown"}}}}}}};
    json::object conditions{{"items", std::move(condition)},
                            {"x-kubernetes-list-type", "map"},
                            {"x-kubernetes-list-map-keys", {"type"}}};
    return rules_schema({{"required", {"spec"}},
                         {"properties",
                          {{"spec",
                            {{"required", {"addresses"}},
                             {"properties",
                              {{"addresses", std::move(addresses)},
                               {"namespaceSelector", selector_rules()},
                               {"serviceSelector", selector_rules()}}}}},
                           {"status", {{"properties", {{"conditions", std::move(conditions)}}}}}}}});
  }();
  return *schema;
}

void validate(FieldErrors& errors, const json::value& object) {
  auto found = validate_by_schema(object, schema_rules());
  errors.insert(errors.end(), found.begin(), found.end());
}

void validate_status(FieldErrors& errors, const json::value& object, const json::value& /*old*/) {
  validate(errors, object);
}

}  // namespace

std::vector<KindRules> pool_rules() {
  return {{.group = "weft.dev",
           .kind = "AddressPool",
           .generation = true,
           .validate = validate,
           .validate_status = validate_status}};
}

}  // namespace weft::standalone
