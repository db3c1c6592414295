#include "gateway/proxy/http2_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "gateway/http/authority.h"
#include "gateway/http/chars.h"
#include "gateway/http/path.h"

namespace weft::gateway {
namespace {

/// ms between looks at a connection with streams.
constexpr uint64_t kTick = 5'000;
/// ms in which a client learns that there are to be no more streams before one is turned away.
constexpr uint64_t kNotice = 1'000;

constexpr Http2Limits kLimits;

/// Of several Cookie fields one (RFC 9113, 8.2.3).
void join_cookies(Fields& fields, Arena& arena) {
  size_t size = 0;
  for (const Field& field : fields)
    if (field.name == "cookie") size += field.value.size() + 2;
  std::span<char> room = arena.room(size);
  char* to = room.data();
  for (const Field& field : fields) {
    if (field.name != "cookie") continue;
    if (to != room.data()) to = std::ranges::copy(std::string_view("; "), to).out;
    to = std::ranges::copy(field.value, to).out;
  }
  fields.set("cookie", {room.data(), static_cast<size_t>(to - room.data())});
}

}  // namespace

Http2ServerStream::Http2ServerStream(Http2Server& server, int32_t id)
    : Http2SideStream(server, id, true), server_(server) {}

ServerStreamEvents& Http2ServerStream::events() const { return static_cast<ServerStreamEvents&>(*events_); }

void Http2ServerStream::send_informational(const ResponseHead& head) {
  std::string status = fmt::format("{}", head.status);
  Http2Server::Nv list;
  Http2Server::add(list, ":status", status);
  Http2Server::add(list, head.fields);
  nghttp2_submit_headers(server_.session_, NGHTTP2_FLAG_NONE, id_, nullptr, list.data(), list.size(),
                         nullptr);
  server_.flush_later();
}

bool Http2ServerStream::send_head(const ResponseHead& head, Body body, bool end) {
  std::string status = fmt::format("{}", head.status);
  std::string length;
  Http2Server::Nv list;
  Http2Server::add(list, ":status", status);
  Http2Server::add(list, head.fields);
  if (body.kind == BodyKind::length) {
    length = fmt::format("{}", body.length);
    Http2Server::add(list, "content-length", length);
  }
  nghttp2_data_provider provider = server_.body_of(*this);
  nghttp2_submit_response(server_.session_, id_, list.data(), list.size(), end ? nullptr : &provider);
  moved_ = server_.loop().now();
  if (end) events_ = nullptr;
  server_.flush_later();
  return true;
}

Http2Server::Http2Server(std::unique_ptr<Connection> connection, std::string_view scheme,
                         const ServerLimits& limits, RequestHandler& handler, ServerCodecOwner& owner)
    : Http2Session(Role::server, limits.head, kLimits),
      scheme_(scheme),
      limits_(limits),
      handler_(handler),
      owner_(owner) {
  connection->set_events(connection_events());
  Http2Session::start(std::move(connection));
  idle_since_ = loop().now();
}

void Http2Server::start() {
  set_tick(limits_.head_time);
  flush_later();
  read_now();
}

void Http2Server::drain() {
  if (std::exchange(draining_, true) || is_closed()) return;
  nghttp2_submit_shutdown_notice(session_);
  flush_later();
  set_tick(kNotice);
}

Http2Stream* Http2Server::on_begin(int32_t id) {
  auto& stream = static_cast<Http2ServerStream&>(add_stream(std::make_unique<Http2ServerStream>(*this, id)));
  stream.events_ = &handler_.on_stream(stream);
  return &stream;
}

bool Http2Server::on_head_field(Http2Stream& base, std::string_view name, std::string_view value) {
  auto& stream = static_cast<Http2ServerStream&>(base);
  RequestHead& head = stream.events().request();
  Arena& arena = stream.events().arena();
  if (name.starts_with(':')) {
    if (name == ":method") head.method = arena.keep(value);
    if (name == ":authority") head.authority = arena.keep(value);
    if (name == ":path") head.path = arena.keep(value);
    return true;
  }
  if (name == "content-length") {
    uint64_t length = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    stream.length_ = length;
    return error == std::errc() && end == value.data() + value.size();
  }
  if (name == "host") {
    // One, and the same as the authority where there are both (RFC 9113, 8.3.1).
    if (stream.host_.data()) return false;
    stream.host_ = arena.keep(value);
    return true;
  }
  if (name == "expect") {
    stream.expects_continue_ = chars::same_word("100-continue", value);
    return true;
  }
  if (name == "te" || name == "http2-settings") return true;
  if (name == "cookie") ++stream.cookies_;
  head.fields.add(arena.keep(name), arena.keep(value));
  return true;
}

bool Http2Server::finish_head(Http2ServerStream& stream, RequestHead& head) {
  Arena& arena = stream.events().arena();
  if (!read_authority(head.authority, head.authority) || !read_authority(stream.host_, stream.host_))
    return false;
  if (!head.authority.empty() && !stream.host_.empty() && head.authority != stream.host_) return false;
  if (head.authority.empty()) head.authority = stream.host_;
  if (head.authority.empty()) return false;
  if (!chars::all(chars::kTarget, head.path)) return false;
  size_t question = head.path.find('?');
  head.has_query = question != std::string_view::npos;
  head.query = head.has_query ? head.path.substr(question + 1) : std::string_view();
  head.path = head.path.substr(0, question);
  head.scheme = scheme_;
  head.upgrade = {};
  if (head.path != "*" || head.method != "OPTIONS") {
    auto path = normal_path(head.path, arena);
    if (!path) return false;
    head.path = *path;
  }
  if (stream.cookies_ > 1) join_cookies(head.fields, arena);
  return true;
}

void Http2Server::on_head(Http2Stream& base, bool end) {
  auto& stream = static_cast<Http2ServerStream&>(base);
  stream.head_read_ = true;
  if (end) stream.in_end_ = Http2Stream::End::told;
  if (!stream.events_) return;
  RequestHead& head = stream.events().request();
  if (stream.bad_ == 0 && head.method == "CONNECT") return refuse(stream, 501);
  if (stream.bad_ == 0 && !finish_head(stream, head)) return refuse(stream, 400);
  if (stream.bad_ == 431) return refuse(stream, 431);
  if (stream.bad_ != 0) return fail(stream, Reset::protocol_error);
  if (stream.expects_continue_ && !end) {
    ResponseHead go_on;
    go_on.status = 100;
    stream.send_informational(go_on);
  }
  Body body;
  if (stream.length_)
    body = {BodyKind::length, *stream.length_};
  else if (!end)
    body = {BodyKind::chunked};
  stream.events().on_request(body, end);
}

void Http2Server::on_head_waits() {
  uint64_t waited = loop().now() - head_since_;
  if (!draining_) set_tick(limits_.head_time - std::min(waited, limits_.head_time));
}

void Http2Server::refuse(Http2ServerStream& stream, uint16_t status) {
  StreamEvents* events = std::exchange(stream.events_, nullptr);
  stream.bad_ = 0;
  ResponseHead head;
  head.status = status;
  stream.send_head(head, {BodyKind::length, 0}, true);
  if (events) events->on_reset(Reset::protocol_error);
}

void Http2Server::on_out_sent(Http2Stream& stream) {
  // What the client still sends nobody wants (RFC 9113, 8.1).
  if (stream.in_end_ == Http2Stream::End::open)
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_NO_ERROR);
}

void Http2Server::on_stream_gone() {
  if (streams() == 0) idle_since_ = loop().now();
}

uint64_t Http2Server::on_tick(uint64_t now) {
  if (draining_) {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    if (streams() == 0) terminate(NGHTTP2_NO_ERROR);
    flush_later();
  } else if (head_since_ != 0 && now - head_since_ >= limits_.head_time) {
    terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (streams() == 0 && now - idle_since_ >= limits_.idle_time) {
    terminate(NGHTTP2_NO_ERROR);
  }
  look_after(now, limits_.body_time);
  return kTick;
}

}  // namespace weft::gateway
