#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::kube {

/// What is wrong with a label or annotation key ("[DNS-SUBDOMAIN/]NAME", the name at most 63 characters), in
/// the words of apimachinery and their order; empty when it is well formed.
std::vector<std::string> label_key_problems(std::string_view key);
/// The same for a label's value: empty, or at most 63 letters, digits, '-', '_' and '.', beginning and ending
/// with one of the first two.
std::vector<std::string> label_value_problems(std::string_view value);

}  // namespace weft::kube
