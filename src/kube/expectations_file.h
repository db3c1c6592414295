#pragma once

#include <string_view>

namespace weft::kube {

/// True of *.weft.yaml: what `weft test` expects of the manifests beside it. Such a file is no manifest, so a
/// folder is read without it.
inline bool is_expectations_file(std::string_view path) { return path.ends_with(".weft.yaml"); }

}  // namespace weft::kube
