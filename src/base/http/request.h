#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace weft::http {

/// Longest head of a request that is read: the request line, its fields and the empty line.
inline constexpr size_t kMaxHead = 8192;

struct Request {
  std::string method;  ///< GET or HEAD; POST where bodies are taken
  std::string path;    ///< as sent, without the query: "/healthz"
  std::string query;   ///< as sent, what is behind the '?'; empty without one
  // Fields, as sent; empty without one.
  std::string host;
  std::string cookie;
  std::string content_type;
  size_t length = 0;  ///< of the body
  std::string body;   ///< of POST; not part of the head
};

/// Reads a whole head (RFC 9112), up to and with its empty line. Strict: bad_request when it is no HTTP/1
/// request with a path and at most one host, method_not_allowed for other methods than GET and HEAD (and
/// POST, if `max_body` is not 0), too_large when a longer body is to follow, or one of a length that is not
/// told, or when the head is longer than kMaxHead.
Expected<Request> parse_request(std::string_view head, size_t max_body = 0);

}  // namespace weft::http
