#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "kube/json.h"
#include "kube/schema.h"

namespace weft::standalone {

enum class OpenApiVersion { v2, v3 };

/// {"$ref": "#/components/schemas/NAME"}, or where version 2 has definitions.
json::object reference_to(OpenApiVersion version, std::string_view name);

/// Schemas by definition name, as OpenAPI writes them; what a schema refers to comes along.
class Definitions {
 public:
  explicit Definitions(OpenApiVersion version) : version_(version) {}

  void add(const kube::SchemaPtr& schema);
  void add_raw(const std::string& name, json::object definition) { all_[name] = std::move(definition); }
  /// Adds to a definition's x-kubernetes-group-version-kind.
  void mark(const std::string& name, json::object gvk);
  /// All of them in the order of their names.
  json::object take();

 private:
  json::object write(const kube::Schema& schema);
  /// A reference where the schema has a name, the schema itself otherwise.
  json::object use(const kube::SchemaPtr& schema);
  void write_fields(const kube::Schema& schema, json::object& out);
  void write_type(const kube::Schema& schema, json::object& out);

  OpenApiVersion version_;
  std::map<std::string, json::object> all_;
};

}  // namespace weft::standalone
