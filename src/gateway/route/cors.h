#pragma once

#include <string_view>

#include "gateway/config/config.h"
#include "gateway/http/message.h"

/// Cross-origin requests (HTTPCORSFilter; the Fetch standard's CORS protocol).
namespace weft::gateway {

/// Whether an Origin is among the allowed ones: the same scheme, host and port, or a "*" before the host for
/// any number of labels.
bool allows_origin(const Cors& cors, std::string_view origin);

/// Whether the request asks before another one, and is answered by the proxy.
bool is_preflight(const RequestHead& request);

/// The answer to a preflight: 204, or 403 to an origin that is not allowed.
void answer_preflight(const Cors& cors, const RequestHead& request, ResponseHead& answer, Arena& arena);

/// Puts what the filter says into a backend's response to `request`, in the place of what the backend said.
void allow_response(const Cors& cors, const RequestHead& request, ResponseHead& response, Arena& arena);

}  // namespace weft::gateway
