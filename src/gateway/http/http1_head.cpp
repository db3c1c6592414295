#include "gateway/http/http1_head.h"

#include <cstring>
#include <optional>

#include "gateway/http/authority.h"
#include "gateway/http/chars.h"

namespace weft::gateway::http1 {

using namespace std::string_view_literals;

size_t HeadScanner::scan(std::string_view data, const Limits& limits) {
  while (const char* lf = seen_ < data.size() ? static_cast<const char*>(std::memchr(
                                                    data.data() + seen_, '\n', data.size() - seen_))
                                              : nullptr) {
    auto at = static_cast<size_t>(lf - data.data());
    seen_ = at + 1;
    if (at == line_ || data[at - 1] != '\r') {
      status_ = 400;
      return 0;
    }
    bool empty = at == line_ + 1;
    bool first = line_ == 0;
    line_ = at + 1;
    if (line_ > limits.head) {
      status_ = first ? 414 : 431;
      return 0;
    }
    if (empty && !first) return line_;
    if (empty) {
      status_ = 400;
      return 0;
    }
  }
  seen_ = data.size();
  if (data.size() > limits.head) status_ = line_ == 0 ? 414 : 431;
  return 0;
}

namespace {

/// What the fields of a head say that is not passed on as a field.
struct Special {
  std::optional<std::string_view> host;
  bool hosts_differ = false;
  std::optional<uint64_t> length;
  bool bad_length = false;
  std::optional<std::string_view> coding;
  bool many_codings = false;
  std::string_view upgrade;
  std::string_view expect;
  bool close = false;
  bool keep_alive = false;
  bool asks_upgrade = false;
  bool lists_fields = false;  ///< Connection names fields
};

std::optional<uint64_t> digits(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

void read_connection(std::string_view list, Special& special) {
  std::string_view word;
  while (chars::next_element(list, word)) {
    if (chars::same_word("close", word)) {
      special.close = true;
    } else if (chars::same_word("keep-alive", word)) {
      special.keep_alive = true;
    } else if (chars::same_word("upgrade", word)) {
      special.asks_upgrade = true;
    } else {
      special.lists_fields = true;
    }
  }
}

void read_length(std::string_view value, Special& special) {
  auto length = digits(value);
  // Even the same one twice: nobody needs it.
  if (!length || special.length) special.bad_length = true;
  special.length = length.value_or(0);
}

/// Whether the field stays among the fields. `special` takes what it is for.
bool ordinary(std::string_view name, std::string_view value, Special& special) {
  switch (name.size()) {
    case 2:
      return name != "te"sv;
    case 4:
      if (name != "host"sv) return true;
      special.hosts_differ |= special.host.has_value();
      special.host = value;
      return false;
    case 6:
      if (name != "expect"sv) return true;
      special.expect = value;
      return false;
    case 7:
      if (name != "upgrade"sv) return true;
      special.upgrade = value;
      return false;
    case 10:
      if (name == "connection"sv) {
        read_connection(value, special);
        return false;
      }
      return name != "keep-alive"sv;
    case 14:
      if (name == "content-length"sv) {
        read_length(value, special);
        return false;
      }
      return name != "http2-settings"sv;
    case 16:
      return name != "proxy-connection"sv;
    case 17:
      if (name != "transfer-encoding"sv) return true;
      special.many_codings |= special.coding.has_value();
      special.coding = value;
      return false;
    default:
      return true;
  }
}

/// Reads the lines of `text`, which it changes: names become lower case. 0, 400 or 431.
template <class Take>
uint16_t read_fields(char* at, char* end, const Limits& limits, Take&& take) {
  size_t count = 0;
  while (at != end) {
    char* name = at;
    while (unsigned char lower = chars::kToken[static_cast<unsigned char>(*at)])
      *at++ = static_cast<char>(lower);
    // Also of lines that begin with white space (obs-fold), and of white space before the colon.
    if (at == name || *at != ':') return 400;
    std::string_view field(name, static_cast<size_t>(at - name));
    ++at;
    char* value = at;
    while (chars::kValue[static_cast<unsigned char>(*at)]) ++at;
    if (*at != '\r' || at[1] != '\n') return 400;
    if (++count > limits.fields) return 431;
    take(field, chars::trim({value, static_cast<size_t>(at - value)}));
    at += 2;
  }
  return 0;
}

/// Fields that Connection names are this connection's alone.
void remove_listed(std::string_view lines, const Special& special, Fields& fields) {
  if (!special.lists_fields) return;
  // The field may have come several times; its lines are still there, with names in lower case.
  while (!lines.empty()) {
    size_t eol = lines.find("\r\n");
    std::string_view line = lines.substr(0, eol);
    lines.remove_prefix(eol + 2);
    if (!line.starts_with("connection:")) continue;
    line.remove_prefix("connection:"sv.size());
    std::string_view word;
    while (chars::next_element(line, word)) {
      const Field* found = nullptr;
      for (const Field& field : fields)
        if (chars::same_word(field.name, word)) found = &field;
      if (found) fields.remove(found->name);
    }
  }
}

/// "HTTP/1.0" or "HTTP/1.1" (and what may come after 1.1): 0, 400 or 505.
uint16_t read_version(std::string_view version, Connection& connection) {
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.') return 400;
  if (version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9') return 400;
  if (version[5] != '1') return 505;
  connection.http10 = version[7] == '0';
  return 0;
}

/// RFC 9112, 3.2.
uint16_t read_target(std::string_view target, RequestHead& head, std::string_view& authority) {
  if (!chars::all(chars::kTarget, target)) return 400;
  if (head.method == "CONNECT") return 501;
  if (target == "*" && head.method == "OPTIONS") {
    head.path = target;
    return 0;
  }
  if (!target.starts_with('/')) {
    size_t skip = chars::same_word("http://", target.substr(0, 7))    ? 7
                  : chars::same_word("https://", target.substr(0, 8)) ? 8
                                                                      : 0;
    if (skip == 0) return 400;
    target.remove_prefix(skip);
    size_t end = target.find_first_of("/?");
    if (!read_authority(target.substr(0, end), authority) || authority.empty()) return 400;
    target.remove_prefix(end == std::string_view::npos ? target.size() : end);
  }
  size_t mark = target.find('?');
  head.path = target.substr(0, mark);
  if (head.path.empty()) head.path = "/";
  head.has_query = mark != std::string_view::npos;
  head.query = head.has_query ? target.substr(mark + 1) : std::string_view();
  return 0;
}

uint16_t read_request_line(std::string_view line, const Limits& limits, RequestHead& head,
                           std::string_view& authority, Connection& connection) {
  size_t first = line.find(' ');
  size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  head.method = line.substr(0, first);
  if (head.method.empty() || !chars::all(chars::kToken, head.method)) return 400;
  if (uint16_t bad = read_version(line.substr(last + 1), connection)) return bad;
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (target.size() > limits.target) return 414;
  return read_target(target, head, authority);
}

/// Transfer-Encoding and Content-Length (RFC 9112, 6.3): 0, 400 or 501.
uint16_t read_framing(const Special& special, bool http10, Body& body) {
  body = {};
  if (special.bad_length) return 400;
  if (special.coding) {
    if (special.length || http10) return 400;
    if (special.many_codings) return 400;
    if (chars::same_word("chunked", *special.coding)) {
      body.kind = BodyKind::chunked;
      return 0;
    }
    std::string_view list = *special.coding;
    std::string_view word;
    size_t chunked = 0;
    size_t words = 0;
    while (chars::next_element(list, word)) ++words, chunked += chars::same_word("chunked", word);
    // Chunked has to be the last, and once; others we do not know.
    return words > chunked && chunked == 1 && chars::same_word("chunked", word) ? 501 : 400;
  }
  if (special.length) body = {.kind = BodyKind::length, .length = *special.length};
  return 0;
}

bool keeps_alive(const Special& special, const Connection& connection) {
  return !special.close && (!connection.http10 || special.keep_alive);
}

/// An upgrade to HTTP/2 is no longer part of HTTP (RFC 9113, 3.1), and a proxy would have to do it itself.
std::string_view wanted_upgrade(const Special& special, const Connection& connection) {
  if (!special.asks_upgrade || connection.http10) return {};
  std::string_view list = special.upgrade;
  std::string_view word;
  while (chars::next_element(list, word))
    if (chars::same_word("h2c", word)) return {};
  return special.upgrade;
}

/// A copy of the head in the arena, split into its first line and the rest without the empty line at its end.
struct Lines {
  std::string_view first;
  char* fields;
  char* end;
};

Lines keep_lines(std::string_view bytes, Arena& arena) {
  std::string_view kept = arena.keep(bytes);
  size_t eol = kept.find("\r\n");
  char* begin = const_cast<char*>(kept.data());
  return {kept.substr(0, eol), begin + eol + 2, begin + kept.size() - 2};
}

}  // namespace

uint16_t read_request(std::string_view bytes, const Limits& limits, RequestHead& head, Arena& arena,
                      Body& body, Connection& connection) {
  head.fields.clear();
  head.upgrade = {};
  Lines lines = keep_lines(bytes, arena);
  std::string_view authority;
  if (uint16_t bad = read_request_line(lines.first, limits, head, authority, connection)) return bad;

  Special special;
  uint16_t bad =
      read_fields(lines.fields, lines.end, limits, [&](std::string_view name, std::string_view value) {
        if (ordinary(name, value, special)) head.fields.add(name, value);
      });
  if (bad) return bad;
  if (uint16_t refused = read_framing(special, connection.http10, body)) return refused;
  if (special.hosts_differ || (!special.host && !connection.http10)) return 400;
  if (!read_authority(special.host.value_or(""), head.authority)) return 400;
  if (!authority.empty()) head.authority = authority;
  if (!special.expect.empty() && !connection.http10) {
    if (!chars::same_word("100-continue", special.expect)) return 417;
    connection.expects_continue = true;
  }
  remove_listed({lines.fields, static_cast<size_t>(lines.end - lines.fields)}, special, head.fields);
  connection.keep_alive = keeps_alive(special, connection);
  if (body.kind == BodyKind::none || body == Body{BodyKind::length, 0})
    head.upgrade = wanted_upgrade(special, connection);
  return 0;
}

bool read_response(std::string_view bytes, const Limits& limits, bool to_head, ResponseHead& head,
                   Arena& arena, Body& body, Connection& connection) {
  head.fields.clear();
  head.upgrade = {};
  Lines lines = keep_lines(bytes, arena);
  std::string_view line = lines.first;
  if (line.size() < 12 || line[8] != ' ' || read_version(line.substr(0, 8), connection) != 0) return false;
  auto status = digits(line.substr(9, 3));
  if (!status || *status < 100 || (line.size() > 12 && line[12] != ' ')) return false;
  if (!chars::all(chars::kValue, line.substr(12))) return false;
  head.status = static_cast<uint16_t>(*status);

  Special special;
  uint16_t bad =
      read_fields(lines.fields, lines.end, limits, [&](std::string_view name, std::string_view value) {
        if (ordinary(name, value, special)) head.fields.add(name, value);
      });
  if (bad) return false;
  if (head.status < 200 || head.status == 204) {
    // Some say a length of nothing; it means nothing.
    body = {};
  } else {
    if (read_framing(special, connection.http10, body) != 0) return false;
    if (body.kind == BodyKind::none && !to_head && head.status != 304) body.kind = BodyKind::close;
  }
  remove_listed({lines.fields, static_cast<size_t>(lines.end - lines.fields)}, special, head.fields);
  connection.keep_alive = keeps_alive(special, connection) && body.kind != BodyKind::close;
  if (head.status == 101) head.upgrade = special.asks_upgrade ? special.upgrade : std::string_view();
  return true;
}

bool has_body(uint16_t status, bool to_head, const Body& body) {
  if (to_head || status < 200 || status == 204 || status == 304) return false;
  return body.kind == BodyKind::chunked || body.kind == BodyKind::close ||
         (body.kind == BodyKind::length && body.length > 0);
}

bool read_trailers(std::string_view bytes, const Limits& limits, Fields& fields, Arena& arena) {
  std::string_view kept = arena.keep(bytes);
  char* begin = const_cast<char*>(kept.data());
  Special dropped;
  return read_fields(begin, begin + kept.size(), limits, [&](std::string_view name, std::string_view value) {
           if (ordinary(name, value, dropped) && name != "trailer"sv && name != "content-encoding"sv &&
               name != "content-type"sv && name != "authorization"sv && name != "set-cookie"sv)
             fields.add(name, value);
         }) == 0;
}

}  // namespace weft::gateway::http1
