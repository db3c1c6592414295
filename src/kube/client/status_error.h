#pragma once

#include <string_view>

#include "base/error.h"
#include "kube/json.h"

namespace weft::kube {

/// The Error for a refused request: code from the Status's reason, else from the HTTP status; the Status's
/// message. `status` is a string when the answer was no JSON: its first line then says what went wrong.
Error status_error(int http_status, const json::value& status, std::string_view request);

}  // namespace weft::kube
