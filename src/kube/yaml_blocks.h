#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kube/yaml.h"

namespace weft::kube {

/// The documents of a stream in the plain style in which nearly all manifests are written and printed: block
/// mappings and lists, scalars of one line, comments, nothing but ASCII. Nothing where the text has anything
/// else (or anything wrong), which is then for yaml-cpp to read. What it does read, yaml-cpp reads as the
/// same, in about ten times the time.
std::optional<std::vector<YamlDocument>> read_block_yaml(std::string_view text, std::string_view file);

/// The same of any text, by yaml-cpp alone: as parse_yaml, which asks the one above first.
Expected<std::vector<YamlDocument>> parse_any_yaml(std::string_view text, std::string_view file);

}  // namespace weft::kube
