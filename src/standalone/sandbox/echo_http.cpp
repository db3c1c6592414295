#include "standalone/sandbox/echo_http.h"

#include <fmt/core.h>
#include <strings.h>

#include <algorithm>
#include <charconv>

namespace weft::standalone::sandbox {

namespace {

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool number(std::string_view text, size_t& value, int base) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

std::string_view take_line(std::string_view& text) {
  size_t end = text.find('\n');
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end == std::string_view::npos ? text.size() : end + 1));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

bool parse_request_line(std::string_view line, EchoRequest& request) {
  size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || first == 0) return false;
  request.method = line.substr(0, first);
  request.path = line.substr(first + 1, last - first - 1);
  request.protocol = line.substr(last + 1);
  if (request.protocol != "HTTP/1.1" && request.protocol != "HTTP/1.0") return false;
  request.keep_alive = request.protocol == "HTTP/1.1";
  return !request.path.empty();
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      // Bytes that are no ASCII are shown as the Latin-1 they are on the wire.
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += "  ";
  append_string(out, name);
  out += ": ";
  append_string(out, value);
  out += ",\n";
}

std::string describe(const EchoRequest& request, const EchoIdentity& identity, std::string_view client) {
  std::string out = "{\n";
  append_member(out, "pod", identity.pod);
  append_member(out, "namespace", identity.ns);
  append_member(out, "ip", identity.ip);
  append_member(out, "node", identity.node);
  append_member(out, "client", client);
  append_member(out, "protocol", request.protocol);
  append_member(out, "method", request.method);
  append_member(out, "path", request.path);
  append_member(out, "host", request.host);
  out += "  \"headers\": {";
  bool first = true;
  for (const auto& [name, value] : request.headers) {
    out += std::exchange(first, false) ? "\n    " : ",\n    ";
    append_string(out, name);
    out += ": ";
    append_string(out, value);
  }
  return out + "\n  }\n}\n";
}

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 413:
      return "Content Too Large";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

}  // namespace

void HttpReader::fail(int status) {
  error_ = status;
  state_ = State::bad;
}

size_t HttpReader::feed(std::string_view bytes) {
  std::string_view rest = bytes;
  while (state_ != State::complete && state_ != State::bad) {
    if (state_ == State::head) {
      size_t before = head_.size();
      size_t search = before < 3 ? 0 : before - 3;
      head_ += rest.substr(0, kMaxHead + 4 - std::min(before, kMaxHead));
      size_t end = head_.find("\r\n\r\n", search);
      if (end == std::string::npos) {
        if (head_.size() > kMaxHead) fail(431);
        return bytes.size();
      }
      head_.resize(end + 2);
      rest.remove_prefix(end + 4 - before);
      head_complete();
    } else if (rest.empty()) {
      break;
    } else if (state_ == State::body || state_ == State::chunk) {
      size_t n = std::min(left_, rest.size());
      rest.remove_prefix(n);
      left_ -= n;
      if (left_ == 0) state_ = state_ == State::body ? State::complete : State::chunk_end;
    } else if (read_line(rest)) {
      line_complete();
    }
  }
  return bytes.size() - rest.size();
}

bool HttpReader::read_line(std::string_view& bytes) {
  size_t end = bytes.find('\n');
  size_t n = std::min(bytes.size(), end == std::string_view::npos ? bytes.size() : end + 1);
  head_ += bytes.substr(0, n);
  bytes.remove_prefix(n);
  if (head_.size() > kMaxHead) fail(400);
  return end != std::string_view::npos && state_ != State::bad;
}

/// One line of a chunked body is in head_ (RFC 9112, 7.1).
void HttpReader::line_complete() {
  std::string_view text = head_;
  auto line = take_line(text);
  if (state_ == State::chunk_end) {
    if (!line.empty()) return fail(400);
    state_ = State::chunk_size;
  } else if (state_ == State::chunk_size) {
    if (!number(trim(line.substr(0, line.find(';'))), left_, 16)) return fail(400);
    if (left_ > kMaxBody || (body_ += left_) > kMaxBody) return fail(413);
    state_ = left_ == 0 ? State::trailer : State::chunk;
  } else if (line.empty()) {
    state_ = State::complete;
  }
  head_.clear();
}

void HttpReader::head_complete() {
  std::string head = std::move(head_);
  head_.clear();
  std::string_view text = head;
  if (!parse_request_line(take_line(text), request_)) return fail(400);
  bool chunked = false, has_length = false;
  while (!text.empty()) {
    auto line = take_line(text);
    size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return fail(400);
    auto name = line.substr(0, colon), value = trim(line.substr(colon + 1));
    if (name.back() == ' ' || name.back() == '\t') return fail(400);
    if (same(name, "host")) request_.host = value;
    if (same(name, "connection")) {
      if (same(value, "close")) request_.keep_alive = false;
      if (same(value, "keep-alive")) request_.keep_alive = true;
    }
    if (same(name, "transfer-encoding")) chunked = same(value, "chunked");
    if (same(name, "content-length")) {
      size_t length = 0;
      if (!number(value, length, 10) || (has_length && length != left_)) return fail(400);
      if (length > kMaxBody) return fail(413);
      left_ = length;
      has_length = true;
    }
    request_.headers.emplace_back(name, value);
  }
  // Both at once is how requests are smuggled (RFC 9112, 6.3).
  if (chunked && has_length) return fail(400);
  state_ = chunked ? State::chunk_size : left_ > 0 ? State::body : State::complete;
}

EchoResponse answer(const EchoRequest& request, const EchoIdentity& identity, std::string_view client) {
  EchoResponse response;
  std::string_view path = request.path;
  path = path.substr(0, path.find('?'));
  constexpr std::string_view kStatus = "/status/", kDelay = "/delay/";
  size_t value = 0;
  if (path == "/healthz") {
    response.type = "text/plain";
    response.body = "ok";
    return response;
  }
  if (path == "/hostname") {
    response.type = "text/plain";
    response.body = identity.pod;
    return response;
  }
  if (path.starts_with(kStatus) && number(path.substr(kStatus.size()), value, 10) && value >= 200 &&
      value <= 599)
    response.status = static_cast<int>(value);
  if (path.starts_with(kDelay) && number(path.substr(kDelay.size()), value, 10))
    response.delay_ms = static_cast<int>(std::min<size_t>(value, 600'000));
  response.body = describe(request, identity, client);
  return response;
}

std::string write_response(const EchoResponse& response, bool keep_alive, bool head_only) {
  bool bodiless = response.status == 204 || response.status == 304;
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", response.status,
                                reason_phrase(response.status), response.type);
  if (!bodiless) out += fmt::format("Content-Length: {}\r\n", response.body.size());
  out += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (!bodiless && !head_only) out += response.body;
  return out;
}

}  // namespace weft::standalone::sandbox
