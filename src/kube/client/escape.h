#pragma once

#include <string>
#include <string_view>

namespace weft::kube {

/// Percent-encoding of everything but RFC 3986's unreserved characters, for one value in a query or path.
std::string escape_query(std::string_view text);

}  // namespace weft::kube
