#include "base/http/request.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>

namespace weft::http {

namespace beast_http = boost::beast::http;

Expected<Request> parse_request(std::string_view head, size_t max_body) {
  if (head.size() > kMaxHead) return fail(ErrorCode::too_large, "the request's head is over 8192 bytes");
  beast_http::request_parser<beast_http::empty_body> parser;
  parser.header_limit(kMaxHead);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head), error);
  uint64_t length = 0;
  if (parser.is_header_done()) {
    length = parser.content_length().value_or(0);
    if (parser.chunked() || length > max_body)
      return fail(ErrorCode::too_large, max_body == 0 ? "no request here has a body"
                                                      : "the body is too long, or its length is not told");
  }
  if (error) return fail(ErrorCode::bad_request, "malformed HTTP request: " + error.message());
  if (!parser.is_header_done()) return fail(ErrorCode::bad_request, "malformed HTTP request: it ends early");
  const auto& message = parser.get();
  auto method = message.method();
  const bool with_body = method == beast_http::verb::post && max_body > 0;
  if (method != beast_http::verb::get && method != beast_http::verb::head && !with_body)
    return fail(ErrorCode::method_not_allowed, "only GET and HEAD are answered");
  if (!with_body && length > 0) return fail(ErrorCode::too_large, "only POST has a body");
  if (message.count(beast_http::field::host) > 1)
    return fail(ErrorCode::bad_request, "malformed HTTP request: several hosts");
  std::string_view target = message.target();
  if (!target.starts_with('/')) return fail(ErrorCode::bad_request, "malformed HTTP request: no path");
  auto mark = std::min(target.find('?'), target.size());
  auto query = target.substr(std::min(mark + 1, target.size()));
  return Request{.method = message.method_string(),
                 .path = std::string(target.substr(0, mark)),
                 .query = std::string(query),
                 .host = message[beast_http::field::host],
                 .cookie = message[beast_http::field::cookie],
                 .content_type = message[beast_http::field::content_type],
                 .length = length,
                 .body = {}};
}

}  // namespace weft::http
