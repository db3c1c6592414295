#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kube/json.h"

namespace weft::kube {

/// One document of a YAML stream, as JSON, with where each value stands.
struct YamlDocument {
  json::value value;
  std::string file;
  int line = 0;  ///< 1-based line of the document's first key
  /// "spec.ports[0].port" to its 1-based line, for messages with file:line; sorted by path.
  std::vector<std::pair<std::string, int>> lines;

  /// The line of a field path or of the nearest one above it.
  int line_of(std::string_view path) const;
};

/// YAML as Kubernetes reads it (sigs.k8s.io/yaml; see yaml_scalar.h), merge keys included. JSON text is YAML.
/// Empty documents are left out. A duplicate key, more than 100 levels, aliases that blow up or a syntax
/// error fail with "FILE:LINE: what" (ErrorCode::invalid).
Expected<std::vector<YamlDocument>> parse_yaml(std::string_view text, std::string_view file_name);

/// JSON as block YAML, keys in their order.
std::string to_yaml(const json::value& value);

/// All objects of a file, or of the *.yaml, *.yml and *.json files right in a folder (sorted by name); a List
/// is taken apart. "-" is standard input, whose objects have the file "stdin".
Expected<std::vector<YamlDocument>> load_manifests(const std::string& path);

}  // namespace weft::kube
