#pragma once

#include <optional>
#include <string_view>

#include "kube/json.h"

namespace weft::kube {

/// The JSON value of a plain (unquoted, untagged) YAML scalar, by the rules of sigs.k8s.io/yaml: YAML 1.1's
/// null, booleans (y, yes, on …) and numbers in bases 2, 8, 10 and 16, with underscores; a number that is
/// whole becomes an integer; everything else, dates too, is a string. Nothing for .nan and .inf, which JSON
/// cannot say.
std::optional<json::value> plain_scalar(std::string_view text);

/// A whole number is an integer, however it is written (2e3), as far as 64 bits hold it.
json::value number_of(double value);

}  // namespace weft::kube
