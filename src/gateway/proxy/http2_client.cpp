#include "gateway/proxy/http2_client.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "gateway/route/failure.h"

namespace weft::gateway {
namespace {

/// ms between looks at a connection.
constexpr uint64_t kTick = 1'000;
/// ms for an endpoint to take a byte of a request.
constexpr uint64_t kBodyTime = 60'000;

constexpr Http2Limits kLimits;

}  // namespace

Http2ClientStream::Http2ClientStream(Http2Client& client)
    : Http2SideStream(client, 0, false), client_(client) {}

ClientStreamEvents& Http2ClientStream::events() const { return static_cast<ClientStreamEvents&>(*events_); }

bool Http2ClientStream::connected() const { return client_.is_open(); }

bool Http2ClientStream::send_head(const RequestHead& head, Body body, bool end) {
  std::string target(head.path);
  if (head.has_query) target.append("?").append(head.query);
  std::string length;
  Http2Client::Nv list;
  Http2Client::add(list, ":method", head.method);
  Http2Client::add(list, ":scheme", client_.scheme_);
  if (!head.authority.empty()) Http2Client::add(list, ":authority", head.authority);
  Http2Client::add(list, ":path", target);
  Http2Client::add(list, head.fields);
  if (is_grpc(head)) Http2Client::add(list, "te", "trailers");
  if (body.kind == BodyKind::length) {
    length = fmt::format("{}", body.length);
    Http2Client::add(list, "content-length", length);
  }
  nghttp2_data_provider provider = client_.body_of(*this);
  int32_t id = nghttp2_submit_request(client_.session_, nullptr, list.data(), list.size(),
                                      end ? nullptr : &provider, static_cast<Http2Stream*>(this));
  if (id < 0) {
    client_.fail(*this, Reset::refused);
    return true;
  }
  id_ = id;
  out_ended_ = end;
  moved_ = client_.loop().now();
  client_.flush_later();
  return true;
}

Http2Client::Http2Client(Loop& loop, const IpAddr& addr, uint16_t port, SslPtr tls,
                         const ClientLimits& limits, ClientCodecOwner& owner)
    : Http2Session(Role::client, limits.head, kLimits),
      limits_(limits),
      owner_(owner),
      scheme_(tls ? "https" : "http"),
      idle_since_(loop.now()) {
  start(Connection::connect(loop, addr, port, std::move(tls), connection_events()));
  set_tick(limits_.connect_time);
}

ClientStream& Http2Client::open(ClientStreamEvents& events) {
  auto& stream = static_cast<Http2ClientStream&>(add_stream(std::make_unique<Http2ClientStream>(*this)));
  stream.events_ = &events;
  return stream;
}

bool Http2Client::has_room() const {
  if (draining_ || is_closed() || !nghttp2_session_check_request_allowed(session_)) return false;
  uint32_t most = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return streams() < std::min(most, kLimits.streams);
}

void Http2Client::drain() {
  draining_ = true;
  if (streams() == 0 && !is_closed()) terminate(NGHTTP2_NO_ERROR);
}

void Http2Client::on_connected() {
  set_tick(kTick);
  for (StreamEvents* events : waiting()) static_cast<ClientStreamEvents*>(events)->on_connected();
}

bool Http2Client::on_head_field(Http2Stream& base, std::string_view name, std::string_view value) {
  auto& stream = static_cast<Http2ClientStream&>(base);
  ResponseHead& head = stream.events().response();
  Arena& arena = stream.events().arena();
  // nghttp2 has seen that there is one, and that it is a number of three digits.
  if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), head.status);
    head.upgrade = {};
    head.fields.clear();
    stream.length_.reset();
    return true;
  }
  if (name == "content-length") {
    uint64_t length = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    stream.length_ = length;
    return error == std::errc() && end == value.data() + value.size();
  }
  head.fields.add(arena.keep(name), arena.keep(value));
  return true;
}

void Http2Client::on_head(Http2Stream& base, bool end) {
  auto& stream = static_cast<Http2ClientStream&>(base);
  if (!stream.events_) return;
  if (stream.bad_ != 0) return fail(stream, Reset::protocol_error);
  ResponseHead& head = stream.events().response();
  if (head.status < 200) {
    if (head.status != 100) stream.events().on_informational();
    return;
  }
  stream.head_read_ = true;
  Body body;
  if (stream.length_)
    body = {BodyKind::length, *stream.length_};
  else if (!end)
    body = {BodyKind::chunked};
  ClientStreamEvents& events = stream.events();
  if (end) {
    stream.in_end_ = Http2Stream::End::told;
    stream.events_ = nullptr;
    on_in_ended(stream);
  }
  events.on_response(body, end);
}

void Http2Client::on_in_ended(Http2Stream& stream) {
  // The answer is there: what is left of the request is not sent.
  if (!stream.gone_ && !stream.sent_all_ && !(stream.out_ended_ && stream.out_.empty()))
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id_, NGHTTP2_NO_ERROR);
}

void Http2Client::on_stream_gone() {
  if (streams() == 0) idle_since_ = loop().now();
  if (draining_ && streams() == 0) terminate(NGHTTP2_NO_ERROR);
  if (has_room()) owner_.on_codec_room(*this);
}

uint64_t Http2Client::on_tick(uint64_t now) {
  if (!is_open()) {
    close(Reset::connect_failed);
    return kTick;
  }
  bool no_more = draining_ || !nghttp2_session_check_request_allowed(session_);
  if (streams() == 0 && (no_more || now - idle_since_ >= limits_.idle_time)) {
    draining_ = true;
    terminate(NGHTTP2_NO_ERROR);
  }
  look_after(now, kBodyTime);
  return kTick;
}

}  // namespace weft::gateway
