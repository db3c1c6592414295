#include "gateway/http/http1_writer.h"

#include <algorithm>
#include <charconv>

#include "gateway/http/http1_body.h"

namespace weft::gateway::http1 {

namespace {

/// Writes behind what is in the buffer, to room that was asked for once.
class Cursor {
 public:
  Cursor(Buffer& out, size_t room) : out_(out), begin_(out.reserve(room)), at_(begin_) {}
  ~Cursor() { out_.commit(static_cast<size_t>(at_ - begin_)); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  Cursor& operator<<(std::string_view text) {
    at_ = std::ranges::copy(text, at_).out;
    return *this;
  }
  Cursor& operator<<(uint64_t number) {
    at_ = std::to_chars(at_, at_ + 20, number).ptr;
    return *this;
  }

 private:
  Buffer& out_;
  char* begin_;
  char* at_;
};

/// More than all that is written besides the texts of a head.
constexpr size_t kExtra = 256;

size_t size_of(const Fields& fields) {
  size_t size = 0;
  for (const Field& field : fields) size += field.name.size() + field.value.size() + 4;
  return size;
}

void write_fields(const Fields& fields, Cursor& to) {
  for (const Field& field : fields) to << field.name << ": " << field.value << "\r\n";
}

void write_framing(const Body& body, Cursor& to) {
  if (body.kind == BodyKind::length) to << "content-length: " << body.length << "\r\n";
  if (body.kind == BodyKind::chunked) to << "transfer-encoding: chunked\r\n";
}

}  // namespace

void write_request(const RequestHead& head, const Body& body, Buffer& out) {
  Cursor to(out, head.method.size() + head.path.size() + head.query.size() + head.authority.size() +
                     head.upgrade.size() + size_of(head.fields) + kExtra);
  to << head.method << " " << head.path;
  if (head.has_query) to << "?" << head.query;
  to << " HTTP/1.1\r\nhost: " << head.authority << "\r\n";
  write_fields(head.fields, to);
  write_framing(body, to);
  if (!head.upgrade.empty()) to << "connection: upgrade\r\nupgrade: " << head.upgrade << "\r\n";
  to << "\r\n";
}

void write_response(const ResponseHead& head, const Body& body, Goes goes, Buffer& out) {
  std::string_view name = reason(head.status);
  Cursor to(out, name.size() + head.upgrade.size() + size_of(head.fields) + kExtra);
  to << "HTTP/1.1 " << uint64_t{head.status} << " " << name << "\r\n";
  write_fields(head.fields, to);
  write_framing(body, to);
  if (!head.upgrade.empty())
    to << "connection: upgrade\r\nupgrade: " << head.upgrade << "\r\n";
  else if (goes == Goes::closes)
    to << "connection: close\r\n";
  else if (goes == Goes::on_http10)
    to << "connection: keep-alive\r\n";
  to << "\r\n";
}

void write_trailers(const Fields& trailers, Buffer& out) {
  Cursor to(out, size_of(trailers) + kExtra);
  to << kLastChunk;
  write_fields(trailers, to);
  to << "\r\n";
}

// clang-format off
std::string_view reason(uint16_t status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 203: return "Non-Authoritative Information";
    case 204: return "No Content";
    case 205: return "Reset Content";
    case 206: return "Partial Content";
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return {};
  }
}
// clang-format on

}  // namespace weft::gateway::http1
