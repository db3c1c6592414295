#include "base/http/request.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>

namespace weft::http {

namespace beast_http = boost::beast::http;

Expected<Request> parse_request(std::string_view head) {
  if (head.size() > kMaxHead) return fail(ErrorCode::too_large, "the request's head is over 8192 bytes");
  beast_http::request_parser<beast_http::empty_body> parser;
  parser.header_limit(kMaxHead);
  boost::system::error_code error;
  parser.put(boost::asio::buffer(head), error);
  if (parser.is_header_done()) {
    const auto& length = parser.content_length();
    if (parser.chunked() || (length && *length > 0))
      return fail(ErrorCode::too_large, "no request here has a body");
  }
  if (error) return fail(ErrorCode::bad_request, "malformed HTTP request: " + error.message());
  if (!parser.is_header_done()) return fail(ErrorCode::bad_request, "malformed HTTP request: it ends early");
  const auto& message = parser.get();
  auto method = message.method();
  if (method != beast_http::verb::get && method != beast_http::verb::head)
    return fail(ErrorCode::method_not_allowed, "only GET and HEAD are answered");
  std::string_view target = message.target();
  if (!target.starts_with('/')) return fail(ErrorCode::bad_request, "malformed HTTP request: no path");
  auto mark = std::min(target.find('?'), target.size());
  auto query = target.substr(std::min(mark + 1, target.size()));
  return Request{std::string(message.method_string()), std::string(target.substr(0, mark)),
                 std::string(query)};
}

}  // namespace weft::http
