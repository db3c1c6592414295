#include "standalone/apimachinery/gateway_schema.h"

#include <algorithm>

#include "standalone/apimachinery/crd.h"

namespace weft::standalone::gateway_schema {
namespace {

constexpr const char* kDnsName = R"(^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)";

bool keeps_rules_from_running(const FieldError& error) {
  return error.reason != "FieldValueInvalid" && error.reason != "FieldValueDuplicate";
}

}  // namespace

json::object fields(json::object properties, std::initializer_list<const char*> required) {
  json::object out{{"properties", std::move(properties)}};
  if (required.size() == 0) return out;
  auto& names = out["required"].emplace_array();
  for (const auto* one : required) names.emplace_back(one);
  return out;
}

json::object list_of(json::object items, int max, int min) {
  json::object out{{"items", std::move(items)}, {"maxItems", max}};
  if (min > 0) out["minItems"] = min;
  return out;
}

json::object number(int64_t min, int64_t max) { return {{"minimum", min}, {"maximum", max}}; }

json::object text(int min, int max, const char* pattern) {
  json::object out{{"maxLength", max}};
  if (min > 0) out["minLength"] = min;
  if (pattern) out["pattern"] = pattern;
  return out;
}

json::object choice(json::array values) { return {{"enum", std::move(values)}}; }

json::object group() {
  return text(0, 253, R"(^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)");
}
json::object kind() { return text(1, 63, "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"); }
json::object name() { return text(1, 253); }
json::object namespace_() { return text(1, 63, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"); }
json::object section() { return text(1, 253, kDnsName); }
json::object hostname() {
  return text(1, 253, R"(^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$)");
}
json::object port() { return number(1, 65535); }
json::object duration() { return {{"pattern", "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}}; }

json::object reference(std::initializer_list<const char*> required) {
  return fields({{"group", group()}, {"kind", kind()}, {"name", name()}, {"namespace", namespace_()}},
                required);
}

bool check(FieldErrors& errors, const json::value& object, const kube::Schema& schema) {
  auto found = validate_by_schema(object, schema);
  errors.insert(errors.end(), found.begin(), found.end());
  if (!std::ranges::any_of(found, keeps_rules_from_running)) return true;
  errors.push_back(invalid("<nil>", nullptr,
                           "some validation rules were not checked because the object was invalid; correct "
                           "the existing errors to complete validation"));
  return false;
}

void broken(FieldErrors& errors, std::string field, std::string_view message) {
  errors.push_back({"FieldValueInvalid", std::move(field), "Invalid value: " + std::string(message)});
}

}  // namespace weft::standalone::gateway_schema
