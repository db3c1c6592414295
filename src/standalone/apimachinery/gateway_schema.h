#pragma once

#include <initializer_list>

#include "kube/json.h"
#include "kube/schema.h"
#include "standalone/apimachinery/field_error.h"

/// Pieces of the schemas of Gateway API v1.6 (what the CustomResourceDefinitions say beyond types and
/// defaults), and how objects are checked against them.
namespace weft::standalone::gateway_schema {

json::object fields(json::object properties, std::initializer_list<const char*> required = {});
json::object list_of(json::object items, int max, int min = 0);
json::object number(int64_t min, int64_t max);
json::object text(int min, int max, const char* pattern = nullptr);
json::object choice(json::array values);

json::object group();
json::object kind();
json::object name();  ///< of an object
json::object namespace_();
json::object section();   ///< of a listener, a port or a rule
json::object hostname();  ///< with or without "*." at its beginning
json::object port();
json::object duration();

/// A reference with these members required.
json::object reference(std::initializer_list<const char*> required);

/// What the schema has against the object; when that keeps the further rules from being checked, an error
/// that says so is added.
/// False: no further rules are to be checked.
bool check(FieldErrors& errors, const json::value& object, const kube::Schema& schema);

/// A rule of an object that does not hold: the value is left out.
void broken(FieldErrors& errors, std::string field, std::string_view message);

}  // namespace weft::standalone::gateway_schema
