#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::http {

/// Longest head of a request that is read: the request line, its fields and the empty line.
inline constexpr size_t kMaxHead = 8192;

/// A request without a body.
struct Request {
  std::string method;  ///< GET or HEAD
  std::string path;    ///< as sent, without the query: "/healthz"
  std::string query;   ///< as sent, what is behind the '?'; empty without one
};

/// Reads a whole head (RFC 9112), up to and with its empty line. Strict: bad_request when it is no HTTP/1
/// request with a path, method_not_allowed for other methods than GET and HEAD, too_large when a body is to
/// follow or the head is longer than kMaxHead.
Expected<Request> parse_request(std::string_view head);

}  // namespace weft::http
